import { notFound, Refusal } from '@mono-auth/core/errors';
import { newId, type SubscriberId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import type { TenantTx } from '@mono-auth/database';
import { chain, leaseLimits } from '@mono-auth/feed-engine';
import { requireHead } from './append-entries.ts';
import {
  countSubscribers,
  findSubscriber,
  findSubscriberByName,
  insertSubscriber,
  type SubscriberRow,
} from './store.ts';

/** Enforcement points of one tenant: a receipt names every one of them in one message. */
const subscribersMax = 2_000;

/** Writes the evidence of a registration in the same transaction: audit's `append`. */
export type RecordEvent = (
  tx: TenantTx,
  call: Call,
  event: { type: string; object: { kind: string; id: string }; detail: Record<string, string | number> },
) => Promise<unknown>;

/**
 * Registers the caller under a name. Repeating it answers the same subscriber with its first lease: a process that still
 * runs may trust itself for that long, and receipts must not say "fenced" any earlier.
 */
export async function registerSubscriber(
  tx: TenantTx,
  call: Call,
  input: { readonly name: string /** 0: the default. */; readonly leaseMs: number },
  recordEvent: RecordEvent,
): Promise<SubscriberRow> {
  const { name } = input;
  const { principal } = call.caller;
  const leaseMs = input.leaseMs || leaseLimits.defaultLeaseMs;
  if (leaseMs < leaseLimits.leaseMsMin || leaseMs > leaseLimits.leaseMsMax) {
    throw new Refusal('invalid_request', `lease_ms: ${leaseLimits.leaseMsMin} to ${leaseLimits.leaseMsMax}, or 0`);
  }
  const known = await findSubscriberByName(tx, principal, name);
  if (known) return known;
  if ((await countSubscribers(tx)) >= subscribersMax) {
    throw new Refusal('too_large', `a tenant has at most ${subscribersMax} feed subscribers`);
  }
  const { incarnation } = await requireHead(tx);
  const genesis = { incarnation, seq: 0, hash: chain.genesisHash(tx.tenantId, incarnation) };
  const id = newId(call.runtime, 'sub');
  const row = { id, principal, name, leaseMs, registeredAtMs: call.runtime.nowMs() };
  // Two processes may register the same name at once: one of them inserts, both answer that row.
  if (await insertSubscriber(tx, row, genesis)) {
    const object = { kind: 'feed_subscriber', id };
    await recordEvent(tx, call, { type: 'feed.subscriber_registered', object, detail: { name, lease_ms: leaseMs } });
  }
  return (await findSubscriberByName(tx, principal, name)) as SubscriberRow;
}

/** @throws Refusal `not_found` also when the subscriber is somebody else's (law 5). */
export async function requireOwnSubscriber(tx: TenantTx, call: Call, id: SubscriberId): Promise<SubscriberRow> {
  const subscriber = await findSubscriber(tx, id);
  if (!subscriber || subscriber.principal !== call.caller.principal) throw notFound('feed subscriber');
  return subscriber;
}
