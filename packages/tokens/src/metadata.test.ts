import { expect, test } from 'vitest';
import { authorizationServerMetadata, openidConfiguration } from './metadata.ts';

const baseUrl = 'https://id.test';
const issuer = `${baseUrl}/t/acme`;

test('the authorization server names its endpoints, one method of authentication and the grants it really has', () => {
  expect(authorizationServerMetadata({ slug: 'acme' }, baseUrl)).toMatchObject({
    issuer,
    jwks_uri: `${issuer}/jwks`,
    token_endpoint: `${issuer}/oauth2/token`,
    introspection_endpoint: `${issuer}/oauth2/introspect`,
    revocation_endpoint: `${issuer}/oauth2/revoke`,
    grant_types_supported: [
      'authorization_code',
      'refresh_token',
      'client_credentials',
      'urn:ietf:params:oauth:grant-type:device_code',
      'urn:ietf:params:oauth:grant-type:token-exchange',
    ],
    response_types_supported: [],
    token_endpoint_auth_methods_supported: ['private_key_jwt'],
    introspection_endpoint_auth_methods_supported: ['private_key_jwt'],
    revocation_endpoint_auth_methods_supported: ['private_key_jwt'],
    code_challenge_methods_supported: ['S256'],
  });
});

test('OpenID Connect discovery adds what it requires and changes nothing', () => {
  const own = authorizationServerMetadata({ slug: 'acme' }, baseUrl);
  const oidc = openidConfiguration({ slug: 'acme' }, baseUrl);
  expect(oidc).toMatchObject(own);
  expect(oidc.subject_types_supported).toEqual(['public']);
  expect(oidc.id_token_signing_alg_values_supported).toEqual(['RS256', 'ES256']);
});

test('documents are the same bytes each time', () => {
  const twice = [1, 2].map(() => JSON.stringify(openidConfiguration({ slug: 'acme' }, baseUrl)));
  expect(twice[0]).toBe(twice[1]);
});

test('permissions of the platform are offered by the platform alone', () => {
  const offered = (slug: string) => authorizationServerMetadata({ slug }, baseUrl).scopes_supported;
  expect(offered('acme')).not.toContain('tenants:provision');
  expect(offered('platform')).toContain('tenants:provision');
});
