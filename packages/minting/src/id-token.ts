import { createHash } from 'node:crypto';
import { base64url, utf8 } from '@mono-auth/core/encoding';
import type { AccessTokenClaims } from '@mono-auth/core/token-claims';
import type { IdTokenRequest } from './mint-request.ts';

/** OpenID Connect Core §2 leaves `typ` open; this one is of no other token of ours, so no verifier takes it for one. */
export const idTokenType = 'JWT';
/** OpenID Connect Core §15.1: what every client can verify. */
export const idTokenAlg = 'RS256';
/** Seconds: it says who has just signed in, and is read at once. */
const idTokenTtlSeconds = 600;

/** OpenID Connect Core §2; the rest about the person is told at userinfo, to whoever holds the access token. */
export interface IdTokenClaims {
  iss: string;
  sub: string;
  aud: string;
  exp: number;
  iat: number;
  /** Seconds. */
  auth_time: number;
  nonce?: string;
  sid?: string;
  at_hash: string;
}

/** The claims of the ID token that goes with an access token just made, for the same person and moment. */
export function deriveIdClaims(
  { token, claims }: { readonly token: string; readonly claims: AccessTokenClaims },
  { audience, authTimeMs, nonce, sessionId }: IdTokenRequest,
): IdTokenClaims {
  return {
    iss: claims.iss,
    sub: claims.sub,
    aud: audience,
    exp: claims.iat + idTokenTtlSeconds,
    iat: claims.iat,
    auth_time: Math.floor(authTimeMs / 1000),
    ...(nonce !== undefined && { nonce }),
    ...(sessionId !== undefined && { sid: sessionId }),
    at_hash: atHash(token),
  };
}

/** OpenID Connect Core §3.1.3.6: the left half of the hash that the algorithm uses, SHA-256 for RS256. */
function atHash(accessToken: string): string {
  const digest = createHash('sha256').update(utf8(accessToken)).digest();
  return base64url(digest.subarray(0, digest.length / 2));
}
