import { Refusal } from '@mono-auth/core/errors';
import type { SessionId } from '@mono-auth/core/ids';
import { machineTokenTtlSeconds } from '@mono-auth/core/limits';
import { actorChain } from '@mono-auth/core/token-claims';
import { intersectScope } from '@mono-auth/minting';
import { scopeOf, type VerifiedClaims } from '../access-token.ts';
import { extendChain } from '../actor-chain.ts';
import { type Audience, requireEnvironment } from '../audience.ts';
import { lifetimeOf, requireBinding, underCeiling } from '../ceilings.ts';
import { requireConfidential } from '../confidential-client.ts';
import { decideIssue } from '../decide-issue.ts';
import { type Form, required } from '../form.ts';
import type { GrantSession } from '../grant-session.ts';
import { requireLivePrincipals } from '../live-principals.ts';
import { readScope } from '../scope.ts';
import { readTarget } from '../target.ts';
import { verifyAccessToken } from '../verify-access-token.ts';
import { requireActor, requireSubject } from './exchange-rules.ts';
import type { Grant, TokenResponse } from './grant.ts';
import { issueOtherType } from './issue-other-type.ts';

const accessToken = 'urn:ietf:params:oauth:token-type:access_token';
/** RFC 8693 §3: our access tokens are JWTs, so this names the same thing. */
const jwt = 'urn:ietf:params:oauth:token-type:jwt';

interface ExchangeRequest {
  readonly subjectToken: string;
  readonly actorToken: string | undefined;
  readonly target: string;
  readonly scope: readonly string[] | undefined;
}

/** RFC 8693: a token of somebody becomes one that carries, besides them, everybody who acts for them. */
export const tokenExchange: Grant = {
  grantType: 'urn:ietf:params:oauth:grant-type:token-exchange',
  async handle(session) {
    const issueOther = issueOtherType(session);
    if (issueOther) return issueOther(session);
    const { deps, tx, call, context, client, attempt } = session;
    requireConfidential(client);
    const request = readRequest(session.form);
    const subject = await verifyPresented(session, 'subject_token', request.subjectToken);
    attempt.subject = subject.sub;
    const actorToken =
      request.actorToken === undefined ? undefined : await verifyPresented(session, 'actor_token', request.actorToken);
    requireSubject(session, subject);
    const actor = requireActor(session, subject, actorToken);
    const act = extendChain(actor, subject.act);
    const agentScopes = await requireLivePrincipals(tx, [subject.sub, ...actorChain(act)], actor.sub);
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
    // RFC 8693 §2.2.1; `scope` always, because it is always the outcome of an intersection.
    return {
      access_token: token,
      issued_token_type: accessToken,
      token_type: session.dpopJkt === undefined ? 'Bearer' : 'DPoP',
      expires_in: claims.exp - claims.iat,
      scope: claims.scope,
    } satisfies TokenResponse;
  },
};

/** RFC 8693 §2.1, in its order. */
function readRequest(form: Form): ExchangeRequest {
  const target = readTarget(form);
  const scope = readScope(form);
  const requestedType = form.get('requested_token_type');
  if (requestedType !== undefined && requestedType !== accessToken) {
    throw new Refusal('invalid_request', 'requested_token_type: only access tokens are issued here');
  }
  const subjectToken = required(form, 'subject_token');
  requireTokenType('subject_token_type', required(form, 'subject_token_type'));
  const actorToken = form.get('actor_token');
  if (actorToken !== undefined) {
    requireTokenType('actor_token_type', required(form, 'actor_token_type'));
  } else if (form.get('actor_token_type') !== undefined) {
    throw new Refusal('invalid_request', 'actor_token_type: must not be there without actor_token');
  }
  // Optional in the RFC, required here: a token without a named audience would be good for anybody (RFC 9700 §2.3).
  if (target === undefined) throw new Refusal('invalid_request', 'resource or audience: one is required');
  return { subjectToken, actorToken, target, scope };
}

function requireTokenType(name: string, type: string): void {
  if (type !== accessToken && type !== jwt) {
    throw new Refusal('invalid_request', `${name}: only access tokens of this issuer are accepted`);
  }
}

/** RFC 8693 §2.2.2: a token that is invalid for whatever reason, or unacceptable, is `invalid_request`. */
async function verifyPresented(
  { deps, tx, tenant, confirmation }: GrantSession,
  name: 'subject_token' | 'actor_token',
  token: string,
): Promise<VerifiedClaims> {
  try {
    // RFC 9449 §7: who shows a bound token proves its key, here as anywhere.
    return await verifyAccessToken(deps, tenant, token, { tx, holder: confirmation ?? {} });
  } catch (error) {
    if (!(error instanceof Refusal) || error.reason !== 'not_authenticated') throw error;
    throw new Refusal('invalid_request', `${name}: ${error.detail}`, { cause: error });
  }
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
