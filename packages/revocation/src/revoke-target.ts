import { append } from '@mono-auth/audit';
import { Refusal } from '@mono-auth/core/errors';
import { newId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import { checkRepetition, keyedRequest } from '@mono-auth/core/request-digest';
import type { Runtime } from '@mono-auth/core/runtime';
import type { Database, TenantTx } from '@mono-auth/database';
import type { Feed, NewEntry } from '@mono-auth/feed';
import {
  type Casualty,
  feedTarget,
  type Receipt,
  type Revocation,
  type RevocationParticipant,
  type RevocationTarget,
} from './revocation.ts';
import { findByIdempotencyKey, insertRevocation, lockIdempotencyKey } from './store.ts';
import { waitForReceipt } from './wait-for-receipt.ts';

export interface RevocationDeps {
  readonly database: Database;
  readonly runtime: Runtime;
  readonly feed: Feed;
  /** Every capability whose objects can die with a target, in the order in which they are put to an end. */
  readonly participants: readonly RevocationParticipant[];
  /** The tenant's next epoch: everything of an earlier one is dead. */
  advanceEpoch(tx: TenantTx): Promise<number>;
}

export interface RevokeInput {
  readonly target: RevocationTarget;
  readonly reason: string;
  /** 0: answer at once with the receipt as it stands. */
  readonly waitMs: number;
  readonly idempotencyKey?: string | undefined;
  /** Ends the waiting, never the revocation. */
  readonly signal?: AbortSignal | undefined;
}

type RevokeOrder = Pick<RevokeInput, 'target' | 'reason' | 'idempotencyKey'>;

/** Longest wait for the receipt: below the longest deadline of a unary call. */
const waitMsMax = 25_000;

/**
 * Takes access away from a target and all that descends from it, in one transaction with its evidence and its entry in
 * the feed; then, if asked to, waits until everybody enforces it.
 * @throws Refusal `not_found` for a target that is not there; `invalid_request` when the idempotency key was used for
 * another revocation. A token that nobody has seen is revoked all the same: no row is kept for tokens.
 */
export async function revoke(
  deps: RevocationDeps,
  call: Call,
  input: RevokeInput,
): Promise<{ revocation: Revocation; receipt: Receipt }> {
  if (input.waitMs < 0 || input.waitMs > waitMsMax) {
    throw new Refusal('invalid_request', `wait_ms: 0 to ${waitMsMax}`);
  }
  const { tenantId } = call.caller;
  const revocation = await deps.database.forTenant(tenantId, (tx) => revokeWithin(deps, tx, call, input));
  return { revocation, receipt: await waitForReceipt(deps, tenantId, revocation, input) };
}

/**
 * The same as a part of a larger change, in its transaction. `alongside` are entries of that change: who has applied the
 * revocation has applied them too. It holds the feed's head, so it comes last.
 */
export async function revokeWithin(
  deps: RevocationDeps,
  tx: TenantTx,
  call: Call,
  input: RevokeOrder,
  alongside: readonly NewEntry[] = [],
): Promise<Revocation> {
  const { target, reason } = input;
  const asked = { kind: target.kind, id: target.kind === 'tenant' ? '' : target.id, reason };
  const request = keyedRequest(input.idempotencyKey, asked);
  if (request) {
    await lockIdempotencyKey(tx, request.key);
    const first = await findByIdempotencyKey(tx, request.key);
    if (first) {
      const { revocation, requestDigest } = first;
      const alike = () => sameTarget(revocation.target, target) && revocation.reason === reason;
      checkRepetition(request, requestDigest, 'revocation', alike);
      return revocation;
    }
  }
  const id = newId(call.runtime, 'rev');
  const casualties: Casualty[] = [];
  for (const participant of deps.participants) casualties.push(...(await participant.apply(tx, call, target)));
  const payload = { v: 1, id, target: feedTarget(target), reason: input.reason } as const;
  // The epoch before the feed: whoever holds the head's row asks for no other lock.
  const epoch = target.kind === 'tenant' ? await deps.advanceEpoch(tx) : undefined;
  const feedSeq = await deps.feed.append(tx, [
    ...alongside,
    { kind: 'revocation', payload },
    // It obtains nothing any more, which its dead tokens do not say.
    ...(target.kind === 'client'
      ? [{ kind: 'client', payload: { v: 1, id: target.id, state: 'retired' } } as const]
      : []),
    ...(epoch === undefined ? [] : [{ kind: 'epoch', payload: { v: 1, epoch } } as const]),
  ]);
  const revocation: Revocation = {
    id,
    target,
    reason: input.reason,
    feedSeq,
    createdBy: call.caller.principal,
    createdAtMs: call.runtime.nowMs(),
    casualties,
  };
  const event = {
    type: 'revocation.created',
    object: { kind: target.kind, id: target.kind === 'tenant' ? tx.tenantId : target.id },
    detail: { revocation: id, feed_seq: feedSeq, reason: input.reason },
  } as const;
  // Neither needs the other's answer, and both are there before the commit.
  await Promise.all([insertRevocation(tx, revocation, request), append(tx, call, event)]);
  return revocation;
}

function sameTarget(a: RevocationTarget, b: RevocationTarget): boolean {
  if (a.kind === 'tenant' || b.kind === 'tenant') return a.kind === b.kind;
  return a.kind === b.kind && a.id === b.id;
}

/** What would die with the target; changes nothing. */
export async function previewRevocation(
  participants: readonly RevocationParticipant[],
  tx: TenantTx,
  target: RevocationTarget,
): Promise<Casualty[]> {
  const casualties: Casualty[] = [];
  for (const participant of participants) casualties.push(...(await participant.preview(tx, target)));
  return casualties;
}
