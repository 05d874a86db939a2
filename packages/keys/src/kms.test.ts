import { utf8 } from '@mono-auth/core/encoding';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createLocalKms } from './kms.ts';

const kms = createLocalKms(new Uint8Array(32).fill(1));

test('what was wrapped unwraps for the same associated data and for no other', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.string(), fc.string(), async (plain, aad, other) => {
      const wrapped = await kms.wrap(plain, aad);
      expect([...(await kms.unwrap(wrapped, aad))]).toEqual([...plain]);
      if (other !== aad) await expect(kms.unwrap(wrapped, other)).rejects.toThrow('does not belong here');
    }),
    { numRuns: 100 },
  );
});

test('flipping any one bit of a wrapped key is detected', async () => {
  const wrapped = await kms.wrap(utf8('key'), 'a|b|c');
  for (let bit = 0; bit < wrapped.length * 8; bit++) {
    const broken = wrapped.slice();
    broken[bit >> 3] = (broken[bit >> 3] as number) ^ (1 << (bit & 7));
    await expect(kms.unwrap(broken, 'a|b|c')).rejects.toThrow();
  }
});

test('every truncation of a wrapped key is detected', async () => {
  const wrapped = await kms.wrap(utf8('key'), 'a|b|c');
  for (let length = 0; length < wrapped.length; length++) {
    await expect(kms.unwrap(wrapped.subarray(0, length), 'a|b|c')).rejects.toThrow();
  }
});

test('another key-encryption key unwraps nothing and has another check value', async () => {
  const other = createLocalKms(new Uint8Array(32).fill(2));
  await expect(other.unwrap(await kms.wrap(utf8('key'), 'x'), 'x')).rejects.toThrow('does not belong here');
  expect(await other.checkValue()).not.toBe(await kms.checkValue());
  expect(await createLocalKms(new Uint8Array(32).fill(1)).checkValue()).toBe(await kms.checkValue());
});

test('wrapping the same key twice gives different bytes', async () => {
  expect(await kms.wrap(utf8('key'), 'x')).not.toEqual(await kms.wrap(utf8('key'), 'x'));
});

test('a key-encryption key of another length is refused', () => {
  expect(() => createLocalKms(new Uint8Array(16))).toThrow('32 bytes');
});
