import { Refusal } from '@mono-auth/core/errors';
import type { Runtime } from '@mono-auth/core/runtime';
import type { TenantTx } from '@mono-auth/database';
import { chain, type cursor, payload } from '@mono-auth/feed-engine';
import { insertEntry, lockHead, readHead, updateHead } from './store.ts';

export type FeedKind = payload.EntryKind;

/** A new entry; its payload is that of its kind (see payload.ts of feed-engine). */
export type NewEntry = {
  readonly [K in FeedKind]: { readonly kind: K; readonly payload: payload.Payloads[K] };
}[FeedKind];

/** Entries of one transaction: what one change takes away is told in a handful. */
const entriesMax = 100;

/**
 * Gives the entries the next numbers without a gap and chains their hashes. Holds the head's row until the transaction
 * ends, so do it last.
 * @returns the seq of the last entry.
 */
export async function appendEntries(tx: TenantTx, runtime: Runtime, entries: readonly NewEntry[]): Promise<number> {
  if (entries.length === 0 || entries.length > entriesMax) throw new TypeError(`1 to ${entriesMax} entries at once`);
  const head = provisioned(await lockHead(tx));
  let { seq, hash } = head;
  for (const entry of entries) {
    seq++;
    const bytes = encode(entry);
    const next = { seq, kind: entry.kind, payload: bytes, createdAtMs: runtime.nowMs() };
    hash = chain.entryHash(hash, next);
    await insertEntry(tx, { ...next, hash });
  }
  await updateHead(tx, { ...head, seq, hash });
  return seq;
}

function encode<K extends FeedKind>(entry: { kind: K; payload: payload.Payloads[K] }): Uint8Array {
  return payload.encodePayload(entry.kind, entry.payload);
}

/** @throws Refusal `feed_stale` where the tenant's feed is not provisioned. */
export async function requireHead(tx: TenantTx): Promise<cursor.FeedPosition> {
  return provisioned(await readHead(tx));
}

function provisioned(head: cursor.FeedPosition | undefined): cursor.FeedPosition {
  if (!head) throw new Refusal('feed_stale', 'the feed of this tenant is being set up');
  return head;
}
