import { generateKeyPairSync } from 'node:crypto';
import { expect, test } from 'vitest';
import { readPublicJwks } from './public-jwks.ts';

const ec = { ...generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' }), kid: 'ec' };
const ed = { ...generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' }), kid: 'ed' };
const rsaOf = (modulusLength: number, publicExponent = 65_537) => ({
  ...generateKeyPairSync('rsa', { modulusLength, publicExponent }).publicKey.export({ format: 'jwk' }),
  kid: 'rsa',
});
const read = (...keys: object[]) => readPublicJwks({ keys }, 'jwks').keys;

test('keys that can be trusted are taken, each with its one algorithm and nothing but the key', () => {
  const keys = read({ ...ec, x5c: ['AA'], note: 'mine' }, ed, { ...rsaOf(2048), alg: 'RS256', use: 'sig' });
  expect(keys.map(({ kid, alg, use }) => [kid, alg, use])).toEqual([
    ['ec', 'ES256', 'sig'],
    ['ed', 'EdDSA', 'sig'],
    ['rsa', 'RS256', 'sig'],
  ]);
  expect(keys[0]).not.toHaveProperty('x5c');
  expect(keys[0]).not.toHaveProperty('note');
});

test('a point off the curve is refused', () => {
  const y = Buffer.from(ec.y as string, 'base64url');
  y[31] = (y[31] as number) ^ 1;
  expect(() => read({ ...ec, y: y.toString('base64url') })).toThrow(/no point/);
  expect(() => read({ ...ec, x: 'AA' })).toThrow(/no point/);
});

test.each([
  [
    'private EC',
    generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' }),
    /secret member d/,
  ],
  ['symmetric', { kty: 'oct', k: 'c2VjcmV0' }, /secret member k/],
  ['symmetric without its secret', { kty: 'oct' }, /not a key/],
  ['RSA of 1024 bits', rsaOf(1024), /2048 to 4096/],
  ['RSA with e=3', rsaOf(2048, 3), /not a key/],
  ['RSA with e=1', { ...rsaOf(2048), e: 'AQ' }, /not a key/],
  [
    'another curve',
    generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey.export({ format: 'jwk' }),
    /not a key/,
  ],
  ['alg of another kind of key', { ...ec, alg: 'RS256' }, /not a key/],
  ['alg HS256 on a public key', { ...ec, alg: 'HS256' }, /not a key/],
  ['a key for encryption', { ...ec, use: 'enc' }, /not a key/],
])('refused: %s', (_name, key, message) => {
  expect(() => read({ kid: 'k', ...key })).toThrow(message);
});

test('a set that mixes symmetric and asymmetric keys is refused as a whole', () => {
  expect(() => read(ec, { kty: 'oct', k: 'c2VjcmV0', kid: 'hs' })).toThrow(/keys\[1\].*secret member k/);
});

test('every key has a kid, each its own, and there are one to eight', () => {
  const { kid: _, ...nameless } = ec;
  expect(() => read(nameless)).toThrow(/kid/);
  expect(() => read(ec, { ...ed, kid: 'ec' })).toThrow(/same kid/);
  expect(() => read()).toThrow(/1 to 8/);
  expect(() => read(...Array.from({ length: 9 }, (_key, at) => ({ ...ec, kid: `k${at}` })))).toThrow(/1 to 8/);
  expect(() => readPublicJwks(undefined, 'jwks')).toThrow(/1 to 8/);
  expect(() => readPublicJwks({ keys: 'x' }, 'jwks')).toThrow(/1 to 8/);
});
