import { permissionsOf } from '@mono-auth/core/permissions';
import { issuerOf, platformSlug } from '@mono-auth/core/tenant-slug';
import type { Tenant } from '@mono-auth/tenants';
import { supportedGrantTypes } from './grants/dispatch-grant.ts';

/** Algorithms that client assertions may be signed with: asymmetric, and verifiable everywhere. */
const assertionAlgorithms = ['ES256', 'RS256', 'EdDSA'] as const;

export interface AuthorizationServerMetadata {
  readonly issuer: string;
  readonly token_endpoint: string;
  readonly [name: string]: unknown;
}

type Named = Pick<Tenant, 'slug'>;

/**
 * RFC 8414 §2. It names what this issuer really does: `authorization_endpoint` is left out, which §2 allows where no
 * grant type uses it, and `response_types_supported`, which must be there, is empty for the same reason.
 */
export function authorizationServerMetadata({ slug }: Named, baseUrl: string): AuthorizationServerMetadata {
  const issuer = issuerOf(baseUrl, slug);
  const clientAuthentication = (endpoint: string) => ({
    [`${endpoint}_endpoint`]: `${issuer}/oauth2/${endpointPaths[endpoint] ?? endpoint}`,
    [`${endpoint}_endpoint_auth_methods_supported`]: ['private_key_jwt'],
    [`${endpoint}_endpoint_auth_signing_alg_values_supported`]: assertionAlgorithms,
  });
  return {
    issuer,
    token_endpoint: `${issuer}/oauth2/token`,
    ...clientAuthentication('token'),
    ...clientAuthentication('introspection'),
    ...clientAuthentication('revocation'),
    jwks_uri: `${issuer}/jwks`,
    grant_types_supported: supportedGrantTypes,
    response_types_supported: [],
    // RFC 7636 §4.2; published from the start because MCP clients refuse an issuer that does not name it.
    code_challenge_methods_supported: ['S256'],
    // The platform's own permissions belong to its tenant alone.
    scopes_supported: permissionsOf('owner', slug === platformSlug),
  };
}

const endpointPaths: Readonly<Record<string, string>> = { introspection: 'introspect', revocation: 'revoke' };

/** OpenID Connect Discovery 1.0 §3, on top of the same facts. */
export function openidConfiguration(tenant: Named, baseUrl: string): AuthorizationServerMetadata {
  return {
    ...authorizationServerMetadata(tenant, baseUrl),
    subject_types_supported: ['public'],
    // §3: MUST include RS256.
    id_token_signing_alg_values_supported: ['RS256', 'ES256'],
  };
}
