import { concatBytes } from '@mono-auth/core/encoding';
import { Refusal } from '@mono-auth/core/errors';
import type { TenantId } from '@mono-auth/core/ids';
import { type chain, type cursor, head, snapshot } from '@mono-auth/feed-engine';
import type { Entry, GetSnapshotResponse, SignedHead } from '@mono-auth/proto/monoauth/feed/v1/feed';
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

/**
 * The snapshot that arrives in these messages, verified with the certified feed key together with its position.
 * @throws Refusal `verification_failed` as `readHead`, and when anything but what was signed has arrived.
 */
export async function readSnapshot(
  messages: AsyncIterable<GetSnapshotResponse>,
  trust: FeedTrust,
): Promise<snapshot.VerifiedSnapshot> {
  let first: GetSnapshotResponse | undefined;
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const message of messages) {
    first ??= message;
    size += message.piece.length;
    if (size > snapshot.snapshotBytesMax) throw new Refusal('verification_failed', 'feed snapshot: too long');
    pieces.push(message.piece);
  }
  const { tenantId, incarnation, seq, headHash: hash } = await readHead(first?.head, trust);
  const { snapshotHash, snapshotSignature } = first as GetSnapshotResponse;
  const statement = { tenantId, position: { incarnation, seq, hash }, snapshotHash };
  return snapshot.verifySnapshot(statement, concatBytes(...pieces), snapshotSignature, trust.verify);
}

export function readEntry({ seq, kind, payload, createdAtMs }: Entry): chain.FeedEntry {
  return { seq: Number(seq), kind, payload, createdAtMs: Number(createdAtMs) };
}

/** The wire form of a position: monoauth.feed.v1.Cursor. */
export function writeCursor({ incarnation, seq, hash }: cursor.FeedPosition) {
  return { incarnation: BigInt(incarnation), seq: BigInt(seq), hash };
}
