import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formActionSource, isRegisteredRedirectUri, withAnswer } from './redirect-uri.ts';

test('a redirect URI is that of the client character by character; only a loopback address has any port', () => {
  const registered = [
    'https://app.example/cb',
    'http://127.0.0.1/cb',
    'http://[::1]:8080/cb',
    'http://localhost:3000/cb',
  ];
  for (const uri of [...registered, 'http://127.0.0.1:1/cb', 'http://127.0.0.1:65535/cb', 'http://[::1]/cb']) {
    expect(isRegisteredRedirectUri(registered, uri), uri).toBe(true);
  }
  for (const uri of [
    ...['https://app.example:443/cb', 'https://app.example/cb?', 'HTTPS://app.example/cb', 'https://app.example/%63b'],
    ...['http://localhost:3001/cb', 'http://127.0.0.2/cb', 'https://127.0.0.1/cb', 'http://127.0.0.1:/cb'],
    ...['http://127.0.0.1:123456/cb', 'http://127.0.0.1:80\\@evil.test/cb', 'http://127.0.0.1:80/cb#x'],
    ...['http://127.0.0.1:80/cb/..', 'http://user@127.0.0.1/cb', 'http://127.1/cb', 'http://[0:0:0:0:0:0:0:1]/cb', ''],
  ]) {
    expect(isRegisteredRedirectUri(registered, uri), uri).toBe(false);
  }
});

test('nothing that was not registered is taken, whatever it is', () => {
  fc.assert(
    fc.property(fc.webUrl({ withQueryParameters: true, withFragments: true }), (uri) => {
      expect(isRegisteredRedirectUri(['https://app.example/cb', 'http://127.0.0.1/cb'], uri)).toBe(false);
    }),
  );
});

test('an answer is added to the query; the registered part stays as it is and every value comes back', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[\x20-\x7e]{0,40}$/), fc.boolean(), (state, query) => {
      const uri = query ? 'https://app.example/cb?tenant=a%2Fb' : 'https://app.example/cb';
      const answer = withAnswer(uri, { code: 'c', state, iss: 'https://id.example/t/acme', error: undefined });
      expect(answer.startsWith(uri)).toBe(true);
      const { searchParams } = new URL(answer);
      expect([searchParams.get('state'), searchParams.get('code')]).toEqual([state, 'c']);
      expect(searchParams.has('error')).toBe(false);
    }),
  );
});

test('a form may end at the origin of a web client, or at the scheme of an app', () => {
  expect(formActionSource('https://app.example/cb?x=1')).toBe('https://app.example');
  expect(formActionSource('http://127.0.0.1:5000/cb')).toBe('http://127.0.0.1:5000');
  expect(formActionSource('com.example.app:/cb')).toBe('com.example.app:');
});
