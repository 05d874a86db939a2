import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { AuthMethod, Manifest } from './manifest.ts';
import { isWidening, narrowed } from './manifest-changes.ts';
import { canonicalJson, manifestHash } from './manifest-hash.ts';

const few = (...values: string[]) => fc.uniqueArray(fc.constantFrom(...values), { maxLength: values.length });
const perhaps = <K extends string>(name: K, ...values: string[]) =>
  fc.option(fc.constantFrom(...values)).map((value) => (value === null ? {} : { [name]: value }));
const methods: AuthMethod[] = [
  'none',
  'client_secret_post',
  'client_secret_basic',
  'tls_client_auth',
  'attest_jwt_client_auth',
  'attest_jwt_client_auth_dpop',
  'private_key_jwt',
];
const seconds = fc.constantFrom(0, 60, 300, 301, 3600, 86_400);

/** Few values of each, so that two manifests often share some. Any combination: the rules look at each member by itself. */
const manifests: fc.Arbitrary<Manifest> = fc
  .tuple(
    fc.record({
      scopes: few('a', 'b', 'c'),
      audiences: few('https://a.example', 'https://b.example'),
      grantTypes: few('authorization_code', 'refresh_token', 'client_credentials'),
      redirectUris: few('https://a.example/1', 'https://a.example/2', 'https://a.example/3'),
      postLogoutRedirectUris: few('https://a.example/out', 'https://b.example/out'),
      authMethod: fc.constantFrom(...methods),
      jwks: few('k1', 'k2', 'k3').map((kids) => ({ keys: kids.map((kid) => ({ kty: 'EC', kid })) })),
      accessTokenTtlSeconds: seconds,
      refreshTokenTtlSeconds: seconds,
      dpopBoundAccessTokens: fc.boolean(),
    }),
    perhaps('backchannelLogoutUri', 'https://a.example/bc', 'https://b.example/bc'),
    perhaps('jwksUri', 'https://a.example/jwks', 'https://b.example/jwks'),
    perhaps('tlsSubjectDn', 'CN=a', 'CN=b'),
    perhaps('attester', 'https://a.example', 'https://b.example'),
    perhaps('clientUri', 'https://a.example', 'https://b.example'),
  )
  .map((parts) => Object.assign({}, ...parts) as Manifest);

const lists = ['scopes', 'audiences', 'grantTypes', 'redirectUris', 'postLogoutRedirectUris'] as const;
const subset = (part: readonly string[], whole: readonly string[]) => part.every((value) => whole.includes(value));

