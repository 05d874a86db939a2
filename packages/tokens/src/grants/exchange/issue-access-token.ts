import { Refusal } from '@mono-auth/core/errors';
import type { SessionId } from '@mono-auth/core/ids';
import { machineTokenTtlSeconds } from '@mono-auth/core/limits';
import { actorChain } from '@mono-auth/core/token-claims';
import { intersectScope } from '@mono-auth/minting';
import { scopeOf } from '../../access-token.ts';
import { type Audience, requireEnvironment } from '../../audience.ts';
import { lifetimeOf, requireBinding, underCeiling } from '../../ceilings.ts';
import { decideIssue } from '../../decide-issue.ts';
import type { GrantSession } from '../../grant-session.ts';
import type { TokenResponse } from '../grant.ts';
import type { ExchangeRequest } from './read-exchange.ts';
import { tokenTypes } from './token-type.ts';
import type { Parties } from './verify-parties.ts';

/** Target, binding, scope, policy, and then the token (RFC 8693 §2.2.1). */
export async function issueAccessToken(
  session: GrantSession,
  request: ExchangeRequest,
  { subject, actorToken, act, agentScopes }: Parties,
): Promise<TokenResponse> {
  const { deps, tx, call, context, client } = session;
  const { identifier: audience, resource } = await requireTarget(session, request.target);
  requireBinding(session, resource);
  const scope = grantScope(request.scope, [
    scopeOf(subject),
    ...(actorToken ? [scopeOf(actorToken)] : []),
    ...(agentScopes ? [agentScopes] : []),
    underCeiling(session.ceilings, client.scopes),
  ]);
  const decision = await decideIssue(session, {
    action: 'token.exchange',
    subject: subject.sub,
    actors: actorChain(act),
    audience,
    scope,
    tenantRole: subject.tenant_role,
  });
  const { token, claims } = await deps.minter.mint(tx, call, context, {
    subject: subject.sub,
    act,
    clientId: client.id,
    audience,
    scope,
    ...lifetimeOf(session, resource, machineTokenTtlSeconds),
    ...(session.confirmation && { cnf: session.confirmation }),
    parents: actorToken ? [subject, actorToken] : [subject],
    ...(subject.sid !== undefined && { sessionId: subject.sid as SessionId }),
    ...(subject.tenant_role !== undefined && { tenantRole: subject.tenant_role }),
    decision,
  });
  // `scope` always, because it is always the outcome of an intersection.
  return {
    access_token: token,
    issued_token_type: tokenTypes.accessToken,
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

/** Scope only ever intersects (law 6); by default it is all that everybody involved holds. */
function grantScope(requested: readonly string[] | undefined, holders: readonly (readonly string[])[]): string[] {
  const [first = [], ...others] = requested === undefined ? holders : [requested, ...holders];
  const granted = intersectScope(first, ...others);
  if (granted.length === 0) throw new Refusal('invalid_scope', 'scope: nothing is left that everybody involved holds');
  return granted;
}
