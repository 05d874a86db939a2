import { systemRuntime } from '@mono-auth/core/runtime';
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import { type Ask, row, send } from './ask.ts';
import { nowSeconds } from './lab.ts';

/** The key of one client, and the proofs that it makes (RFC 9449 §4.2). */
export interface ProofKey {
  readonly jwk: JWK;
  /** A right proof, bent by `header` and `claims`. */
  prove(ask: Ask, header?: Record<string, unknown>, claims?: Record<string, unknown>): Promise<string>;
}

export async function makeProofKey(): Promise<ProofKey> {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
  const jwk = await exportJWK(publicKey);
  return {
    jwk,
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

/** A proof at the token endpoint, broken once (RFC 9449 §4.3). */
export const dpopRows = (key: ProofKey, nonce: () => string, privateJwk: () => JWK) => {
  const bent =
    (header: Record<string, unknown>, claims: Record<string, unknown> = {}) =>
    async (ask: Ask) => {
      ask.headers.set('dpop', await key.prove(ask, header, { nonce: nonce(), ...claims }));
    };
  const invalid = [400, 'invalid_dpop_proof'] as const;
  return [
    row('9449 §5', 'no proof for a client that binds', ({ headers }) => headers.delete('dpop'), ...invalid),
    row('9449 §4.3', 'two proofs', ({ headers }) => headers.append('dpop', headers.get('dpop') ?? ''), ...invalid),
    row('9449 §4.3', 'no JWT', ({ headers }) => headers.set('dpop', 'proof'), ...invalid),
    row('9449 §4.2', 'another type', bent({ typ: 'JWT' }), ...invalid),
    row('9449 §4.2', 'no type', bent({ typ: undefined }), ...invalid),
    row('9449 §4.2', 'no key', bent({ jwk: undefined }), ...invalid),
    row('9449 §4.3', 'a private key', (ask) => bent({ jwk: privateJwk() })(ask), ...invalid),
    row(
      '9449 §4.3',
      'another key than it is signed with',
      async (ask) => bent({ jwk: (await makeProofKey()).jwk })(ask),
      ...invalid,
    ),
    row('9449 §4.3', 'a symmetric key', bent({ jwk: { kty: 'oct', k: 'AAAA' } }), ...invalid),
    row('9449 §4.2', 'no jti', bent({}, { jti: undefined }), ...invalid),
    row('9449 §4.2', 'a jti that is too long', bent({}, { jti: 'x'.repeat(1_000) }), ...invalid),
    row('9449 §4.2', 'no htm', bent({}, { htm: undefined }), ...invalid),
    row('9449 §4.3', 'another method', bent({}, { htm: 'GET' }), ...invalid),
    row('9449 §4.2', 'no htu', bent({}, { htu: undefined }), ...invalid),
    row('9449 §4.3', 'another endpoint', (ask) => bent({}, { htu: `${ask.issuer}/oauth2/revoke` })(ask), ...invalid),
    row('9449 §4.3', 'another host', bent({}, { htu: 'https://elsewhere.example.test/oauth2/token' }), ...invalid),
    row('9449 §4.2', 'no iat', bent({}, { iat: undefined }), ...invalid),
    row('9449 §11.1', 'an iat of long ago', bent({}, { iat: nowSeconds() - 3_600 }), ...invalid),
    row('9449 §11.1', 'an iat ahead', bent({}, { iat: nowSeconds() + 3_600 }), ...invalid),
    row('9449 §8', 'no nonce', bent({}, { nonce: undefined }), 400, 'use_dpop_nonce'),
    row('9449 §8', 'a nonce of its own', bent({}, { nonce: 'mine' }), 400, 'use_dpop_nonce'),
    row(
      '9449 §4.3',
      'a changed signature',
      ({ headers }) => headers.set('dpop', `${headers.get('dpop')?.slice(0, -6)}AAAAAA`),
      ...invalid,
    ),
    row('law 9', 'padding', ({ headers }) => headers.set('dpop', `${headers.get('dpop')}==`), ...invalid),
  ];
};
