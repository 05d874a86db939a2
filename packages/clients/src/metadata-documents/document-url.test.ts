import { expect, test } from 'vitest';
import { isDocumentUrl, readDocumentUrl } from './document-url.ts';

test.each([
  'https://app.example',
  'https://app.example/',
  'https://app.example/x#y',
  'https://app.example/x?y=1',
  'https://app.example/x?',
  'https://user@app.example/x',
  'https://:p@app.example/x',
  'https://app.example/./x',
  'https://app.example/a/../x',
  'https://app.example/%2e%2e/x',
  'https://app.example/a/..',
  'https://APP.example/x',
  'https://app.example:443/x',
  'https://app.example/x y',
  'https://app.example/\u00e9',
  `https://app.example/${'x'.repeat(512)}`,
  'http://app.example/x',
])('%s is no URL of a document (draft -01 §3)', (url) => {
  expect(readDocumentUrl(url, true)).toEqual(expect.any(String));
});

test.each([
  'https://app.example/x',
  'https://app.example:8443/a/b.json',
  'https://app.example/a//b',
  'https://xn--e1afmkfd.example/x',
])('%s is one', (url) => {
  expect(readDocumentUrl(url, false)).toEqual(new URL(url));
});

test('http is for loopback literals, and only where the installation is there itself', () => {
  for (const url of ['http://127.0.0.1:1/x', 'http://[::1]:1/x']) {
    expect(readDocumentUrl(url, true)).toEqual(new URL(url));
    expect(readDocumentUrl(url, false)).toEqual(expect.any(String));
    expect([isDocumentUrl(url, true), isDocumentUrl(url, false)]).toEqual([true, false]);
  }
  expect(readDocumentUrl('http://localhost:1/x', true)).toEqual(expect.any(String));
});

test('an id that we make is never meant as one', () => {
  expect(isDocumentUrl('cli_00000000000000000000000000', true)).toBe(false);
});
