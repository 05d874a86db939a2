import type { SubscriberId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import type { TenantTx } from '@mono-auth/database';
import { chain, type cursor, receipt } from '@mono-auth/feed-engine';
import { requireHead } from './append-entries.ts';
import { requireOwnSubscriber } from './register-subscriber.ts';
import { markApplied, markHeadAnswered, readEntryHash } from './store.ts';

export interface Acknowledgement {
  readonly subscriberId: SubscriberId;
  readonly applied: cursor.FeedPosition;
  /** Empty: none. */
  readonly nonce: string;
}

/**
 * Notes what a subscriber has applied, if it can be believed.
 * @returns the head as of now, to be signed for the nonce, and whether the subscriber came further.
 * @throws Refusal `reset_required` for another incarnation or other entries; `invalid_request` for more than was sent;
 * `not_found` for another caller's subscriber.
 */
export async function acknowledgeEntries(
  tx: TenantTx,
  call: Call,
  { subscriberId, applied, nonce }: Acknowledgement,
): Promise<{ head: cursor.FeedPosition; advanced: boolean }> {
  const subscriber = await requireOwnSubscriber(tx, call, subscriberId);
  const head = await requireHead(tx);
  const { incarnation } = head;
  const sent = { incarnation, seq: subscriber.sent.incarnation === incarnation ? subscriber.sent.seq : 0 };
  const stored = await readEntryHash(tx, applied.seq);
  const held = applied.seq === 0 ? chain.genesisHash(tx.tenantId, incarnation) : stored;
  receipt.checkAcknowledgement(applied, sent, () => held ?? new Uint8Array());
  const nowMs = call.runtime.nowMs();
  const advanced = await markApplied(tx, subscriberId, applied, nowMs);
  // Before the answer leaves: from then on the subscriber may trust itself for a lease.
  if (nonce !== '') await markHeadAnswered(tx, subscriberId, nowMs);
  return { head, advanced };
}
