import { newId } from '@mono-auth/core/ids';
import { FakeRuntime } from '@mono-auth/testing';
import { describe, expect, test } from 'vitest';
import type { MetadataDeps } from './deps.ts';
import { openIssuer } from './endpoint-bench.ts';
import { authorizationServerMetadata, openidConfiguration } from './metadata.ts';
import { type EndpointName, endpointPaths } from './served-endpoints.ts';

const baseUrl = 'https://id.test';
const issuer = `${baseUrl}/t/acme`;
const acme = { id: newId(new FakeRuntime(), 'ten'), slug: 'acme' };
const deps: MetadataDeps = { ...openIssuer, baseUrl };
const everything = Object.keys(endpointPaths) as EndpointName[];
const confidential = ['private_key_jwt', 'client_secret_basic', 'client_secret_post'];
const assertionAlgorithms = ['ES256', 'RS256', 'EdDSA'];

describe('an issuer that serves what this package serves', () => {
  test('says exactly that (RFC 8414 §2)', async () => {
    const { scopes_supported: scopes, ...document } = await authorizationServerMetadata(deps, acme);
    expect(document).toEqual({
      issuer,
      jwks_uri: `${issuer}/jwks`,
      token_endpoint: `${issuer}/oauth2/token`,
      introspection_endpoint: `${issuer}/oauth2/introspect`,
      revocation_endpoint: `${issuer}/oauth2/revoke`,
      userinfo_endpoint: `${issuer}/oauth2/userinfo`,
      grant_types_supported: [
        ...['authorization_code', 'refresh_token', 'client_credentials'],
        ...['urn:ietf:params:oauth:grant-type:device_code', 'urn:ietf:params:oauth:grant-type:token-exchange'],
      ],
      response_types_supported: [],
      token_endpoint_auth_methods_supported: [...confidential, 'none'],
      token_endpoint_auth_signing_alg_values_supported: assertionAlgorithms,
      introspection_endpoint_auth_methods_supported: confidential,
      introspection_endpoint_auth_signing_alg_values_supported: assertionAlgorithms,
      revocation_endpoint_auth_methods_supported: [...confidential, 'none'],
      revocation_endpoint_auth_signing_alg_values_supported: assertionAlgorithms,
      code_challenge_methods_supported: ['S256'],
      dpop_signing_alg_values_supported: ['ES256', 'EdDSA', 'RS256'],
      introspection_signing_alg_values_supported: ['RS256'],
    });
    expect(scopes).toEqual(
      expect.arrayContaining(['openid', 'profile', 'email', 'offline_access', 'tokens:introspect']),
    );
  });

  test('adds for OpenID Connect what that requires, and changes nothing', async () => {
    const { scopes_supported: _, ...own } = await authorizationServerMetadata(deps, acme);
    const { scopes_supported: __, ...document } = await openidConfiguration(deps, acme);
    expect(document).toEqual({
      ...own,
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['RS256'],
      claims_supported: ['sub', 'name', 'picture', 'updated_at', 'email', 'email_verified'],
    });
  });
});

describe('an issuer that serves everything', () => {
  const full = { ...deps, served: everything };

  test('names each endpoint and what only it makes true', async () => {
    expect(await openidConfiguration(full, acme)).toMatchObject({
      authorization_endpoint: `${issuer}/oauth2/authorize`,
      pushed_authorization_request_endpoint: `${issuer}/oauth2/par`,
      device_authorization_endpoint: `${issuer}/oauth2/device_authorization`,
      end_session_endpoint: `${issuer}/oauth2/end_session`,
      response_types_supported: ['code'],
      response_modes_supported: ['query'],
      authorization_response_iss_parameter_supported: true,
      require_pushed_authorization_requests: false,
      client_id_metadata_document_supported: true,
      prompt_values_supported: ['none', 'login', 'consent', 'select_account'],
      backchannel_logout_supported: true,
      backchannel_logout_session_supported: true,
    });
  });

  test('follows the policy of its tenant: registration only when it is on, the others as they are', async () => {
    expect(await authorizationServerMetadata(full, acme)).not.toHaveProperty('registration_endpoint');
    const policy = {
      registration: true,
      metadataDocuments: false,
      pushedRequestsRequired: true,
      idJag: false,
      clientAttestation: false,
    };
    expect(await authorizationServerMetadata({ ...full, readIssuerPolicy: async () => policy }, acme)).toMatchObject({
      registration_endpoint: `${issuer}/oauth2/register`,
      client_id_metadata_document_supported: false,
      require_pushed_authorization_requests: true,
    });
  });
});

test('attestation is offered where the policy of the tenant has it, and not told of anywhere else (-10 §8)', async () => {
  const policy = { ...(await openIssuer.readIssuerPolicy()), clientAttestation: true };
  const served = [...deps.served, 'challenge'] as const;
  const on = await authorizationServerMetadata({ ...deps, served, readIssuerPolicy: async () => policy }, acme);
  const methods = ['attest_jwt_client_auth', 'attest_jwt_client_auth_dpop'];
  expect(on).toMatchObject({
    challenge_endpoint: `${issuer}/oauth2/challenge`,
    token_endpoint_auth_methods_supported: [...confidential, ...methods, 'none'],
    introspection_endpoint_auth_methods_supported: [...confidential, ...methods],
    client_attestation_signing_alg_values_supported: ['ES256', 'RS256', 'EdDSA'],
    client_attestation_pop_signing_alg_values_supported: ['ES256', 'RS256', 'EdDSA'],
  });
  const off = await authorizationServerMetadata({ ...deps, served }, acme);
  expect(JSON.stringify(off)).not.toMatch(/attest|challenge_endpoint/);
});

test('certificates are offered where a proxy is trusted with them, and nowhere else', async () => {
  const offered = await authorizationServerMetadata({ ...deps, clientCertificates: true }, acme);
  expect(offered).toMatchObject({
    tls_client_certificate_bound_access_tokens: true,
    token_endpoint_auth_methods_supported: [...confidential, 'tls_client_auth', 'none'],
    introspection_endpoint_auth_methods_supported: [...confidential, 'tls_client_auth'],
  });
});

test('documents are the same bytes each time', async () => {
  const twice = await Promise.all([1, 2].map(async () => JSON.stringify(await openidConfiguration(deps, acme))));
  expect(twice[0]).toBe(twice[1]);
});

test('permissions of the platform are offered by the platform alone', async () => {
  const offered = async (slug: string) => (await authorizationServerMetadata(deps, { ...acme, slug })).scopes_supported;
  expect(await offered('acme')).not.toContain('tenants:provision');
  expect(await offered('platform')).toContain('tenants:provision');
});
