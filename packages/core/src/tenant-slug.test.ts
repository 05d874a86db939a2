import { expect, test } from 'vitest';
import { Refusal } from './errors.ts';
import { issuerOf, parseSlug, rpcAudienceOf } from './tenant-slug.ts';

test.each(['ab', 'a1', 'north-wind', 'a-b-c', `a${'b'.repeat(38)}`])('%s is a slug', (slug) => {
  expect(parseSlug(slug, 'slug')).toBe(slug);
});

test.each([
  undefined,
  7,
  '',
  'a',
  '1a',
  '-a',
  'a-',
  'a--b',
  'Ab',
  'a_b',
  'a.b',
  'a/b',
  '../a',
  'ab\n',
  'ä b',
  'a%2e',
  `a${'b'.repeat(39)}`,
])('%j is refused by the name of its field: a slug stands in paths, hosts and cookie names', (slug) => {
  expect(() => parseSlug(slug, 'tenant.slug')).toThrow(Refusal);
  expect(() => parseSlug(slug, 'tenant.slug')).toThrow(/tenant\.slug: /);
});

test('issuer and audience of a tenant are built byte for byte, without a trailing slash', () => {
  expect(issuerOf('https://id.example', 'ab')).toBe('https://id.example/t/ab');
  expect(rpcAudienceOf('https://id.example', 'ab')).toBe('https://id.example/t/ab/rpc');
});
