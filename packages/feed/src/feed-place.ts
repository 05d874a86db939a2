import { equalBytes } from '@mono-auth/core/encoding';
import { Refusal } from '@mono-auth/core/errors';
import type { TenantTx } from '@mono-auth/database';
import { chain, type cursor } from '@mono-auth/feed-engine';
import { readEntryHash } from './store.ts';

/** The chain's value at `seq`; undefined where there is no such entry. */
export async function hashAt(tx: TenantTx, incarnation: number, seq: number): Promise<Uint8Array | undefined> {
  return seq === 0 ? chain.genesisHash(tx.tenantId, incarnation) : readEntryHash(tx, seq);
}

/** @throws Refusal `reset_required` unless the feed that ends at `head` holds this position. */
export async function requirePlace(
  tx: TenantTx,
  head: cursor.FeedPosition,
  { incarnation, seq, hash }: cursor.FeedPosition,
): Promise<void> {
  if (incarnation !== head.incarnation) throw new Refusal('reset_required', 'the feed has another incarnation');
  const held = await hashAt(tx, incarnation, seq);
  if (!held || !equalBytes(held, hash)) throw new Refusal('reset_required', 'the cursor is no place of this feed');
}
