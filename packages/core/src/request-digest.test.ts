import { expect, test } from 'vitest';
import { checkRepetition, type KeyedRequest, keyedRequest } from './request-digest.ts';

const of = (asked: Parameters<typeof keyedRequest>[1]): KeyedRequest => keyedRequest('key', asked) as KeyedRequest;
const never = () => {
  throw new Error('the object was asked');
};

test('the same request is told again, whatever the order of its fields, and another one is refused', () => {
  const first = of({ name: 'a', scopes: ['x', 'y'], ttlSeconds: 60 });
  expect(first.digest).toHaveLength(32);
  const again = of({ ttlSeconds: 60, scopes: ['x', 'y'], name: 'a' });
  expect(() => checkRepetition(again, first.digest, 'invite', never)).not.toThrow();
  const others = [
    of({ name: 'b', scopes: ['x', 'y'], ttlSeconds: 60 }),
    of({ name: 'a', scopes: ['x', 'y'], ttlSeconds: 61 }),
    of({ name: 'a', scopes: ['y', 'x'], ttlSeconds: 60 }),
    of({ name: 'a', scopes: ['x,y'], ttlSeconds: 60 }),
    of({ name: 'a', scopes: ['x', 'y'], ttlSeconds: '60' }),
    of({ name: 'a', scopes: ['x', 'y'], ttlSeconds: 60, audiences: [] }),
    of({ name: '', a: 'a', scopes: ['x', 'y'], ttlSeconds: 60 }),
  ];
  for (const other of others) {
    expect(() => checkRepetition(other, first.digest, 'invite', never)).toThrow(
      'invalid_request: idempotency_key: was used for another invite',
    );
  }
});

test('what an earlier release has made is compared by what it is', () => {
  const asked = of({ name: 'a' });
  expect(() => checkRepetition(asked, null, 'agent', () => true)).not.toThrow();
  expect(() => checkRepetition(asked, null, 'agent', () => false)).toThrow('was used for another agent');
});

test('a request without a key keeps nothing', () => {
  expect(keyedRequest(undefined, { name: 'a' })).toBeUndefined();
});
