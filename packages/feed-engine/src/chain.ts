import { createHash } from 'node:crypto';
import type { TenantId } from '@mono-auth/core/ids';
import { canonicalBytes, isCount } from './canonical-bytes.ts';

/** SHA-256. */
export const hashBytes = 32;
/** Longest payload of an entry, bytes: a revocation with its longest reason in four-byte characters is below 3 KiB. */
export const payloadBytesMax = 4 * 1024;
/** Longest name of a kind; ours have at most ten characters. */
const kindCharsMax = 32;

/** One entry of a tenant's feed. `seq` is dense and begins at 1. */
export interface FeedEntry {
  readonly seq: number;
  /** One of `entryKinds`, or a kind of a later version: it counts in the chain and is otherwise ignored. */
  readonly kind: string;
  /** Canonical JSON, see payload.ts. */
  readonly payload: Uint8Array;
  /** Milliseconds since the Unix epoch, the server's clock. */
  readonly createdAtMs: number;
}

/** The chain's value before the first entry: bound to the tenant and to this life of its database. */
export function genesisHash(tenantId: TenantId, incarnation: number): Uint8Array<ArrayBuffer> {
  return sha256(canonicalBytes('mono-auth/feed/genesis/v1', [tenantId, incarnation]));
}

/** The chain's value after `entry`: commits to every entry before it as well. */
export function entryHash(previous: Uint8Array, entry: FeedEntry): Uint8Array<ArrayBuffer> {
  const { seq, kind, payload, createdAtMs } = entry;
  return sha256(canonicalBytes('mono-auth/feed/entry/v1', [previous, seq, createdAtMs, kind, payload]));
}

/** Whether an entry from outside may be hashed at all. */
export function isEntry(entry: FeedEntry): boolean {
  const named = entry.kind.length > 0 && entry.kind.length <= kindCharsMax && entry.kind.isWellFormed();
  return named && isCount(entry.seq) && isCount(entry.createdAtMs) && entry.payload.length <= payloadBytesMax;
}

function sha256(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(createHash('sha256').update(bytes).digest());
}
