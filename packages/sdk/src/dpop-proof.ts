import { createHash } from 'node:crypto';
import { fromBase64url, jwtSyntax } from '@mono-auth/core/encoding';
import { Refusal } from '@mono-auth/core/errors';
import { clockSkewSeconds, tokenBytesMax } from '@mono-auth/core/limits';
import { areNumericDates } from '@mono-auth/core/numeric-date';
import { dpopAlgorithms } from '@mono-auth/core/token-claims';
import { calculateJwkThumbprint, decodeProtectedHeader, EmbeddedJWK, type JWK, type JWTPayload, jwtVerify } from 'jose';

/**
 * How old a proof may be, seconds (RFC 9449 §11.1 asks for seconds or minutes): one request on a bad line. The other way
 * the clock skew that is forgiven everywhere. Servers that give out nonces lean on those instead.
 */
export const proofAgeSecondsMax = 60;

/** Longest `jti` and `nonce` that are looked at, characters: a UUID has 36, our nonces 72. */
const handleCharsMax = 128;
/** RFC 7518 §6.2.2, §6.3.2, §6.4.1: members that only a private or a symmetric key has. */
const secretMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];
/** Longest modulus, base64url characters of 4096 bits: above, each check costs the server too much. */
const modulusCharsMax = 683;
/** 65537: small exponents verify forgeries. */
const rsaExponent = 'AQAB';

/** The request that a proof has to speak of. */
export interface ProofExpectation {
  readonly method: string;
  /** As the client named it; query and fragment are not compared (RFC 9449 §4.3 item 9). */
  readonly url: string;
  /** At a resource: the token that came with it. */
  readonly accessToken?: string | undefined;
  readonly nowMs: number;
}

/** A proof that holds for one request. Whether it was shown before, and its nonce, are the caller's to judge. */
export interface DpopProof {
  /** RFC 7638 thumbprint of its key. */
  readonly jkt: string;
  readonly jti: string;
  readonly nonce: string | undefined;
  /** From when on it would be refused as too old. */
  readonly expiresAtMs: number;
}

/**
 * Checks a DPoP proof (RFC 9449 §4.3): pure, but for the clock that is handed in.
 * @param header the DPoP header, several joined by commas.
 * @throws Refusal `invalid_dpop_proof`.
 */
export async function readDpopProof(header: string, expect: ProofExpectation): Promise<DpopProof> {
  const jwk = readKey(header);
  const payload = await verifySignature(header, expect.nowMs);
  if (payload.htm !== expect.method || requestOf(payload.htu) !== requestOf(expect.url)) {
    throw refuse('is for another request');
  }
  const { accessToken } = expect;
  if (accessToken !== undefined && payload.ath !== createHash('sha256').update(accessToken).digest('base64url')) {
    throw refuse('is for another token');
  }
  const { jti, iat, nonce } = payload;
  if (typeof jti !== 'string' || jti === '' || jti.length > handleCharsMax)
    throw refuse('has no jti, or too long a one');
  if (nonce !== undefined && (typeof nonce !== 'string' || nonce.length > handleCharsMax)) {
    throw refuse('has a malformed nonce');
  }
  if (!areNumericDates(payload)) throw refuse('has a date that is no NumericDate');
  const nowSeconds = Math.floor(expect.nowMs / 1000);
  if (typeof iat !== 'number' || iat < nowSeconds - proofAgeSecondsMax || iat > nowSeconds + clockSkewSeconds) {
    throw refuse('is too old, or of the future');
  }
  const expiresAtMs = (Math.floor(iat) + proofAgeSecondsMax + 1) * 1000;
  return { jkt: await calculateJwkThumbprint(jwk), jti, nonce, expiresAtMs };
}

/** §4.3 items 1 to 7, as far as they can be seen without any arithmetic. */
function readKey(header: string): JWK {
  // Two headers reach us joined by a comma, which no proof has.
  if (header.length > tokenBytesMax || !jwtSyntax.test(header)) throw refuse('is not one compact JWS');
  let protectedHeader: ReturnType<typeof decodeProtectedHeader>;
  try {
    // Law 9: one proof has one spelling.
    for (const part of header.split('.')) fromBase64url(part);
    protectedHeader = decodeProtectedHeader(header);
  } catch (cause) {
    throw refuse('is not one compact JWS', cause);
  }
  const { typ, alg, jwk } = protectedHeader;
  if (typ !== 'dpop+jwt') throw refuse('has another typ than dpop+jwt');
  if (alg === undefined || !dpopAlgorithms.includes(alg))
    throw refuse(`has an alg that is none of ${dpopAlgorithms.join(', ')}`);
  if (typeof jwk !== 'object' || jwk === null) throw refuse('carries no key');
  if (secretMembers.some((member) => Object.hasOwn(jwk, member))) throw refuse('carries a private key');
  const { kty, n, e } = jwk as JWK;
  if (kty === 'RSA' && (typeof n !== 'string' || n.length > modulusCharsMax || e !== rsaExponent)) {
    throw refuse('carries an RSA key of more than 4096 bits, or with another exponent than 65537');
  }
  return jwk as JWK;
}

async function verifySignature(proof: string, nowMs: number): Promise<JWTPayload> {
  try {
    const { payload } = await jwtVerify(proof, EmbeddedJWK, {
      algorithms: [...dpopAlgorithms],
      typ: 'dpop+jwt',
      currentDate: new Date(nowMs),
      clockTolerance: clockSkewSeconds,
    });
    return payload;
  } catch (cause) {
    throw refuse('cannot be verified', cause);
  }
}

/** RFC 3986 §6.2.2 and §6.2.3 by the URL parser; undefined for what names no request. */
function requestOf(url: unknown): string | undefined {
  const parsed = typeof url === 'string' ? URL.parse(url) : null;
  return parsed ? `${parsed.origin}${parsed.pathname}` : undefined;
}

function refuse(why: string, cause?: unknown): Refusal {
  return new Refusal('invalid_dpop_proof', `the DPoP proof ${why}`, { cause });
}
