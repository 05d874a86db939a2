import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { cursor } from '@mono-auth/feed-engine';
import type { Cursor } from '@mono-auth/proto/monoauth/feed/v1/feed';
import type { SignedHead } from './signed-head.ts';
import type { StoredEntry, SubscriberRow } from './store.ts';

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
