/** RFC 9728: how a protected resource says which issuers it trusts, and how it is found. */

/** What a resource says about itself. */
export interface ProtectedResource {
  /** Its identifier (RFC 8707): the audience of tokens for it. An http(s) URL, because its document has an address. */
  readonly resource: string;
  readonly authorizationServers: readonly string[];
  readonly scopes: readonly string[];
  readonly name?: string | undefined;
  /** Keys that the resource itself signs with. */
  readonly jwksUri?: string | undefined;
  /** Algorithms of DPoP proofs that it takes; empty or left out: it takes none. */
  readonly dpopAlgorithms?: readonly string[] | undefined;
  /** Only tokens that are bound to a key. */
  readonly dpopRequired?: boolean | undefined;
}

export interface ProtectedResourceMetadata {
  readonly resource: string;
  readonly authorization_servers: readonly string[];
  readonly scopes_supported: readonly string[];
  readonly bearer_methods_supported: readonly ['header'];
  readonly [name: string]: unknown;
}

const wellKnown = '/.well-known/oauth-protected-resource';

/** The document (RFC 9728 §2). Refresh is between a client and the issuer, so `offline_access` is no scope of a resource. */
export function protectedResourceMetadata(about: ProtectedResource): ProtectedResourceMetadata {
  const { resource, authorizationServers, scopes, name, jwksUri, dpopAlgorithms = [], dpopRequired = false } = about;
  return {
    resource,
    authorization_servers: authorizationServers,
    scopes_supported: scopes.filter((scope) => scope !== 'offline_access'),
    // Tokens in queries and bodies are looked at nowhere (RFC 6750 §5.3).
    bearer_methods_supported: ['header'],
    ...(name !== undefined && { resource_name: name }),
    ...(jwksUri !== undefined && { jwks_uri: jwksUri }),
    ...(dpopAlgorithms.length > 0 && { dpop_signing_alg_values_supported: dpopAlgorithms }),
    ...(dpopRequired && { dpop_bound_access_tokens_required: true }),
  };
}

/**
 * Where the document of a resource is (RFC 9728 §3.1): the well-known path in front of the path of the resource.
 * @throws TypeError when the identifier is no URL.
 */
export function protectedResourceUrl(resource: string): string {
  const url = new URL(resource);
  const path = url.pathname === '/' ? '' : url.pathname;
  return `${url.origin}${wellKnown}${path}${url.search}`;
}
