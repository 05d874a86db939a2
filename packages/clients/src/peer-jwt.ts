import { fromBase64url, jwtSyntax } from '@mono-auth/core/encoding';
import { Refusal } from '@mono-auth/core/errors';
import { clockSkewSeconds, tokenBytesMax } from '@mono-auth/core/limits';
import { areNumericDates } from '@mono-auth/core/numeric-date';
import { createLocalJWKSet, decodeJwt, type JWTPayload, jwtVerify } from 'jose';
import type { PublicJwks } from './client.ts';

/** Never symmetric, never `none` (RFC 8725 §3.1). */
const algorithms = ['ES256', 'EdDSA', 'RS256'];
/** Longest `jti` or nonce that is looked at. */
const handleCharsMax = 128;

/**
 * The claims of a JWT before anything is proven: good for finding the key that may prove them, for nothing else.
 * @throws Refusal `not_authenticated`.
 */
export function unverifiedClaims(token: string): JWTPayload {
  // Law 9: one token has one spelling, so the syntax is checked before anybody decodes leniently.
  if (token.length > tokenBytesMax || !jwtSyntax.test(token)) throw refuse('not a compact JWS');
  try {
    for (const part of token.split('.')) fromBase64url(part);
    return decodeJwt(token);
  } catch (cause) {
    throw refuse('not a compact JWS', cause);
  }
}

export interface PeerExpectation {
  readonly typ: readonly (string | undefined)[];
  readonly nowMs: number;
}

/**
 * Verifies a JWT that a client or host has signed itself, by its registered keys alone. Unlike our own tokens it need not
 * name a `kid` when one key fits, and `typ` may be one of several or missing (`undefined` in the list).
 * @returns its claims: `exp`, `nbf` and `iat` hold, `jti` is there; issuer and audience are the caller's to judge.
 * @throws Refusal `not_authenticated`.
 */
export async function verifyPeerJwt(
  token: string,
  jwks: PublicJwks,
  expect: PeerExpectation,
): Promise<JWTPayload & { jti: string }> {
  const payload = await verifyReusableJwt(token, jwks, expect);
  const { jti } = payload;
  if (typeof jti !== 'string' || jti === '' || jti.length > handleCharsMax) throw refuse('it needs a jti');
  return { ...payload, jti };
}

/** The same for one that may be shown again, so that it needs no `jti`. @throws Refusal `not_authenticated`. */
export async function verifyReusableJwt(token: string, jwks: PublicJwks, expect: PeerExpectation): Promise<JWTPayload> {
  unverifiedClaims(token);
  const { payload, protectedHeader } = await jwtVerify(token, createLocalJWKSet({ keys: [...jwks.keys] }), {
    algorithms,
    clockTolerance: clockSkewSeconds,
    currentDate: new Date(expect.nowMs),
  }).catch((cause: unknown) => {
    throw refuse('it cannot be verified', cause);
  });
  if (!expect.typ.includes(protectedHeader.typ)) throw refuse('its typ is of another kind of token');
  if (!areNumericDates(payload)) throw refuse('one of its dates is no NumericDate');
  const { iat } = payload;
  if (iat !== undefined && iat * 1000 > expect.nowMs + clockSkewSeconds * 1000)
    throw refuse('its iat is in the future');
  return payload;
}

function refuse(why: string, cause?: unknown): Refusal {
  return new Refusal('not_authenticated', `JWT refused: ${why}`, { cause });
}
