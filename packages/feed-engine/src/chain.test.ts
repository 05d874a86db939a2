import { createHash, generateKeyPairSync, sign, verify } from 'node:crypto';
import { hex, utf8 } from '@mono-auth/core/encoding';
import type { TenantId } from '@mono-auth/core/ids';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { entryHash, type FeedEntry, genesisHash } from './chain.ts';
import { type HeadStatement, headBytes, verifyHead } from './head.ts';

const tenantId = 'ten_01arz3ndektsv4rrffq69g5fav' as TenantId;
const entry: FeedEntry = { seq: 7, kind: 'epoch', payload: utf8('{"v":1,"epoch":2}'), createdAtMs: 1_700_000_000_123 };

/** The documented form, written out a second time. */
function spell(...fields: (string | bigint | Uint8Array)[]): Buffer {
  return Buffer.concat(
    fields.map((field) => {
      const bytes = Buffer.alloc(8);
      if (typeof field === 'bigint') bytes.writeBigUInt64BE(field);
      const body = typeof field === 'bigint' ? bytes : Buffer.from(field as string);
      const length = Buffer.alloc(4);
      length.writeUInt32BE(body.length);
      return Buffer.concat([length, body]);
    }),
  );
}
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

test('hashes are those of the documented bytes', () => {
  const previous = new Uint8Array(32).fill(5);
  expect(hex(genesisHash(tenantId, 1))).toBe(sha256(spell('mono-auth/feed/genesis/v1', tenantId, 1n)));
  expect(hex(entryHash(previous, entry))).toBe(
    sha256(spell('mono-auth/feed/entry/v1', previous, 7n, 1_700_000_000_123n, 'epoch', entry.payload)),
  );
  const head = { tenantId, incarnation: 1, seq: 7, headHash: previous, issuedAtMs: 9, nonce: 'n' };
  expect(hex(headBytes(head))).toBe(
    spell('mono-auth/feed/head/v1', tenantId, 1n, 7n, previous, 9n, 'n').toString('hex'),
  );
});

test('the chain begins differently for every tenant and incarnation', () => {
  const other = 'ten_01arz3ndektsv4rrffq69g5faw' as TenantId;
  const hashes = [genesisHash(tenantId, 1), genesisHash(tenantId, 2), genesisHash(other, 1)].map(hex);
  expect(new Set(hashes).size).toBe(3);
});

test('two different entries never have the same hash, wherever their bytes are cut into fields', () => {
  const entries = fc.record({
    seq: fc.nat(3),
    kind: fc.string({ maxLength: 4 }),
    payload: fc.uint8Array({ maxLength: 4 }),
    createdAtMs: fc.nat(3),
  });
  const previous = new Uint8Array(32);
  fc.assert(
    fc.property(entries, entries, (a, b) => {
      const same = JSON.stringify([a, hex(a.payload)]) === JSON.stringify([b, hex(b.payload)]);
      expect(hex(entryHash(previous, a)) === hex(entryHash(previous, b))).toBe(same);
    }),
  );
  const shifted = { ...entry, kind: `${entry.kind}{`, payload: entry.payload.subarray(1) };
  expect(hex(entryHash(previous, shifted))).not.toBe(hex(entryHash(previous, entry)));
});

test('numbers that are not exact are not hashed', () => {
  for (const seq of [-1, 0.5, Number.NaN, 2 ** 53]) {
    expect(() => entryHash(new Uint8Array(32), { ...entry, seq })).toThrow(TypeError);
  }
});

test('a head is believed only as it was signed', async () => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const check = (message: Uint8Array, signature: Uint8Array) => verify('sha256', message, publicKey, signature);
  const headHash = new Uint8Array(32).fill(1);
  const head: HeadStatement = { tenantId, incarnation: 1, seq: 4, headHash, issuedAtMs: 1_000, nonce: 'abc' };
  const signature = sign('sha256', headBytes(head), privateKey);

  expect(await verifyHead(head, signature, check)).toEqual(head);
  const changes: Partial<HeadStatement>[] = [
    { tenantId: 'ten_01arz3ndektsv4rrffq69g5faw' as TenantId },
    { incarnation: 2 },
    { seq: 5 },
    { headHash: new Uint8Array(32).fill(2) },
    { issuedAtMs: 1_001 },
    { nonce: 'abd' },
    { nonce: undefined },
    { seq: -1 },
    { headHash: new Uint8Array(31) },
    { nonce: 'n'.repeat(65) },
  ];
  for (const change of changes) {
    await expect(verifyHead({ ...head, ...change }, signature, check)).rejects.toThrow('verification_failed');
  }
});
