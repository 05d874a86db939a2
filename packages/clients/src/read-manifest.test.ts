import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { type ManifestInput, type ManifestSubject, readManifest } from './read-manifest.ts';
import { readRedirectUri, readServerAddress } from './web-addresses.ts';

const jwk = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' });
const jwks = { keys: [{ ...jwk, kid: 'k1' }] };
const production = { environment: 'production' } as const;
const callback = 'https://shop.example/callback';

const isPublic = { isPublic: true, ...production };
const isConfidential = { isPublic: false, ...production };

describe('redirect URIs', () => {
  test.each([
    ['https://shop.example/callback', isConfidential],
    ['https://shop.example', isConfidential],
    ['https://shop.example:8443/callback?tenant=a', isConfidential],
    ['http://127.0.0.1/callback', isPublic],
    ['http://[::1]:8000/callback', isPublic],
    ['com.example.app:/callback', isPublic],
    ['com.example.app://callback', isPublic],
    ['http://127.0.0.1:3000/callback', { isPublic: false, environment: 'staging' }],
    ['http://localhost:3000/callback', { isPublic: false, environment: 'development' }],
  ] as const)('allowed: %s', (uri, rules) => {
    expect(readRedirectUri(uri, 'redirect_uris', rules)).toBe(uri);
  });

  test.each([
    ['', isPublic],
    ['/callback', isPublic],
    ['https://shop.example/callback#top', isPublic],
    ['https://shop.example/callback#', isPublic],
    ['https://user@shop.example/callback', isPublic],
    ['https://*.shop.example/callback', isPublic],
    ['https://shop.example/*', isPublic],
    ['https://shop.example/a/../callback', isPublic],
    ['https://shop.example/a/%2e%2E/callback', isPublic],
    ['https://shop.example/./callback', isPublic],
    ['https://shop.example\\@evil.example/', isPublic],
    ['https://SHOP.example/callback', isPublic],
    ['https://shop.example:443/callback', isPublic],
    ['https://shop.example/call back', isPublic],
    ['https://shöp.example/callback', isPublic],
    ['http://shop.example/callback', isPublic],
    ['http://localhost/callback', isPublic],
    ['http://localhost/callback', { isPublic: true, environment: 'staging' }],
    ['http://127.0.0.1/callback', isConfidential],
    ['http://2130706433/callback', isPublic],
    ['http://127.1/callback', isPublic],
    ['http://127.0.0.1.evil.example/callback', isPublic],
    ['http://192.0.2.7/callback', { isPublic: true, environment: 'development' }],
    ['com.example.app:/callback', isConfidential],
    ['myapp:/callback', isPublic],
    ['javascript:alert(1)', isPublic],
    ['data:text/html,x', isPublic],
    [`https://shop.example/${'a'.repeat(600)}`, isPublic],
  ] as const)('refused: %s', (uri, rules) => {
    expect(() => readRedirectUri(uri, 'redirect_uris', rules)).toThrow('invalid_redirect_uri: redirect_uris');
  });
});

test('what we fetch, post to or show is https; in development also http on this machine', () => {
  expect(readServerAddress('https://a.example/logo', 'client_uri', 'production')).toBe('https://a.example/logo');
  expect(readServerAddress('http://127.0.0.1:3000/out', 'client_uri', 'development')).toBe('http://127.0.0.1:3000/out');
  for (const uri of ['http://127.0.0.1/out', 'ftp://a.example/', 'com.example.app:/x', 'https://a.example/#x']) {
    expect(() => readServerAddress(uri, 'client_uri', 'production')).toThrow('invalid_client_metadata: client_uri');
  }
});

const machine: ManifestSubject = { kind: 'machine', ...production };
const app: ManifestSubject = { kind: 'app', ...production };
const exchange = 'urn:ietf:params:oauth:grant-type:token-exchange';

test('what is not said gets what is usual for the kind', () => {
  expect(readManifest({ jwks }, machine, '')).toMatchObject({
    authMethod: 'private_key_jwt',
    grantTypes: ['client_credentials', exchange],
    redirectUris: [],
    dpopBoundAccessTokens: false,
  });
  expect(readManifest({ redirectUris: [callback] }, app, '')).toMatchObject({
    authMethod: 'none',
    grantTypes: ['authorization_code', 'refresh_token'],
    jwks: { keys: [] },
  });
  expect(readManifest({ redirectUris: [callback], jwks }, app, '').authMethod).toBe('private_key_jwt');
});

