import { Refusal } from '@mono-auth/core/errors';
import type { TenantId } from '@mono-auth/core/ids';
import { type chain, type cursor, head } from '@mono-auth/feed-engine';
import type { Entry, SignedHead } from '@mono-auth/proto/monoauth/feed/v1/feed';
import type { FeedTrust } from './feed-trust.ts';

/**
 * The head of a message, verified with the certified feed key.
 * @throws Refusal `verification_failed` when there is none, when another key signed it or when its signature is false.
 */
export async function readHead(message: SignedHead | undefined, trust: FeedTrust): Promise<head.VerifiedHead> {
  if (!message) throw new Refusal('verification_failed', 'feed head: missing');
  // After a rotation the next connection brings the certificate of the new key.
  if (message.kid !== trust.kid) throw new Refusal('verification_failed', 'feed head: of a key that is not certified');
  const statement: head.HeadStatement = {
    tenantId: message.tenantId as TenantId,
    incarnation: Number(message.incarnation),
    seq: Number(message.seq),
    headHash: message.hash,
    issuedAtMs: Number(message.issuedAtMs),
    nonce: message.nonce,
  };
  return head.verifyHead(statement, message.signature, trust.verify);
}

export function readEntry({ seq, kind, payload, createdAtMs }: Entry): chain.FeedEntry {
  return { seq: Number(seq), kind, payload, createdAtMs: Number(createdAtMs) };
}

/** The wire form of a position: monoauth.feed.v1.Cursor. */
export function writeCursor({ incarnation, seq, hash }: cursor.FeedPosition) {
  return { incarnation: BigInt(incarnation), seq: BigInt(seq), hash };
}
