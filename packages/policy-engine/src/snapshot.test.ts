import { textOf, utf8 } from '@mono-auth/core/encoding';
import { newId } from '@mono-auth/core/ids';
import { systemRuntime } from '@mono-auth/core/runtime';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeSnapshot, encodeSnapshot, hashSnapshot } from './snapshot.ts';

const tenantId = newId(systemRuntime, 'ten');
const snapshot = { tenantId, version: 3, policyText: '// "é"\n', schemaVersion: 1 };

test('a snapshot survives its encoding, whatever its text', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 1 }), (policyText, version) => {
      const whole = { tenantId, version, policyText, schemaVersion: 1 };
      expect(decodeSnapshot(encodeSnapshot(whole))).toEqual(whole);
    }),
  );
});

test('one snapshot has one encoding and one hash', () => {
  const text = textOf(encodeSnapshot(snapshot));
  expect(text).toBe(`{"v":1,"tenantId":"${tenantId}","version":3,"policyText":"// \\"é\\"\\n","schemaVersion":1}`);
  expect(hashSnapshot(utf8(text))).toHaveLength(32);
  for (const other of [
    ` ${text}`,
    text.replace('"v":1', '"v":2'),
    text.replace(',"v', ',"x":1,"v'),
    `${text}\n`,
    '[]',
  ]) {
    if (other !== text) expect(() => decodeSnapshot(utf8(other))).toThrow(/not a policy snapshot/);
  }
  expect(() => decodeSnapshot(utf8(text.replace('"schemaVersion":1', '"schemaVersion":1,"more":true')))).toThrow();
  expect(() => decodeSnapshot(utf8(text.replace('é', '\\u00e9')))).toThrow();
  expect(() => decodeSnapshot(Uint8Array.of(0xff))).toThrow();
});
