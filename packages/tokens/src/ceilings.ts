import type { Client, Resource } from '@mono-auth/clients';
import { Refusal } from '@mono-auth/core/errors';
import type { MintRequest } from '@mono-auth/minting';
import type { SecurityPolicy } from '@mono-auth/tenants';
import type { GrantSession } from './grant-session.ts';

/**
 * What the tenant's security policy says of grants; read at each mint, so that lowering it holds from the next one on. This
 * file alone applies it, for every grant alike.
 */
export type Ceilings = Pick<
  SecurityPolicy,
  'accessTokenTtlSecondsMax' | 'refreshTokenTtlSecondsMax' | 'grantTypes' | 'scopes' | 'dpopRequired' | 'idJag'
>;

/** Scopes of the issuer itself (OpenID Connect Core §3.1.2.1, §5.4, §11): no resource knows them, no ceiling names them. */
export const issuerScopes: readonly string[] = ['openid', 'profile', 'email', 'offline_access'];

/** Grants whose absence is no error of the request: without them there is just no refresh token. */
export function mayUseGrant(
  { client, ceilings }: Pick<GrantSession, 'client' | 'ceilings'>,
  grantType: string,
): boolean {
  if (!client.manifest?.grantTypes.includes(grantType)) return false;
  return ceilings.grantTypes.length === 0 || ceilings.grantTypes.includes(grantType);
}

/** RFC 6749 §5.2. @throws Refusal `unauthorized_client`: the client was not approved for this grant, or the tenant bars it. */
export function requireGrantType(session: Pick<GrantSession, 'client' | 'ceilings'>, grantType: string): void {
  if (mayUseGrant(session, grantType)) return;
  throw new Refusal('unauthorized_client', 'grant_type: this client may not use it');
}

/** What of a scope the tenant lets any client have. */
export function underCeiling({ scopes }: Ceilings, scope: readonly string[]): string[] {
  return scope.filter((value) => scopes.length === 0 || scopes.includes(value) || issuerScopes.includes(value));
}

/**
 * RFC 9449 §5: a client, a resource or a tenant may take bound tokens only.
 * @throws Refusal `invalid_dpop_proof`.
 */
export function requireBinding(
  { client, ceilings, dpopJkt }: Pick<GrantSession, 'client' | 'ceilings' | 'dpopJkt'>,
  resource: Pick<Resource, 'dpopRequired'> | undefined,
): void {
  if (dpopJkt !== undefined) return;
  if (client.manifest?.dpopBoundAccessTokens || resource?.dpopRequired || ceilings.dpopRequired) {
    throw new Refusal('invalid_dpop_proof', 'dpop: a proof is required, tokens are bound to a key here');
  }
}

/** What the client was approved for, or the default of the kind; never more than tenant and resource allow. */
export function lifetimeOf(
  { client, ceilings }: Pick<GrantSession, 'client' | 'ceilings'>,
  resource: Pick<Resource, 'accessTokenTtlSeconds'> | undefined,
  defaultSeconds: number,
): Pick<MintRequest, 'ttlSeconds' | 'ttlChosen'> {
  const chosen = client.manifest?.accessTokenTtlSeconds || undefined;
  const limits = [ceilings.accessTokenTtlSecondsMax, resource?.accessTokenTtlSeconds || Number.POSITIVE_INFINITY];
  return { ttlSeconds: Math.min(chosen ?? defaultSeconds, ...limits), ...(chosen && { ttlChosen: true as const }) };
}

/** Seconds from the beginning of a grant to the end of its last refresh token. */
export function familyTtlSeconds({ client, ceilings }: { client: Client; ceilings: Ceilings }): number {
  return Math.min(
    client.manifest?.refreshTokenTtlSeconds || Number.POSITIVE_INFINITY,
    ceilings.refreshTokenTtlSecondsMax,
  );
}
