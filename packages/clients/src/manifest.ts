import type { PublicJwks } from './client.ts';
import { grantType } from './grant-types.ts';

/** A client, its secrets, keys, codes and tokens belong to one environment and work in no other. */
export type Environment = 'development' | 'staging' | 'production';

/** How a client proves that it is one (RFC 7591 §2, `token_endpoint_auth_method`). */
export type AuthMethod =
  | 'private_key_jwt'
  | 'client_secret_basic'
  | 'client_secret_post'
  | 'tls_client_auth'
  | AttestedMethod
  | 'none';

/**
 * draft-ietf-oauth-attestation-based-client-auth-10 §8: an attester vouches for an instance of the client and its key, which
 * the instance proves by a JWT made for this, or by a DPoP proof.
 */
export type AttestedMethod = 'attest_jwt_client_auth' | 'attest_jwt_client_auth_dpop';

export function isAttested(method: AuthMethod): method is AttestedMethod {
  return method === 'attest_jwt_client_auth' || method === 'attest_jwt_client_auth_dpop';
}

/** What a client may do. Approval is bound to its hash; whatever is absent is not allowed. */
export interface Manifest {
  readonly scopes: string[];
  /** Resource identifiers that it may ask tokens for (RFC 8707). */
  readonly audiences: string[];
  readonly grantTypes: string[];
  readonly redirectUris: string[];
  readonly postLogoutRedirectUris: string[];
  readonly backchannelLogoutUri?: string;
  readonly authMethod: AuthMethod;
  readonly jwks: PublicJwks;
  readonly jwksUri?: string;
  readonly tlsSubjectDn?: string;
  /** Who vouches for its instances: an issuer that the tenant trusts for this, compared exactly with `iss`. */
  readonly attester?: string;
  /** 0: the longest that the tenant allows. */
  readonly accessTokenTtlSeconds: number;
  readonly refreshTokenTtlSeconds: number;
  readonly dpopBoundAccessTokens: boolean;
  readonly clientUri?: string;
}

/** The manifest of a client that has keys and asks for tokens of its own. */
export function keyedManifest({ scopes, audiences, jwks }: Pick<Manifest, 'scopes' | 'audiences' | 'jwks'>): Manifest {
  return {
    scopes,
    audiences,
    grantTypes: [grantType.clientCredentials, grantType.tokenExchange],
    redirectUris: [],
    postLogoutRedirectUris: [],
    authMethod: 'private_key_jwt',
    jwks,
    accessTokenTtlSeconds: 0,
    refreshTokenTtlSeconds: 0,
    dpopBoundAccessTokens: false,
  };
}
