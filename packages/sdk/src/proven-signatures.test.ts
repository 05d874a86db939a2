import { generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto';
import { calculateJwkThumbprint } from 'jose';
import { beforeEach, expect, test } from 'vitest';
import { type NamedKey, ProvenSignatures } from './proven-signatures.ts';

const message = new TextEncoder().encode('a head');
let checks = 0;
let alice: NamedKey & { sign(data: Uint8Array): Uint8Array };
let bob: typeof alice;

async function makeKey() {
  const { publicKey: key, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const thumbprint = await calculateJwkThumbprint(key.export({ format: 'jwk' }));
  const signWith = (data: Uint8Array) => sign('sha256', data, { key: privateKey, dsaEncoding: 'ieee-p1363' });
  return { key, thumbprint, sign: signWith };
}

const counted = (key: KeyObject, data: Uint8Array, signature: Uint8Array) => {
  checks++;
  return verify('sha256', data, { key, dsaEncoding: 'ieee-p1363' }, signature);
};

beforeEach(async () => {
  checks = 0;
  [alice, bob] = [await makeKey(), await makeKey()];
});

test('a good signature is checked once, however many ask', () => {
  const proven = new ProvenSignatures(10, counted);
  const signature = alice.sign(message);
  for (let i = 0; i < 100; i++) expect(proven.verify(alice, message, signature)).toBe(true);
  expect(checks).toBe(1);
});

test('what was proven speaks for no other key, message or signature', () => {
  const proven = new ProvenSignatures(10);
  const signature = alice.sign(message);
  expect(proven.verify(alice, message, signature)).toBe(true);
  expect(proven.verify(bob, message, signature)).toBe(false);
  expect(proven.verify(alice, new TextEncoder().encode('a heaf'), signature)).toBe(false);
  const bent = Uint8Array.from(signature, (byte, i) => (i === 40 ? byte ^ 1 : byte));
  expect(proven.verify(alice, message, bent)).toBe(false);
  const moved = Uint8Array.from([...signature, message[0] as number]);
  expect(proven.verify(alice, message.subarray(1), moved)).toBe(false);
});

test('a false signature is checked each time, and never becomes a good one', () => {
  const proven = new ProvenSignatures(10, counted);
  const signature = bob.sign(message);
  for (let i = 0; i < 3; i++) expect(proven.verify(alice, message, signature)).toBe(false);
  expect(checks).toBe(3);
});

test('no more is remembered than its limit, the oldest is forgotten first', () => {
  const proven = new ProvenSignatures(2, counted);
  const heads = ['one', 'two', 'three'].map((text) => new TextEncoder().encode(text));
  const signed = heads.map((head) => ({ head, signature: alice.sign(head) }));
  for (const { head, signature } of signed) expect(proven.verify(alice, head, signature)).toBe(true);
  for (const { head, signature } of signed.slice(1)) expect(proven.verify(alice, head, signature)).toBe(true);
  expect(checks).toBe(3);
  const [first] = signed;
  expect(proven.verify(alice, (first as (typeof signed)[0]).head, (first as (typeof signed)[0]).signature)).toBe(true);
  expect(checks).toBe(4);
});
