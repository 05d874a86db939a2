import fc from 'fast-check';
import { expect, test } from 'vitest';
import { checkJob } from './job.ts';

test('ids of every kind that we use are accepted', () => {
  checkJob('seal-audit', {});
  checkJob('seal-audit', {
    tenantId: 'ten_01kdvdna00eymb3g5kgr00h29r',
    eventId: '0192b3d4-0000-7000-8000-000000000000',
  });
  checkJob('deliver', { hint: 'ten_01kdvdna00eymb3g5kgr00h29r:42' }, 'deliver-ten_01kdvdna00eymb3g5kgr00h29r');
});

test.each([
  ['an e-mail address', { to: 'a@example.com' }],
  ['JSON', { payload: '{"a":1}' }],
  ['a long value', { id: 'x'.repeat(65) }],
  ['an empty value', { id: '' }],
  ['a key that is data', { 'a b': 'x' }],
  ['many ids', Object.fromEntries([...'abcdefghi'].map((key) => [key, 'x']))],
])('%s is refused', (_, ids) => {
  expect(() => checkJob('job', ids)).toThrow('ids only');
});

test('no text that could be data passes as an id', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      fc.pre(!/^[A-Za-z0-9_:.-]{1,64}$/.test(text));
      expect(() => checkJob('job', { id: text })).toThrow(TypeError);
    }),
  );
});

test.each(['', '17', 'a:b', 'x'.repeat(65)])('the job id %j is refused', (jobId) => {
  expect(() => checkJob('job', {}, jobId)).toThrow('job id');
});