const vouched: ManifestInput = { authMethod: 'attest_jwt_client_auth_dpop', attester: 'https://attester.example' };

test('who vouches for the instances of a client is named where nothing else proves them', () => {
  const { attester, jwks: keys } = readManifest(vouched, machine, '');
  expect([attester, keys]).toEqual(['https://attester.example', { keys: [] }]);
});

test.each<[string, ManifestInput, ManifestSubject, string]>([
  ['a machine without a credential', {}, machine, 'manifest.jwks'],
  ['a machine that anybody may be', { authMethod: 'none' }, machine, 'manifest.auth_method'],
  ['a service that anybody may be', { authMethod: 'none' }, { ...machine, kind: 'service' }, 'manifest.auth_method'],
  ['keys and an address of keys', { jwks, jwksUri: 'https://a.example/jwks' }, machine, 'manifest.jwks_uri'],
  ['an address of keys over an open line', { jwksUri: 'http://a.example/jwks' }, machine, 'manifest.jwks_uri'],
  ['keys that the method does not use', { jwks, authMethod: 'client_secret_basic' }, machine, 'manifest.jwks'],
  ['a certificate without a subject', { authMethod: 'tls_client_auth' }, machine, 'manifest.tls_subject_dn'],
  ['a subject that is no name', { authMethod: 'tls_client_auth', tlsSubjectDn: 'x' }, machine, 'tls_subject_dn'],
  ['a subject without a certificate', { jwks, tlsSubjectDn: 'CN=a' }, machine, 'manifest.tls_subject_dn'],
  ['a vouched-for client that names nobody', { authMethod: 'attest_jwt_client_auth' }, machine, 'manifest.attester'],
  ['somebody who vouches for no instance', { jwks, attester: 'https://a.example' }, machine, 'manifest.attester'],
  [
    'somebody who vouches over an open line',
    { ...vouched, attester: 'http://a.example' },
    machine,
    'manifest.attester',
  ],
  ['keys where somebody vouches for them', { ...vouched, jwks }, machine, 'manifest.jwks'],
  ['a machine that people sign in to', { jwks, grantTypes: ['authorization_code'] }, machine, 'grant_types'],
  ['a machine that is redirected to', { jwks, redirectUris: [callback] }, machine, 'manifest.redirect_uris'],
  ['a machine that is told of sign-outs', { jwks, backchannelLogoutUri: callback }, machine, 'backchannel_logout_uri'],
  ['an app without a place to go back to', {}, app, 'manifest.redirect_uris'],
  [
    'a public app with a grant of its own',
    { redirectUris: [callback], grantTypes: ['client_credentials'] },
    app,
    'grant_types',
  ],
  ['refreshing what nobody gave', { grantTypes: ['refresh_token'] }, app, 'manifest.grant_types'],
  ['the implicit grant', { redirectUris: [callback], grantTypes: ['implicit'] }, app, 'manifest.grant_types'],
  ['the password grant', { grantTypes: ['password'], jwks }, app, 'manifest.grant_types'],
  ['two scopes in one', { jwks, scopes: ['a b'] }, machine, 'manifest.scopes'],
  ['an audience that is no URI', { jwks, audiences: ['ledger'] }, machine, 'manifest.audiences'],
  ['a lifetime of more than a day', { jwks, accessTokenTtlSeconds: 86_401 }, machine, 'access_token_ttl_seconds'],
  ['a negative lifetime', { jwks, refreshTokenTtlSeconds: -1 }, machine, 'refresh_token_ttl_seconds'],
])('refused, naming the field: %s', (_name, input, subject, field) => {
  expect(() => readManifest(input, subject, 'manifest.')).toThrow(field);
});

test('a confidential app may also have grants of its own; a device needs no redirect', () => {
  const grantTypes = ['client_credentials', exchange];
  expect(readManifest({ authMethod: 'client_secret_post', grantTypes }, app, '').grantTypes).toEqual(grantTypes);
  const device = ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'];
  expect(readManifest({ grantTypes: device }, app, '').redirectUris).toEqual([]);
});
