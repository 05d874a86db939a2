import { createHash } from 'node:crypto';
import { nowSeconds, type Runtime } from '@mono-auth/core/runtime';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';

/** What a proof says; `undefined` leaves a member out. */
export interface ProofChange {
  readonly claims?: Record<string, unknown>;
  readonly header?: Record<string, unknown>;
  /** The token that the proof comes with at a resource. */
  readonly accessToken?: string;
}

/** A key of a test's client, and proofs that it holds it (RFC 9449 §4.2). */
export interface DpopKey {
  readonly jkt: string;
  readonly publicJwk: JWK;
  readonly privateJwk: JWK;
  prove(method: string, url: string, nonce: string | undefined, change?: ProofChange): Promise<string>;
}

export async function makeDpopKey(runtime: Runtime, alg: 'ES256' | 'EdDSA' | 'RS256' = 'ES256'): Promise<DpopKey> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  const publicJwk = await exportJWK(publicKey);
  return {
    jkt: await calculateJwkThumbprint(publicJwk),
    publicJwk,
    privateJwk: await exportJWK(privateKey),
    prove: (htm, htu, nonce, { claims, header, accessToken } = {}) => {
      const ath = accessToken && createHash('sha256').update(accessToken).digest('base64url');
      const said = { htm, htu, nonce, ath, jti: runtime.uuid(), iat: nowSeconds(runtime), ...claims };
      const present = Object.entries(said).filter(([, value]) => value !== undefined);
      return new SignJWT(Object.fromEntries(present))
        .setProtectedHeader({ alg, typ: 'dpop+jwt', jwk: publicJwk, ...header })
        .sign(privateKey);
    },
  };
}
