import { issuerOf } from '@mono-auth/core/tenant-slug';
import type { Client } from '../client.ts';
import { grantType } from '../grant-types.ts';
import type { Manifest } from '../manifest.ts';

export interface ShownCredentials {
  readonly registrationToken: string;
  /** Only when it was made just now: afterwards nobody can show it. */
  readonly secret?: { readonly text: string; readonly expiresAtMs: number } | undefined;
}

/**
 * The client information response (RFC 7591 §3.2.1, RFC 7592 §3): the metadata as it is kept. While a change waits, what was
 * asked for is shown, because that is what the next full replacement has to start from.
 */
export function showClientMetadata(
  client: Client,
  { registrationToken, secret }: ShownCredentials,
  at: { readonly baseUrl: string; readonly slug: string },
): Record<string, unknown> {
  const manifest = client.proposed ?? client.manifest;
  return {
    client_id: client.id,
    client_id_issued_at: Math.floor(client.createdAtMs / 1000),
    // RFC 7591 §3.2.1: the two go together.
    ...(secret && {
      client_secret: secret.text,
      client_secret_expires_at: Math.floor(secret.expiresAtMs / 1000),
    }),
    registration_access_token: registrationToken,
    registration_client_uri: `${issuerOf(at.baseUrl, at.slug)}/oauth2/register/${client.id}`,
    client_name: client.name,
    ...(manifest && membersOf(manifest)),
  };
}

function membersOf(manifest: Manifest): Record<string, unknown> {
  const { grantTypes, redirectUris, postLogoutRedirectUris, scopes, jwks, jwksUri, tlsSubjectDn, clientUri } = manifest;
  const takesCodes = grantTypes.includes(grantType.code);
  return {
    grant_types: grantTypes,
    response_types: takesCodes ? ['code'] : [],
    ...(redirectUris.length > 0 && { redirect_uris: redirectUris }),
    ...(postLogoutRedirectUris.length > 0 && { post_logout_redirect_uris: postLogoutRedirectUris }),
    ...(manifest.backchannelLogoutUri !== undefined && { backchannel_logout_uri: manifest.backchannelLogoutUri }),
    token_endpoint_auth_method: manifest.authMethod,
    ...(jwks.keys.length > 0 && { jwks }),
    ...(jwksUri !== undefined && { jwks_uri: jwksUri }),
    ...(tlsSubjectDn !== undefined && { tls_client_auth_subject_dn: tlsSubjectDn }),
    ...(scopes.length > 0 && { scope: scopes.join(' ') }),
    ...(clientUri !== undefined && { client_uri: clientUri }),
    dpop_bound_access_tokens: manifest.dpopBoundAccessTokens,
  };
}
