import { Refusal } from '@mono-auth/core/errors';
import type { Runtime } from '@mono-auth/core/runtime';
import type { TenantTx } from '@mono-auth/database';
import { chain, type cursor, payload } from '@mono-auth/feed-engine';
import { insertEntries, lockHead, readHead } from './store.ts';

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
  const encoded = entries.map((entry) => ({ kind: entry.kind, payload: encode(entry) }));
  let { seq, hash } = provisioned(await lockHead(tx));
  const chained = encoded.map((entry) => {
    const next = { ...entry, seq: ++seq, createdAtMs: runtime.nowMs() };
    hash = chain.entryHash(hash, next);
    return { ...next, hash };
  });
  await insertEntries(tx, chained);
  return seq;
}

function encode<K extends FeedKind>(entry: { kind: K; payload: payload.Payloads[K] }): Uint8Array {
  return payload.encodePayload(entry.kind, entry.payload);
}

/** @throws Refusal `feed_stale` where the tenant's feed is not provisioned. */
export async function requireHead(tx: TenantTx): Promise<cursor.FeedPosition> {
  return provisioned(await readHead(tx));
}

/** @throws Refusal `feed_stale` where there is nothing, because the tenant's feed is not provisioned. */
export function provisioned<T>(read: T | undefined): T {
  if (!read) throw new Refusal('feed_stale', 'the feed of this tenant is being set up');
  return read;
}
