import { base64url, fromBase64url, jwtSyntax, textOf, utf8 } from '@mono-auth/core/encoding';
import { Refusal } from '@mono-auth/core/errors';
import { clockSkewSeconds, tokenBytesMax } from '@mono-auth/core/limits';
import { areNumericDates } from '@mono-auth/core/numeric-date';
import { decodeProtectedHeader, type JWK, type JWTPayload } from 'jose';
import type { Signer } from './key-pair.ts';
import { isSignedBy } from './verify-signature.ts';

/** What a token must be, besides signed. */
export interface JwtExpectation {
  /** Compared exactly, so that a token of one kind never passes for another (RFC 8725 §3.11). */
  readonly typ: string;
  readonly issuer?: string;
  readonly audience?: string;
  readonly nowMs: number;
  /** Statements that hold until replaced, such as key certificates, carry no `exp`; everything else must. */
  readonly expiry?: 'required' | 'optional';
}

/** No symmetric algorithm, so that a public key can never serve as a shared secret (RFC 8725 §3.1). */
const algorithms: readonly string[] = ['ES256', 'EdDSA', 'RS256'];

/** Signs `claims` as a compact JWS (RFC 7515 §3.1) whose header holds `alg`, `kid` and `typ` and nothing else. */
export async function signJwt(signer: Signer, typ: string, claims: object): Promise<string> {
  const input = `${headerOf(signer, typ)}.${base64url(utf8(JSON.stringify(claims)))}`;
  return `${input}.${base64url(await signer.sign(utf8(input)))}`;
}

/** Headers that were made before, of each key: there are as many as kinds of token. */
const headers = new WeakMap<Signer, Map<string, string>>();

function headerOf(signer: Signer, typ: string): string {
  const made = headers.get(signer) ?? new Map<string, string>();
  headers.set(signer, made);
  const header = made.get(typ) ?? base64url(utf8(JSON.stringify({ alg: signer.alg, kid: signer.kid, typ })));
  made.set(typ, header);
  return header;
}

/**
 * Verifies a JWT against keys that the caller trusts. Keys are found by `kid` among these alone: a `jwk`, `jku`, `x5u`
 * or `x5c` in the header is never looked at (RFC 8725 §3.10).
 * @returns the claims.
 * @throws Refusal `not_authenticated`, which names the check that failed and repeats nothing of the token.
 */
export async function verifyJwt<T>(token: string, keys: readonly JWK[], expect: JwtExpectation): Promise<T> {
  gateSyntax(token);
  const { key, alg } = selectKey(token, keys, expect.typ);
  const [header, payload = '', signature = ''] = token.split('.');
  if (!isSigned(key, alg, `${header}.${payload}`, fromBase64url(signature))) {
    throw refuse('its signature does not match');
  }
  const claims = readObject(payload);
  checkClaims(claims, expect);
  return claims as T;
}

function isSigned(...signed: Parameters<typeof isSignedBy>): boolean {
  try {
    return isSignedBy(...signed);
  } catch (cause) {
    throw refuse('it cannot be verified', cause);
  }
}

/** RFC 7519 §7.2 item 10. */
function readObject(payload: string): JWTPayload {
  let claims: unknown;
  try {
    claims = JSON.parse(textOf(fromBase64url(payload)));
  } catch (cause) {
    throw refuse('it cannot be verified', cause);
  }
  if (typeof claims !== 'object' || claims === null || Array.isArray(claims)) throw refuse('it cannot be verified');
  return claims as JWTPayload;
}

/** RFC 7519 §4.1, of a token whose signature holds. */
function checkClaims(claims: JWTPayload, { issuer, audience, nowMs, expiry }: JwtExpectation): void {
  const { iss, aud, exp, nbf, iat } = claims;
  if (exp === undefined && expiry !== 'optional') throw refuse('its exp is not acceptable');
  if (issuer !== undefined && iss !== issuer) throw refuse('its iss is not acceptable');
  if (audience !== undefined && ![aud].flat().includes(audience)) throw refuse('its aud is not acceptable');
  if (!areNumericDates(claims)) throw refuse('one of its dates is no NumericDate');
  const nowSeconds = Math.floor(nowMs / 1000);
  if (nbf !== undefined && nbf > nowSeconds + clockSkewSeconds) throw refuse('its nbf is not acceptable');
  if (exp !== undefined && exp <= nowSeconds - clockSkewSeconds) throw refuse('it has expired');
  // RFC 7519 §4.1.6 gives it no rule: one from the future is refused because its maker's clock cannot be trusted.
  if (iat !== undefined && iat > nowSeconds + clockSkewSeconds) throw refuse('its iat lies in the future');
}

/** Law 9: one token has one spelling. Unused bits of a last base64url character would make a second one. */
function gateSyntax(token: string): void {
  if (token.length > tokenBytesMax) throw refuse(`longer than ${tokenBytesMax} bytes`);
  if (!jwtSyntax.test(token)) throw refuse('not a compact JWS');
  for (const part of token.split('.')) {
    try {
      fromBase64url(part);
    } catch (cause) {
      throw refuse('not a compact JWS', cause);
    }
  }
}

function selectKey(token: string, keys: readonly JWK[], typ: string): { key: JWK; alg: string } {
  let header: ReturnType<typeof decodeProtectedHeader>;
  try {
    header = decodeProtectedHeader(token);
  } catch (cause) {
    throw refuse('its header is no JSON object', cause);
  }
  const { alg, kid, crit } = header;
  // RFC 7515 §4.1.11: we understand no extension.
  if (crit !== undefined) throw refuse('it cannot be verified');
  if (typeof alg !== 'string' || !algorithms.includes(alg)) throw refuse('its alg is not allowed');
  if (header.typ !== typ) throw refuse(`its typ is not ${typ}`);
  if (typeof kid !== 'string' || kid === '') throw refuse('it names no kid');
  const [key, ...others] = keys.filter((candidate) => candidate.kid === kid);
  if (!key || others.length > 0) throw refuse('its kid is not known');
  if (key.alg !== undefined && key.alg !== alg) throw refuse('its alg is not that of its key');
  return { key, alg };
}

function refuse(why: string, cause?: unknown): Refusal {
  return new Refusal('not_authenticated', `token refused: ${why}`, { cause });
}
