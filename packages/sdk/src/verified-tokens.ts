import { createHash, timingSafeEqual } from 'node:crypto';
import { utf8 } from '@mono-auth/core/encoding';
import type { AccessTokenClaims } from '@mono-auth/core/token-claims';

/** Tokens remembered: some 3 KB each, so about 6 MB, and more callers than one process serves within a minute. */
export const verifiedTokensDefault = 2_000;
/** How long a signature counts as verified, milliseconds: after that the key must still be the issuer's. */
const rememberMs = 60_000;

/** What a token is remembered by. */
interface Shown {
  /** Header and payload, as they were signed. */
  readonly signedText: string;
  readonly signature: string;
  readonly header: { readonly kid: string };
}

interface Verified {
  readonly signature: Uint8Array;
  readonly claims: AccessTokenClaims;
  readonly kid: string;
  readonly untilMs: number;
}

/**
 * Tokens whose signature was verified, so that it is not verified again at every request. Remembers nothing else: expiry
 * and revocation are looked at each time. The key is the digest of what was signed; the signature must be the very one
 * that was verified, or a stranger who knows the claims could sign them with anything.
 */
export class VerifiedTokens {
  readonly #max: number;
  readonly #byDigest = new Map<string, Verified>();

  constructor(max: number) {
    this.#max = max;
  }

  find({ signedText, signature, header }: Shown, nowMs: number): AccessTokenClaims | undefined {
    const digest = digestOf(signedText);
    const held = this.#byDigest.get(digest);
    if (!held) return undefined;
    const given = utf8(signature);
    const same = given.length === held.signature.length && timingSafeEqual(given, held.signature);
    if (nowMs >= held.untilMs) this.#byDigest.delete(digest);
    return same && nowMs < held.untilMs && held.kid === header.kid ? held.claims : undefined;
  }

  add({ signedText, signature, header }: Shown, claims: AccessTokenClaims, nowMs: number): void {
    if (this.#max === 0) return;
    const [oldest] = this.#byDigest.keys();
    if (this.#byDigest.size >= this.#max && oldest !== undefined) this.#byDigest.delete(oldest);
    const verified = { signature: utf8(signature), claims, kid: header.kid, untilMs: nowMs + rememberMs };
    this.#byDigest.set(digestOf(signedText), verified);
  }
}

function digestOf(signedText: string): string {
  return createHash('sha256').update(signedText).digest('base64url');
}
