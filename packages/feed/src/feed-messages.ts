import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { cursor } from '@mono-auth/feed-engine';
import type { Cursor } from '@mono-auth/proto/monoauth/feed/v1/feed';
import type { SignedHead } from './signed-head.ts';
import type { StoredEntry, SubscriberRow } from './store.ts';
import type { Snapshot } from './take-snapshot.ts';

export function toPosition({ incarnation, seq, hash }: Cursor): cursor.FeedPosition {
  return { incarnation: Number(incarnation), seq: Number(seq), hash };
}

export function toEntry({ seq, kind, payload, createdAtMs }: StoredEntry) {
  return { seq: BigInt(seq), kind, payload, createdAtMs: BigInt(createdAtMs) };
}

export function toHead({ tenantId, incarnation, seq, headHash, issuedAtMs, nonce = '', kid, signature }: SignedHead) {
  const numbers = { incarnation: BigInt(incarnation), seq: BigInt(seq), issuedAtMs: BigInt(issuedAtMs) };
  return { tenantId, ...numbers, hash: headHash, nonce, kid, signature };
}

/** Bytes of a snapshot in one message: what may wait for a consumer at once. */
const pieceBytesMax = 256 * 1024;

/** A snapshot has at least `{"v":1,…}`, so there always is a first piece. */
export function* toSnapshotMessages({ bytes, hash }: Snapshot, signed: { head: SignedHead; signature: Uint8Array }) {
  for (let at = 0; at < bytes.length; at += pieceBytesMax) {
    const piece = bytes.subarray(at, at + pieceBytesMax);
    if (at > 0) yield { piece };
    else yield { head: toHead(signed.head), snapshotHash: hash, snapshotSignature: signed.signature, piece };
  }
}

export function toSubscriber({ id, name, principal, leaseMs, applied, appliedAtMs, registeredAtMs }: SubscriberRow) {
  return {
    id,
    name,
    principal,
    leaseMs,
    appliedSeq: BigInt(applied.seq),
    registeredAt: timestampFromMs(registeredAtMs),
    ...(appliedAtMs === undefined ? {} : { appliedAt: timestampFromMs(appliedAtMs) }),
  };
}
