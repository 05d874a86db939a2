import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseReturnTo } from './return-to.ts';

const issuer = 'https://id.test/t/acme';

test('a page of the own tenant is taken as it is', () => {
  for (const path of ['/t/acme/account', '/t/acme/consent?client=cli_1&scope=a%20b', '/t/acme/a/b#top']) {
    expect(parseReturnTo(path, issuer)).toBe(path);
  }
});

test('what leads elsewhere, or could be read so, is not taken', () => {
  const attacks = [
    '//evil.test',
    '///evil.test',
    '/\\evil.test',
    '\\\\evil.test',
    'https://evil.test/t/acme/',
    'https:evil.test',
    'javascript:alert(1)',
    'data:text/html,x',
    '/t/acme',
    '/t/acme2/account',
    '/t/globex/account',
    '/t/acme/../globex/account',
    '/t/acme/%2e%2e/globex/account',
    '/t/acme/..%2fglobex',
    '/t/acme/%5cevil.test',
    '/t/acme/%252f%252fevil.test',
    '/t/acme//evil.test',
    '/t/acme/\\evil.test',
    '/t/acme/a?x=\\evil',
    '/t/acme/\tb',
    '/t/acme/\r\nset-cookie:x=y',
    '/t/acme/%0d%0aset-cookie:x=y',
    '/t/acme/ü',
    ' /t/acme/account',
    `/t/acme/${'a'.repeat(2048)}`,
    '',
    undefined,
  ];
  for (const attack of attacks) expect(parseReturnTo(attack, issuer), String(attack)).toBeUndefined();
});

test('whatever is taken stays on the origin, inside the tenant, and is what the browser makes of it', () => {
  const parts = [
    '/t/acme/',
    '/',
    '//',
    '\\',
    '..',
    '.',
    '%2f',
    '%5C',
    '%2e',
    '@',
    ':',
    'evil.test',
    '?',
    '#',
    '\t',
    'a',
    ';',
    't',
  ];
  const text = fc.array(fc.oneof(fc.constantFrom(...parts), fc.string({ maxLength: 3 })), { maxLength: 8 });
  let taken = 0;
  fc.assert(
    fc.property(text, fc.boolean(), (pieces, prefixed) => {
      const given = `${prefixed ? '/t/acme/' : ''}${pieces.join('')}`;
      const path = parseReturnTo(given, issuer);
      if (path === undefined) return;
      taken++;
      expect(path).toBe(given);
      const seen = new URL(path, `${issuer}/sign-in`);
      expect(seen.origin).toBe('https://id.test');
      expect(seen.pathname.startsWith('/t/acme/')).toBe(true);
      expect(unescape(seen.pathname)).not.toMatch(/\/\/|\\|\/\.\.?(?:\/|$)/);
    }),
    { numRuns: 3000 },
  );
  expect(taken).toBeGreaterThan(100);
});
