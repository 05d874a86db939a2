import { expect, test } from 'vitest';
import { guard } from './middleware.ts';
import { resourceMetadata } from './resource-metadata.ts';
import { FakeIssuer } from './testing/fake-issuer.ts';
import { createVerifier } from './verifier.ts';

const issuer = 'https://id.test/t/acme';

test('a service says of itself what its verifier checks, and nothing about refreshing', () => {
  const settings = { issuer, audience: 'https://orders.test/v1' };
  const { document, url } = resourceMetadata(settings, { scopes: ['orders:read', 'offline_access'], name: 'Orders' });
  expect(url).toBe('https://orders.test/.well-known/oauth-protected-resource/v1');
  expect(document).toEqual({
    resource: settings.audience,
    authorization_servers: [issuer],
    scopes_supported: ['orders:read'],
    bearer_methods_supported: ['header'],
    resource_name: 'Orders',
    dpop_signing_alg_values_supported: ['ES256', 'EdDSA', 'RS256'],
  });
});

test.each([
  ['https://orders.test', 'https://orders.test/.well-known/oauth-protected-resource'],
  ['https://orders.test/', 'https://orders.test/.well-known/oauth-protected-resource'],
  ['https://orders.test/a/b', 'https://orders.test/.well-known/oauth-protected-resource/a/b'],
  ['https://orders.test/a?b=c', 'https://orders.test/.well-known/oauth-protected-resource/a?b=c'],
])('the document of %s is at %s (RFC 9728 §3.1)', (audience, url) => {
  expect(resourceMetadata({ issuer, audience }, { scopes: [] }).url).toBe(url);
});

test.each([
  ['one that is no audience', ['https://orders.test'], 'https://other.test'],
  ['none of several', ['https://orders.test', 'https://b.test'], undefined],
  ['a name that is no URL', ['urn:orders'], undefined],
  ['a URL with a fragment', ['https://orders.test/#x'], undefined],
])('a resource that is %s has no metadata', (_what, audience, resource) => {
  const describe = () => resourceMetadata({ issuer, audience }, { scopes: [], ...(resource && { resource }) });
  expect(describe).toThrow(expect.objectContaining({ reason: 'invalid_request' }));
});

test('the guard’s challenges say where the document is, and no other answer does', async () => {
  const server = await FakeIssuer.start();
  try {
    const settings = { issuer: server.url, audience: 'https://orders.test' };
    const { url } = resourceMetadata(settings, { scopes: ['orders:read'] });
    const verifier = createVerifier(settings);
    const ask = async (authorization?: string, scope: string[] = []) => {
      const headers = authorization === undefined ? {} : { authorization };
      const request = new Request('https://orders.test/1', { headers });
      const answer = await guard(request, { verifier, scope, resourceMetadataUrl: url });
      return answer instanceof Response ? answer.headers.get('www-authenticate') : 'let through';
    };
    expect(await ask()).toBe(`Bearer resource_metadata="${url}"`);
    expect(await ask('Bearer nonsense')).toMatch(/^Bearer error="invalid_token", .*resource_metadata="[^"]+"$/);
    const short = await ask(`Bearer ${await server.mint({ scope: 'orders:write' })}`, ['orders:read']);
    expect(short).toMatch(/error="insufficient_scope".*scope="orders:read", resource_metadata=/);
    expect(await ask(`Bearer ${await server.mint()}`)).toBe('let through');
  } finally {
    await server.stop();
  }
});
