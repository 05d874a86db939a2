import fc from 'fast-check';
import { expect, test } from 'vitest';
import { base64url, concatBytes, equalBytes, fromBase64url, hex, jwtSyntax, textOf, utf8 } from './encoding.ts';

test('bytes survive base64url, and each has exactly one form', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      expect(fromBase64url(base64url(bytes))).toEqual(new Uint8Array(bytes));
    }),
  );
});

test('a text is accepted only as the one form of its bytes', () => {
  const nearly = fc.stringMatching(/^[A-Za-z0-9_+/=-]{0,12}$/);
  fc.assert(
    fc.property(nearly, (text) => {
      let bytes: Uint8Array;
      try {
        bytes = fromBase64url(text);
      } catch {
        return;
      }
      expect(base64url(bytes)).toBe(text);
    }),
  );
});

test.each(['AB', 'A', 'AA==', 'AA=', '+w', '/w', ' AA', 'AA\n', 'A A', 'AAA!', 'ÄA'])(
  'base64url that is not canonical is refused: %j',
  (text) => {
    expect(() => fromBase64url(text)).toThrow('not canonical base64url');
  },
);

test('a view into a larger buffer is encoded as itself, not as its buffer', () => {
  const view = new Uint8Array([0, 1, 2, 3]).subarray(1, 3);
  expect([hex(view), base64url(view)]).toEqual(['0102', 'AQI']);
});

test('bytes are equal only when all are', () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.uint8Array(), (a, b) => {
      expect(equalBytes(a, b)).toBe(hex(a) === hex(b));
      expect(equalBytes(a, a.slice())).toBe(true);
    }),
  );
});

test('parts are joined in order', () => {
  expect(concatBytes(utf8('a'), new Uint8Array(), utf8('bc'))).toEqual(utf8('abc'));
});

test('bytes that are not UTF-8 are refused instead of repaired', () => {
  expect(textOf(utf8('Ünïcode 🔑'))).toBe('Ünïcode 🔑');
  expect(() => textOf(new Uint8Array([0xc3, 0x28]))).toThrow(TypeError);
});

test.each(['a.b', 'a.b.c.d', 'a..c', '.b.c', 'a.b.', 'a.b.c ', 'a.b.c\n', 'a.b.c=', 'a.b.+', ''])(
  'what is not three base64url parts never gets as far as a parser: %j',
  (text) => {
    expect(jwtSyntax.test(text)).toBe(false);
    expect(jwtSyntax.test('eyJ.eyJ.c2ln')).toBe(true);
  },
);
