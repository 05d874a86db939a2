import { Refusal } from '@mono-auth/core/errors';
import { expect, test } from 'vitest';
import { startFailure } from './start-failure.ts';

test('the reason is found under what wraps it', () => {
  const cause = Object.assign(new Error('connect'), { code: 'ECONNREFUSED' });
  const error = new Refusal('unavailable', 'the database cannot be reached now', { cause });
  expect(startFailure(error)).toMatch(/^MONO_DATABASE_URL: the server does not answer/);
});

test('a defect is not taken for a bad setting', () => {
  expect(startFailure(new TypeError('undefined is not a function'))).toBeUndefined();
  expect(startFailure('thrown text')).toBeUndefined();
});
