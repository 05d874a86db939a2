import { Refusal } from '@mono-auth/core/errors';
import type { GrantId, SessionId, UserId } from '@mono-auth/core/ids';
import { personTokenTtlSeconds } from '@mono-auth/core/limits';
import { permissionsOf } from '@mono-auth/core/permissions';
import type { TenantRole } from '@mono-auth/core/principal';
import { platformSlug, rpcAudienceOf } from '@mono-auth/core/tenant-slug';
import { intersectScope, type Minted, type MintRequest } from '@mono-auth/minting';
import { type Audience, chooseAudience } from '../audience.ts';
import { issuerScopes, lifetimeOf, mayUseGrant, requireBinding, underCeiling } from '../ceilings.ts';
import { decideIssue } from '../decide-issue.ts';
import type { Decision, GrantSession } from '../grant-session.ts';
import { readTarget } from '../target.ts';
import type { TokenResponse } from './grant.ts';

/** What a person allowed, as far as one token of it goes. */
export interface PersonGrant {
  readonly userId: UserId;
  readonly role: TenantRole;
  readonly scopes: readonly string[];
  readonly resources: readonly string[];
}

/** A token that may be made: everything is checked, nothing has changed. */
export interface PersonToken extends PersonGrant {
  readonly audience: Audience;
  readonly decision: Decision;
}

/**
 * Decides a token for a person through a client, in the order of the specifications: target, binding, scope, policy.
 * @throws Refusal `invalid_target`, `invalid_dpop_proof`, `invalid_scope`, `denied`.
 */
export async function decidePersonToken(session: GrantSession, grant: PersonGrant): Promise<PersonToken> {
  const audience = await chooseAudience(session, readTarget(session.form), grant.resources);
  requireBinding(session, audience.resource);
  const scopes = scopeFor(session, audience, grant);
  if (scopes.length === 0) throw new Refusal('invalid_scope', 'scope: nothing is left that may be granted now');
  const decision = await decideIssue(session, {
    action: 'token.issue',
    subject: `user:${grant.userId}`,
    actors: [],
    audience: audience.identifier,
    scope: scopes,
    tenantRole: grant.role,
  });
  return { ...grant, scopes, audience, decision };
}

/** Scope only ever intersects (law 6): what the person allowed, the client, the tenant, the resource and the role hold now. */
function scopeFor(session: GrantSession, audience: Audience, grant: PersonGrant): string[] {
  const { deps, tenant, client, ceilings } = session;
  // Without refresh tokens there is no access beyond the session.
  const possible = mayUseGrant(session, 'refresh_token')
    ? grant.scopes
    : grant.scopes.filter((one) => one !== 'offline_access');
  const approved = underCeiling(ceilings, intersectScope(possible, client.scopes));
  const { identifier, resource } = audience;
  if (identifier === rpcAudienceOf(deps.baseUrl, tenant.slug)) {
    const permitted = permissionsOf(grant.role, tenant.slug === platformSlug);
    return intersectScope(approved, [...permitted, ...issuerScopes]);
  }
  if (!resource || resource.scopes.length === 0) return approved;
  return intersectScope(approved, [...resource.scopes, ...issuerScopes]);
}

export interface PersonTokenHandles {
  /** Whatever it dies with besides: the grant; the trust in an issuer, and the link of its subject. */
  readonly grants: readonly GrantId[];
  /** The session that the token ends with; absent where the grant outlives it. */
  readonly sessionId: SessionId | undefined;
  /** Epoch seconds: the end of that session, or of the grant. */
  readonly notAfter: number;
  readonly authTimeMs: number;
  /** For the access token: where somebody else vouches for the person's sign-in. */
  readonly authentication?: MintRequest['authentication'];
  readonly nonce: string | undefined;
  /** For the ID token: the session in which the person allowed it. */
  readonly allowedIn: SessionId | undefined;
}

/** Mints what was decided: access token and, with the scope `openid`, an ID token (OpenID Connect Core §3.1.3.3). */
export function mintPersonToken(
  session: GrantSession,
  token: PersonToken,
  handles: PersonTokenHandles,
): Promise<Minted> {
  const { deps, tx, call, context, client, confirmation } = session;
  const { grants, sessionId, notAfter, authTimeMs, nonce, allowedIn } = handles;
  const idToken = {
    // The client as it knows itself: it compares this with its own id (OpenID Connect Core §3.1.3.7).
    audience: client.externalId ?? client.id,
    authTimeMs,
    ...(nonce !== undefined && { nonce }),
    ...(allowedIn && { sessionId: allowedIn }),
  };
  return deps.minter.mint(tx, call, context, {
    subject: `user:${token.userId}`,
    clientId: client.id,
    audience: token.audience.identifier,
    scope: token.scopes,
    ...lifetimeOf(session, token.audience.resource, personTokenTtlSeconds),
    notAfter,
    grants,
    ...(sessionId && { sessionId }),
    tenantRole: token.role,
    ...(handles.authentication && { authentication: handles.authentication }),
    ...(confirmation && { cnf: confirmation }),
    decision: token.decision,
    ...(token.scopes.includes('openid') && { idToken }),
  });
}

/** RFC 6749 §5.1, RFC 9449 §5, OpenID Connect Core §3.1.3.3. */
export function personTokenResponse(
  { dpopJkt }: Pick<GrantSession, 'dpopJkt'>,
  { token, claims, idToken }: Minted,
  refreshToken: string | undefined,
): TokenResponse {
  return {
    access_token: token,
    token_type: dpopJkt === undefined ? 'Bearer' : 'DPoP',
    expires_in: claims.exp - claims.iat,
    scope: claims.scope,
    ...(refreshToken !== undefined && { refresh_token: refreshToken }),
    ...(idToken !== undefined && { id_token: idToken }),
  };
}
