import { equalBytes } from '@mono-auth/core/encoding';
import type { TenantId } from '@mono-auth/core/ids';
import { entryHash, type FeedEntry, genesisHash, isEntry } from './chain.ts';
import type { VerifiedHead } from './head.ts';

/** Where a consumer stands: everything up to and including `seq` is proven and handed on. */
export interface FeedPosition {
  readonly incarnation: number;
  readonly seq: number;
  readonly hash: Uint8Array;
}

/** Why a consumer may no longer trust what it holds. */
export type ResyncReason =
  /** The head is that of another tenant. */
  | 'foreign_head'
  /** The database began a new life: everything held belongs to the old one. */
  | 'new_incarnation'
  /** Entries are missing, doubled or out of order, or the head is ahead of them. */
  | 'gap'
  /** A head from behind what is already proven: an old head played back, or a database rolled back. */
  | 'rolled_back'
  /** The entries are not those that were signed. */
  | 'mismatch';

/** A consumer's proven prefix of one tenant's feed, or the knowledge that it has none. */
export type FeedCursor =
  | { readonly status: 'live'; readonly tenantId: TenantId; readonly position: FeedPosition }
  | { readonly status: 'resync'; readonly tenantId: TenantId; readonly reason: ResyncReason };

/** What the stream delivers: entries and the head that proves them, or a head alone. */
export interface FeedBatch {
  readonly entries: readonly FeedEntry[];
  readonly head: VerifiedHead;
}

/** What the caller does next, in this order. */
export type FeedEffect =
  /** Put the entries into the reducer; they are proven. */
  | { readonly type: 'apply'; readonly entries: readonly FeedEntry[] }
  /** Tell the server how far this consumer is, after the entries were applied. */
  | { readonly type: 'ack'; readonly position: FeedPosition }
  /** Trust nothing held any more: end the lease, throw the state away, begin anew. */
  | { readonly type: 'reset'; readonly reason: ResyncReason };

export interface FeedStep {
  readonly cursor: FeedCursor;
  readonly effects: readonly FeedEffect[];
}

/** A consumer that holds nothing yet. */
export function startCursor(tenantId: TenantId, incarnation: number): FeedCursor {
  return resumeCursor(tenantId, { incarnation, seq: 0, hash: genesisHash(tenantId, incarnation) });
}

/** A consumer that goes on from a position it had proven earlier, together with the state of that position. */
export function resumeCursor(tenantId: TenantId, position: FeedPosition): FeedCursor {
  return { status: 'live', tenantId, position };
}

/**
 * Takes the next batch of the stream. All of its entries are proven, or none is taken: they continue the chain without
 * a gap, and the signed head stands exactly at the last of them with the same hash.
 */
export function applyBatch(cursor: FeedCursor, { entries, head }: FeedBatch): FeedStep {
  if (cursor.status === 'resync') return { cursor, effects: [] };
  const { tenantId, position } = cursor;
  const foreign = originFault(cursor.tenantId, position, head);
  if (foreign !== undefined) return resync(tenantId, foreign);
  let { seq, hash } = position;
  for (const entry of entries) {
    if (entry.seq !== seq + 1) return resync(tenantId, 'gap');
    if (!isEntry(entry)) return resync(tenantId, 'mismatch');
    hash = entryHash(hash, entry);
    seq = entry.seq;
  }
  if (head.seq !== seq) return resync(tenantId, head.seq > seq ? 'gap' : 'rolled_back');
  if (!equalBytes(head.headHash, hash)) return resync(tenantId, 'mismatch');
  if (entries.length === 0) return { cursor, effects: [] };
  const reached: FeedPosition = { incarnation: position.incarnation, seq, hash };
  return {
    cursor: { status: 'live', tenantId, position: reached },
    effects: [
      { type: 'apply', entries },
      { type: 'ack', position: reached },
    ],
  };
}

/**
 * Takes a head that answers an acknowledgement of `acknowledged`. It comes beside the stream, so it may be ahead of the
 * cursor (the entries are on their way, and the lease waits for them) or behind it, but never behind what was
 * acknowledged before the server answered.
 */
export function checkAnswer(cursor: FeedCursor, head: VerifiedHead, acknowledged: FeedPosition): FeedStep {
  if (cursor.status === 'resync') return { cursor, effects: [] };
  const { tenantId, position } = cursor;
  const foreign = originFault(tenantId, position, head);
  if (foreign !== undefined) return resync(tenantId, foreign);
  if (head.seq < acknowledged.seq) return resync(tenantId, 'rolled_back');
  for (const known of [acknowledged, position]) {
    if (head.seq === known.seq && !equalBytes(head.headHash, known.hash)) return resync(tenantId, 'mismatch');
  }
  return { cursor, effects: [] };
}

function originFault(tenantId: TenantId, position: FeedPosition, head: VerifiedHead): ResyncReason | undefined {
  if (head.tenantId !== tenantId) return 'foreign_head';
  return head.incarnation === position.incarnation ? undefined : 'new_incarnation';
}

function resync(tenantId: TenantId, reason: ResyncReason): FeedStep {
  return { cursor: { status: 'resync', tenantId, reason }, effects: [{ type: 'reset', reason }] };
}
