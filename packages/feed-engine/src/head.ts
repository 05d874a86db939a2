import { Refusal } from '@mono-auth/core/errors';
import type { TenantId } from '@mono-auth/core/ids';
import { canonicalBytes, isCount } from './canonical-bytes.ts';
import { hashBytes } from './chain.ts';

/** Longest nonce, characters: 32 random bytes in base64url are 43. */
const nonceCharsMax = 64;

/** What the tenant's feed key says: when this was signed, the feed had this many entries and this chain value. */
export interface HeadStatement {
  readonly tenantId: TenantId;
  readonly incarnation: number;
  readonly seq: number;
  /** `entryHash` of entry `seq`, or `genesisHash` for seq 0. */
  readonly headHash: Uint8Array;
  readonly issuedAtMs: number;
  /** The subscriber's nonce that this head answers. Absent or empty on periodic heads. */
  readonly nonce?: string | undefined;
}

declare const verified: unique symbol;
/** A head whose signature has been verified. Only `verifyHead` makes one, so an unproven head fits nowhere. */
export type VerifiedHead = HeadStatement & { readonly [verified]: true };

/** Verifies a signature with the pinned feed key of the tenant. */
export type VerifySignature = (message: Uint8Array, signature: Uint8Array) => boolean | Promise<boolean>;

/** The bytes to sign for a head. @throws TypeError on numbers that are not exact. */
export function headBytes(statement: HeadStatement): Uint8Array<ArrayBuffer> {
  const { tenantId, incarnation, seq, headHash, issuedAtMs, nonce = '' } = statement;
  return canonicalBytes('mono-auth/feed/head/v1', [tenantId, incarnation, seq, headHash, issuedAtMs, nonce]);
}

/** @throws Refusal `verification_failed` when the statement is malformed or its signature false. */
export async function verifyHead(
  statement: HeadStatement,
  signature: Uint8Array,
  verify: VerifySignature,
): Promise<VerifiedHead> {
  const { incarnation, seq, headHash, issuedAtMs, nonce = '' } = statement;
  const wellFormed = [incarnation, seq, issuedAtMs].every(isCount) && headHash.length === hashBytes;
  if (!wellFormed || nonce.length > nonceCharsMax || !nonce.isWellFormed()) {
    throw new Refusal('verification_failed', 'feed head: malformed');
  }
  if (!(await verify(headBytes(statement), signature))) {
    throw new Refusal('verification_failed', 'feed head: false signature');
  }
  return { ...statement } as VerifiedHead;
}
