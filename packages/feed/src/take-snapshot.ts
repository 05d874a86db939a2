import { Refusal } from '@mono-auth/core/errors';
import type { SubscriberId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import type { TenantTx } from '@mono-auth/database';
import type { cursor } from '@mono-auth/feed-engine';
import { requireHead } from './append-entries.ts';
import type { Feed } from './feed.ts';
import { hashAt, requirePlace } from './feed-place.ts';
import { requireOwnSubscriber } from './register-subscriber.ts';
import { markSent } from './store.ts';

export interface SnapshotInput {
  readonly subscriberId: SubscriberId;
  /** The furthest position that the consumer has proven; undefined: none. */
  readonly proven: cursor.FeedPosition | undefined;
}

/** What has been taken away up to a position, encoded. */
export interface Snapshot {
  readonly position: cursor.FeedPosition;
  readonly bytes: Uint8Array;
  readonly hash: Uint8Array;
}

/**
 * What the feed has taken away by now, and exactly where that stands. Notes the position as sent: once the consumer has
 * taken the state, it has applied everything up to there.
 * @throws Refusal `not_found` for another caller's subscriber; `reset_required` when this feed does not hold what the
 * consumer had proven, or has gone back under this process; `too_large` for a state that must be replayed instead.
 */
export async function takeSnapshot(
  tx: TenantTx,
  call: Call,
  feed: Pick<Feed, 'stateIn' | 'snapshots'>,
  { subscriberId, proven }: SnapshotInput,
): Promise<Snapshot> {
  await requireOwnSubscriber(tx, call, subscriberId);
  const { incarnation } = await requireHead(tx);
  const state = await feed.stateIn(tx);
  // At once: the state is shared, and moves on with every transaction that looks.
  const { seq, bytes, hash } = feed.snapshots.of(state);
  const head = await requireHead(tx);
  const entryHash = await hashAt(tx, incarnation, seq);
  if (head.incarnation !== incarnation || head.seq < seq || !entryHash) {
    throw new Refusal('reset_required', 'the feed is no longer the one that was followed');
  }
  if (proven && proven.incarnation >= incarnation) await requirePlace(tx, head, proven);
  const position = { incarnation, seq, hash: entryHash };
  await markSent(tx, subscriberId, position);
  return { position, bytes, hash };
}
