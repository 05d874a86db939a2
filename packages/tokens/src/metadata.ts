import { permissionsOf } from '@mono-auth/core/permissions';
import { issuerOf, platformSlug } from '@mono-auth/core/tenant-slug';
import { dpopAlgorithms } from '@mono-auth/core/token-claims';
import type { Tenant } from '@mono-auth/tenants';
import type { IssuerPolicy, MetadataDeps } from './deps.ts';
import { supportedGrantTypes } from './grants/dispatch-grant.ts';
import { chainedGrantTokenType, idJagTokenType } from './grants/token-types.ts';
import { introspectionAlg } from './introspection-jwt.ts';
import { type EndpointName, endpointPaths } from './served-endpoints.ts';
import { claimsOfScope } from './user-claims.ts';

/** Algorithms that client assertions may be signed with: asymmetric, and verifiable everywhere. */
const assertionAlgorithms = ['ES256', 'RS256', 'EdDSA'] as const;
/** A client shows these wherever it authenticates; `none` besides where a public client has business. */
const confidentialMethods = ['private_key_jwt', 'client_secret_basic', 'client_secret_post'];
const attestedMethods = ['attest_jwt_client_auth', 'attest_jwt_client_auth_dpop'];
const publicClientEndpoints: readonly EndpointName[] = ['token', 'revocation'];

export interface AuthorizationServerMetadata {
  readonly issuer: string;
  readonly token_endpoint: string;
  readonly [name: string]: unknown;
}

/** ID-JAG §6 and identity chaining §3, both sides. Which issuers are trusted is nobody's to know. */
const acrossDomains = {
  identity_chaining_requested_token_types_supported: [idJagTokenType, chainedGrantTokenType],
  authorization_grant_profiles_supported: ['urn:ietf:params:oauth:grant-profile:id-jag'],
};

/** Attestation-based client authentication §8. Which attesters are trusted is nobody's to know. */
const attestation = {
  client_attestation_signing_alg_values_supported: assertionAlgorithms,
  client_attestation_pop_signing_alg_values_supported: assertionAlgorithms,
};

type Named = Pick<Tenant, 'id' | 'slug'>;

/** RFC 8414 §2. It names what this issuer really does, and nothing else. */
export async function authorizationServerMetadata(
  deps: MetadataDeps,
  tenant: Named,
): Promise<AuthorizationServerMetadata> {
  const issuer = issuerOf(deps.baseUrl, tenant.slug);
  const policy = await deps.readIssuerPolicy(tenant.id);
  const wanted: Partial<Record<EndpointName, boolean>> = {
    registration: policy.registration,
    challenge: policy.clientAttestation,
  };
  const served = deps.served.filter((name) => wanted[name] !== false);
  const serves = (name: EndpointName) => served.includes(name);
  const hasCode = serves('authorization');
  return {
    issuer,
    token_endpoint: `${issuer}${endpointPaths.token}`,
    ...Object.fromEntries(served.map((name) => [`${name}_endpoint`, `${issuer}${endpointPaths[name]}`])),
    ...authenticationOf(deps, policy, 'token'),
    ...authenticationOf(deps, policy, 'introspection'),
    ...authenticationOf(deps, policy, 'revocation'),
    jwks_uri: `${issuer}/jwks`,
    grant_types_supported: supportedGrantTypes(policy),
    ...(policy.idJag && acrossDomains),
    ...(policy.clientAttestation && attestation),
    // Must be there, and is empty while no authorization endpoint is served (§2).
    response_types_supported: hasCode ? ['code'] : [],
    ...(hasCode && { response_modes_supported: ['query'], authorization_response_iss_parameter_supported: true }),
    // RFC 7636 §4.2; published from the start because MCP clients refuse an issuer that does not name it.
    code_challenge_methods_supported: ['S256'],
    // The platform's own permissions belong to its tenant alone.
    scopes_supported: [...issuerScopes(), ...permissionsOf('owner', tenant.slug === platformSlug)],
    dpop_signing_alg_values_supported: dpopAlgorithms,
    introspection_signing_alg_values_supported: [introspectionAlg],
    ...(deps.clientCertificates && { tls_client_certificate_bound_access_tokens: true }),
    ...(serves('pushed_authorization_request') && {
      require_pushed_authorization_requests: policy.pushedRequestsRequired,
    }),
    ...(hasCode && { client_id_metadata_document_supported: policy.metadataDocuments }),
  };
}

/** OpenID Connect Discovery 1.0 §3, on top of the same facts. */
export async function openidConfiguration(deps: MetadataDeps, tenant: Named): Promise<AuthorizationServerMetadata> {
  const hasCode = deps.served.includes('authorization');
  const hasLogout = deps.served.includes('end_session');
  return {
    ...(await authorizationServerMetadata(deps, tenant)),
    subject_types_supported: ['public'],
    // §3: MUST include RS256, which is what ID tokens are signed with.
    id_token_signing_alg_values_supported: ['RS256'],
    claims_supported: ['sub', ...claimsOfScope.profile, ...claimsOfScope.email, ...(hasCode ? idTokenClaims : [])],
    ...(hasCode && { prompt_values_supported: ['none', 'login', 'consent', 'select_account'] }),
    ...(hasLogout && { backchannel_logout_supported: true, backchannel_logout_session_supported: true }),
  };
}

/** OIDC Core §2: what an ID token says besides who. */
const idTokenClaims = ['iss', 'aud', 'exp', 'iat', 'auth_time', 'nonce', 'sid', 'at_hash'];

/** Scopes that belong to the issuer itself. */
function issuerScopes(): string[] {
  return ['openid', 'profile', 'email', 'offline_access'];
}

function authenticationOf(
  deps: MetadataDeps,
  { clientAttestation }: IssuerPolicy,
  name: EndpointName,
): Record<string, unknown> {
  return {
    [`${name}_endpoint_auth_methods_supported`]: [
      ...confidentialMethods,
      ...(deps.clientCertificates ? ['tls_client_auth'] : []),
      ...(clientAttestation ? attestedMethods : []),
      ...(publicClientEndpoints.includes(name) ? ['none'] : []),
    ],
    [`${name}_endpoint_auth_signing_alg_values_supported`]: assertionAlgorithms,
  };
}
