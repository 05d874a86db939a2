import { Refusal } from '@mono-auth/core/errors';
import type { Runtime } from '@mono-auth/core/runtime';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type JWK, SignJWT } from 'jose';

/** A key of this machine that signs JWTs: client assertions and proofs. */
export interface SigningKey {
  /** The public half, `kid` being its RFC 7638 thumbprint. */
  readonly publicJwk: JWK;
  readonly jkt: string;
  sign(typ: string, claims: Readonly<Record<string, unknown>>): Promise<string>;
}

/** How long an assertion or proof of ours is good for, seconds: the way to the server, twice, on a bad day. */
const signedTtlSeconds = 60;

/** A new private key, ES256 (RFC 7518 §3.4). Keep it where only this machine reads it. */
export async function generatePrivateJwk(): Promise<JWK> {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true });
  const jwk = { ...(await exportJWK(privateKey)), alg: 'ES256' };
  return { ...jwk, kid: await calculateJwkThumbprint(jwk) };
}

/** @throws Refusal `invalid_request` unless `jwk` is a private key of ES256 or EdDSA (Ed25519). */
export async function openSigningKey(jwk: JWK, runtime: Runtime): Promise<SigningKey> {
  const alg = jwk.kty === 'OKP' ? 'EdDSA' : 'ES256';
  const refuse = (cause?: unknown) =>
    new Refusal('invalid_request', 'key: not a private JWK of ES256 or EdDSA', { cause });
  if (jwk.d === undefined) throw refuse();
  const { kty, crv, x, y } = jwk;
  const key = await importJWK({ ...jwk, alg }).catch((cause: unknown) => {
    throw refuse(cause);
  });
  const jkt = await calculateJwkThumbprint(jwk);
  const kid = jwk.kid ?? jkt;
  return {
    jkt,
    publicJwk: { kty, crv, x, ...(y !== undefined && { y }), kid, alg } as JWK,
    sign(typ, claims) {
      const iat = Math.floor(runtime.nowMs() / 1000);
      const times = { iat, exp: iat + signedTtlSeconds, jti: runtime.uuid() };
      return new SignJWT({ ...times, ...claims }).setProtectedHeader({ alg, kid, typ }).sign(key);
    },
  };
}
