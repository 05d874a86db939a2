import { systemRuntime } from '@mono-auth/core/runtime';
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import { type Ask, send } from './ask.ts';
import { nowSeconds } from './lab.ts';

/** The key of one client, and the proofs that it makes (RFC 9449 §4.2). */
export interface ProofKey {
  readonly jwk: JWK;
  /** For tests that sign by themselves. */
  readonly privateKey: CryptoKey;
  /** A right proof, bent by `header` and `claims`. */
  prove(ask: Ask, header?: Record<string, unknown>, claims?: Record<string, unknown>): Promise<string>;
}

export async function makeProofKey(): Promise<ProofKey> {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
  const jwk = await exportJWK(publicKey);
  return {
    jwk,
    privateKey,
    prove: ({ method, issuer, path }, header = {}, claims = {}) =>
      new SignJWT({
        jti: systemRuntime.uuid(),
        htm: method,
        htu: `${issuer}${path}`,
        iat: nowSeconds(),
        ...claims,
      })
        .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk, ...header })
        .sign(privateKey),
  };
}

/** Puts a proof with the server's nonce on a request: asks once without, as RFC 9449 §8 has it. */
export async function proven(request: Ask, key: ProofKey, nonce: string): Promise<Ask> {
  request.headers.set('dpop', await key.prove(request, {}, { nonce }));
  return request;
}

/** The nonce that the server wants, learned from its refusal of a proof without one. */
export async function learnNonce(request: Ask, key: ProofKey): Promise<string> {
  const first = { ...request, headers: new Headers(request.headers) };
  first.headers.set('dpop', await key.prove(first));
  const answer = await send(first);
  const nonce = answer.headers.get('dpop-nonce');
  if (answer.body.error !== 'use_dpop_nonce' || nonce === null) throw new Error(`no nonce: ${answer.text}`);
  return nonce;
}
