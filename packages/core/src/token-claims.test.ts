import fc from 'fast-check';
import { expect, test } from 'vitest';
import { newId } from './ids.ts';
import type { Principal } from './principal.ts';
import { systemRuntime } from './runtime.ts';
import { actorChain, parseScope } from './token-claims.ts';

test('a scope is the set of its values, in the order given', () => {
  expect(parseScope('a b a')).toEqual(['a', 'b']);
  expect(parseScope('audit:read https://api.example/x#y')).toEqual(['audit:read', 'https://api.example/x#y']);
  expect(parseScope('')).toEqual([]);
});

test('a scope that is read and written again stays the same', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.stringMatching(/^[\x21\x23-\x5b\x5d-\x7e]{1,8}$/)), (values) => {
      expect(parseScope(values.join(' '))).toEqual(values);
    }),
  );
});

test.each(['a\tb', 'a\nb', 'a "b"', 'a\\b', 'ä', 'a\u00a0b', 'a\u0000'])(
  'a scope with a character outside RFC 6749 §3.3 is malformed as a whole: %j',
  (scope) => {
    expect(parseScope(scope)).toBeUndefined();
  },
);

test('the chain of actors begins with the current one (RFC 8693 §4.1)', () => {
  const agent: Principal = `agent:${newId(systemRuntime, 'agt')}`;
  const host: Principal = `host:${newId(systemRuntime, 'hst')}`;
  expect(actorChain({ sub: agent, act: { sub: host } })).toEqual([agent, host]);
  expect(actorChain(undefined)).toEqual([]);
});
