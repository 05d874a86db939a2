import { openTestDatabase, testKek } from '@mono-auth/testing';
import { exportJWK, generateKeyPair, type JWK } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { registerMachine } from '../oauth-scene.ts';
import { type Ask, ask, breakEach, row } from './ask.ts';
import { authenticated, type Lab, nowSeconds, openLab } from './lab.ts';
import { learnNonce, makeProofKey, type ProofKey, proven } from './proof-key.ts';

let lab: Lab;

beforeAll(async () => {
  lab = await openLab(await openTestDatabase(), testKek);
});
afterAll(() => lab?.scene.close());

/** A proof at the token endpoint, broken once (RFC 9449 §4.3). */
const dpopRows = (key: ProofKey, nonce: () => string, privateJwk: () => JWK) => {
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

test('a proof that breaks one MUST is refused, and the right one is good afterwards', async () => {
  const machine = await registerMachine(lab.scene, { dpopBoundAccessTokens: true });
  const plain = () =>
    authenticated(ask(lab.scene.issuer, '/oauth2/token', { grant_type: 'client_credentials' }), machine);
  const key = await makeProofKey();
  const nonce = await learnNonce(plain(), key);
  const privateJwk: JWK = await exportJWK((await generateKeyPair('ES256', { extractable: true })).privateKey);
  const table = dpopRows(
    key,
    () => nonce,
    () => privateJwk,
  );
  expect(await breakEach(table, () => proven(plain(), key, nonce))).toEqual([]);
}, 60_000);
