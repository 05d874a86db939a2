import { type CryptoKey, exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Contestant, scope, target, tokenOfForm } from './contestant.ts';
import { proveToken } from './prove-token.ts';

const issuer = 'https://id.test/t/one';
let published: object[] = [];
const keys = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: () => Response.json({ keys: published }) });
const row: Contestant = {
  name: 'a row',
  server: { url: new URL('http://127.0.0.1:1'), pid: process.pid },
  prepare: async () => ({ requests: [] }),
  tokenOf: tokenOfForm,
  issuers: new Map([[issuer, new URL(`http://127.0.0.1:${keys.port}`)]]),
};
let own: CryptoKey;
let foreign: CryptoKey;

beforeAll(async () => {
  const pair = await generateKeyPair('ES256');
  own = pair.privateKey;
  foreign = (await generateKeyPair('ES256')).privateKey;
  published = [{ ...(await exportJWK(pair.publicKey)), kid: 'k', alg: 'ES256' }];
});
afterAll(() => keys.stop(true));

async function answer(key: CryptoKey, change: object = {}, typ = 'at+jwt'): Promise<string> {
  const claims = { iss: issuer, aud: target, scope, exp: 4_000_000_000, ...change };
  const token = await new SignJWT(claims).setProtectedHeader({ alg: 'ES256', kid: 'k', typ }).sign(key);
  return JSON.stringify({ access_token: token });
}

test('a token that its issuer has signed for the service and scope asked for counts', async () => {
  expect(await proveToken(row, await answer(own))).toMatchObject({ iss: issuer, aud: target, scope });
});

test.each<[string, () => Promise<string>, string]>([
  ['signed by another key', () => answer(foreign), 'signature'],
  ['of an issuer that was not asked', () => answer(own, { iss: 'https://id.test/t/two' }), 'nobody who was asked'],
  ['for another service', () => answer(own, { aud: 'https://other.example' }), '"aud"'],
  ['with another scope', () => answer(own, { scope: 'files:write' }), 'the scope is files:write'],
  ['that has expired', () => answer(own, { exp: 1 }), '"exp"'],
  ['of another type', () => answer(own, {}, 'JWT'), '"typ"'],
])('a token %s does not', async (_, make, says) => {
  await expect(proveToken(row, await make())).rejects.toThrow(says);
});