describe('what applies at once', () => {
  test('is never wider than what was in force', () => {
    fc.assert(
      fc.property(manifests, manifests, (from, to) => !isWidening(from, narrowed(from, to))),
      { numRuns: 2_000 },
    );
  });

  test('lists nothing that the change leaves out', () => {
    fc.assert(
      fc.property(manifests, manifests, (from, to) => {
        const now = narrowed(from, to);
        for (const list of lists) expect(subset(now[list], to[list])).toBe(true);
        if (from.authMethod !== to.authMethod) return;
        const keys = (manifest: Manifest) => manifest.jwks.keys.map((key) => canonicalJson(key));
        expect(subset(keys(now), keys(to))).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  test('is the whole change when it widens nothing, and applied twice is applied once', () => {
    fc.assert(
      fc.property(manifests, manifests, (from, to) => {
        const now = narrowed(from, to);
        if (!isWidening(from, to)) expect(now).toEqual(to);
        else expect(narrowed(now, to)).toEqual(now);
      }),
      { numRuns: 2_000 },
    );
  });
});

test('nothing widens itself, and two narrowings after each other are one', () => {
  fc.assert(
    fc.property(manifests, manifests, manifests, (a, b, c) => {
      expect(isWidening(a, a)).toBe(false);
      const [first, second] = [narrowed(a, b), narrowed(narrowed(a, b), c)];
      expect(isWidening(first, second)).toBe(false);
      expect(isWidening(a, second)).toBe(false);
    }),
    { numRuns: 1_000 },
  );
});

test('anything added to a list widens', () => {
  fc.assert(
    fc.property(manifests, fc.constantFrom(...lists), (from, list) => {
      expect(isWidening(from, { ...from, [list]: [...from[list], 'https://new.example/'] })).toBe(true);
      expect(isWidening(from, { ...from, [list]: from[list].slice(1) })).toBe(false);
    }),
  );
});

const base: Manifest = {
  scopes: ['a'],
  audiences: [],
  grantTypes: ['client_credentials'],
  redirectUris: ['https://a.example/1'],
  postLogoutRedirectUris: [],
  authMethod: 'private_key_jwt',
  jwks: { keys: [{ kty: 'EC', kid: 'k1', x: 'x', y: 'y' }] },
  accessTokenTtlSeconds: 300,
  refreshTokenTtlSeconds: 3600,
  dpopBoundAccessTokens: true,
};

test.each<[string, Partial<Manifest>, boolean]>([
  ['another key', { jwks: { keys: [...base.jwks.keys, { kty: 'EC', kid: 'k2' }] } }, true],
  ['other key material under the same kid', { jwks: { keys: [{ kty: 'EC', kid: 'k1', x: 'z', y: 'y' }] } }, true],
  ['one key less', { jwks: { keys: [] } }, false],
  ['an address of keys', { jwksUri: 'https://a.example/jwks' }, true],
  ['an address that hears of sign-outs', { backchannelLogoutUri: 'https://a.example/bc' }, true],
  ['another home page on the consent', { clientUri: 'https://a.example' }, true],
  ['another certificate', { tlsSubjectDn: 'CN=a' }, true],
  ['a secret instead of a key', { authMethod: 'client_secret_basic' }, true],
  ['no authentication', { authMethod: 'none' }, true],
  ['a longer access token', { accessTokenTtlSeconds: 301 }, true],
  ['a shorter access token', { accessTokenTtlSeconds: 60 }, false],
  ['an access token as long as the ceiling', { accessTokenTtlSeconds: 0 }, true],
  ['a refresh token as long as the ceiling', { refreshTokenTtlSeconds: 0 }, true],
  ['a shorter refresh token', { refreshTokenTtlSeconds: 300 }, false],
  ['tokens that are bound to no key', { dpopBoundAccessTokens: false }, true],
])('%s: widens is %s', (_name, change, widens) => {
  expect(isWidening(base, { ...base, ...change })).toBe(widens);
});

test('leaving the ceiling for a lifetime of its own narrows only below what the ceiling may stand for', () => {
  const unset = { ...base, accessTokenTtlSeconds: 0, refreshTokenTtlSeconds: 0 };
  expect(isWidening(unset, { ...unset, accessTokenTtlSeconds: 300 })).toBe(false);
  expect(isWidening(unset, { ...unset, accessTokenTtlSeconds: 3600 })).toBe(true);
  expect(isWidening(unset, { ...unset, refreshTokenTtlSeconds: 31_536_000 })).toBe(false);
});

test('a redirect URI that replaces another one: the former is gone at once, the new one waits', () => {
  const to = { ...base, redirectUris: ['https://a.example/2'] };
  expect(narrowed(base, to).redirectUris).toEqual([]);
  const more = { ...base, redirectUris: ['https://a.example/1', 'https://a.example/2'], scopes: [] };
  expect(narrowed(base, more)).toEqual({ ...base, scopes: [] });
});

test('a client that changes its method keeps its credential until the new one is approved', () => {
  const to: Manifest = { ...base, authMethod: 'client_secret_basic', jwks: { keys: [] } };
  expect(narrowed(base, to)).toEqual(base);
});

test('the hash is that of what it says: not of the order of its members, but of every value in it', () => {
  const turned = Object.fromEntries(Object.entries(base).reverse()) as unknown as Manifest;
  expect(manifestHash(turned)).toBe(manifestHash(base));
  expect(manifestHash(base)).toMatch(/^[A-Za-z0-9_-]{43}$/);
  fc.assert(
    fc.property(manifests, manifests, (a, b) => {
      expect(manifestHash(a) === manifestHash(b)).toBe(canonicalJson(a) === canonicalJson(b));
    }),
  );
});
