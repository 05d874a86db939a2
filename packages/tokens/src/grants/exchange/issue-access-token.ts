import { Refusal } from '@mono-auth/core/errors';
import type { SessionId } from '@mono-auth/core/ids';
import { machineTokenTtlSeconds } from '@mono-auth/core/limits';
import { actorChain } from '@mono-auth/core/token-claims';
import { type Audience, requireEnvironment } from '../../audience.ts';
import { lifetimeOf, requireBinding, underCeiling } from '../../ceilings.ts';
import { decideIssue } from '../../decide-issue.ts';
import type { GrantSession } from '../../grant-session.ts';
import type { TokenResponse } from '../grant.ts';
import { exchangedScope, requireConsentedAudience } from './exchange-rules.ts';
import type { ExchangeRequest } from './read-exchange.ts';
import type { Parties } from './verify-parties.ts';

/** Target, binding, scope, policy, and then the token (RFC 8693 §2.2.1). */
export async function issueAccessToken(
  session: GrantSession,
  request: ExchangeRequest,
  { subject, actorToken, act, agentScopes, consent }: Parties,
): Promise<TokenResponse> {
  const { deps, tx, call, context, client } = session;
  const { identifier: audience, resource } = await requireTarget(session, request.target);
  requireConsentedAudience(consent, audience);
  requireBinding(session, resource);
  const scope = exchangedScope(request.scope, {
    ...{ subject, actorToken, agentScopes, consent },
    clientScopes: underCeiling(session.ceilings, client.scopes),
  });
  const decision = await decideIssue(session, {
    action: request.impersonate ? 'token.impersonate' : 'token.exchange',
    subject: subject.sub,
    actors: actorChain(act),
    audience,
    scope,
    tenantRole: subject.tenant_role,
  });
  const { token, claims } = await deps.minter.mint(tx, call, context, {
    subject: subject.sub,
    ...(act ? { act } : { impersonation: true }),
    clientId: client.id,
    audience,
    scope,
    ...lifetimeOf(session, resource, machineTokenTtlSeconds),
    ...(session.confirmation && { cnf: session.confirmation }),
    parents: actorToken ? [subject, actorToken] : [subject],
    ...(consent && { grants: [consent.id], notAfter: consent.expiresAtMs / 1000 }),
    ...(subject.sid !== undefined && { sessionId: subject.sid as SessionId }),
    ...(subject.tenant_role !== undefined && { tenantRole: subject.tenant_role }),
    decision,
  });
  // `scope` always, because it is always the outcome of an intersection.
  return {
    access_token: token,
    issued_token_type: request.requestedType,
    // RFC 8693 §2.2.1 has `N_A` for what is no access token; ours is one, under either name.
    token_type: session.dpopJkt === undefined ? 'Bearer' : 'DPoP',
    expires_in: claims.exp - claims.iat,
    scope: claims.scope,
  };
}

/** RFC 8693 §2.2.2: a target that the client may not reach is `invalid_target`. */
async function requireTarget(session: GrantSession, target: string): Promise<Audience> {
  if (session.client.audiences.includes(target)) return requireEnvironment(session, target);
  throw new Refusal('invalid_target', 'resource, audience: not one of this client');
}
