import { Refusal } from '@mono-auth/core/errors';
import { type GrantId, parseId } from '@mono-auth/core/ids';
import { machineTokenTtlSeconds } from '@mono-auth/core/limits';
import type { Actor, Principal } from '@mono-auth/core/principal';
import { issuerOf, rpcAudienceOf } from '@mono-auth/core/tenant-slug';
import { actorChain } from '@mono-auth/core/token-claims';
import { findAgent, findHost } from '@mono-auth/machines';
import { intersectScope } from '@mono-auth/minting';
import { actorOf } from '../actor-chain.ts';
import { type Audience, requireEnvironment } from '../audience.ts';
import { lifetimeOf, requireBinding, underCeiling } from '../ceilings.ts';
import { requireConfidential } from '../confidential-client.ts';
import { decideIssue } from '../decide-issue.ts';
import type { GrantSession } from '../grant-session.ts';
import { readScope } from '../scope.ts';
import { readTarget } from '../target.ts';
import type { Grant, TokenResponse } from './grant.ts';

/** Whom the token speaks of, and what that may hold at most. */
interface Holder {
  readonly subject: Principal;
  readonly act?: Actor;
  readonly scope: readonly string[];
}

/** What holds the token down where something else than the client's own word stands behind it. */
export interface Bounds {
  readonly scope: readonly string[];
  readonly audiences: readonly string[];
  /** Epoch seconds. */
  readonly notAfter: number;
  /** What it dies with. */
  readonly grants: readonly GrantId[];
}

/**
 * RFC 6749 §4.4. A host's client may name one of its agents (`agent=agt_…`): the token then speaks of the agent, and the
 * host acts for it. That token is the `actor_token` of an exchange.
 */
export const clientCredentials: Grant = {
  grantType: 'client_credentials',
  async handle(session) {
    return issueToClient(session, session.form.get('agent'));
  },
};

/** The token of a client, or of an agent on its host, however it was proven who asks. */
export async function issueToClient(
  session: GrantSession,
  agent: string | undefined,
  bounds?: Bounds,
): Promise<TokenResponse> {
  const { deps, tx, call, context, client, form, attempt } = session;
  requireConfidential(client);
  const holder = agent === undefined ? await clientHolder(session) : await agentHolder(session, agent);
  attempt.subject = holder.subject;
  const scope = grantScope(session, bounded(holder, bounds), readScope(form));
  const { identifier: audience, resource } = await chooseAudience(session, agent !== undefined, bounds);
  requireBinding(session, resource);
  const decision = await decideIssue(session, {
    action: 'token.issue',
    subject: holder.subject,
    actors: actorChain(holder.act),
    audience,
    scope,
  });
  const { token, claims } = await deps.minter.mint(tx, call, context, {
    subject: holder.subject,
    ...(holder.act && { act: holder.act }),
    clientId: client.id,
    audience,
    scope,
    ...lifetimeOf(session, resource, machineTokenTtlSeconds),
    ...(session.confirmation && { cnf: session.confirmation }),
    ...(bounds && { notAfter: bounds.notAfter, grants: bounds.grants }),
    decision,
  });
  return {
    access_token: token,
    token_type: session.dpopJkt === undefined ? 'Bearer' : 'DPoP',
    expires_in: claims.exp - claims.iat,
    scope: claims.scope,
  };
}

function bounded(holder: Holder, bounds: Bounds | undefined): Holder {
  return bounds ? { ...holder, scope: intersectScope(holder.scope, bounds.scope) } : holder;
}

async function clientHolder(session: GrantSession): Promise<Holder> {
  const { client, principal } = session;
  if (client.kind === 'host') await requireActiveHost(session);
  return { subject: principal, scope: client.scopes };
}

async function agentHolder(session: GrantSession, text: string): Promise<Holder> {
  const { tx, client, principal } = session;
  if (client.kind !== 'host') throw new Refusal('unauthorized_client', 'agent: only a host speaks for agents');
  await requireActiveHost(session);
  const agent = await findAgent(tx, parseId('agt', text, 'agent'));
  // Another host's agent and one that never was are answered alike (law 5).
  if (!agent || agent.hostId !== client.hostId || agent.status !== 'active') {
    throw new Refusal('invalid_request', 'agent: this host has no active agent of this id');
  }
  return {
    subject: `agent:${agent.id}`,
    act: actorOf(principal),
    scope: intersectScope(client.scopes, agent.scopes),
  };
}

async function requireActiveHost({ tx, client }: GrantSession): Promise<void> {
  const host = client.hostId === undefined ? undefined : await findHost(tx, client.hostId);
  if (host?.status !== 'active') throw new Refusal('unauthorized_client', 'the host is not active');
}

/** RFC 6749 §3.3: all of it by default; what is not allowed is refused, not dropped. */
function grantScope(
  { ceilings }: GrantSession,
  holder: Holder,
  requested: readonly string[] | undefined,
): readonly string[] {
  const held = underCeiling(ceilings, holder.scope);
  if (requested === undefined) return held;
  const granted = intersectScope(requested, held);
  if (granted.length !== requested.length) {
    throw new Refusal('invalid_scope', 'scope: has values that this client does not hold');
  }
  return granted;
}

/** Every client may speak to the management API and, with a token for exchange, to the issuer itself. */
async function chooseAudience(
  session: GrantSession,
  isActorToken: boolean,
  bounds: Bounds | undefined,
): Promise<Audience> {
  const { deps, tenant, client, form } = session;
  const issuer = issuerOf(deps.baseUrl, tenant.slug);
  const rpc = rpcAudienceOf(deps.baseUrl, tenant.slug);
  const target = bounds ? chooseBounded(session, bounds.audiences) : readTarget(form);
  if (target === undefined) return requireEnvironment(session, isActorToken ? issuer : rpc);
  if (target !== issuer && target !== rpc && !client.audiences.includes(target)) {
    throw new Refusal('invalid_target', 'resource, audience: not one of this client');
  }
  return requireEnvironment(session, target);
}

/** What is asked for, or the only one that may be. @throws Refusal `invalid_target`. */
function chooseBounded({ form, client }: GrantSession, audiences: readonly string[]): string {
  const reachable = audiences.filter((audience) => client.audiences.includes(audience));
  const target = readTarget(form) ?? (reachable.length === 1 ? reachable[0] : undefined);
  if (target !== undefined && audiences.includes(target)) return target;
  throw new Refusal('invalid_target', 'resource: name one that the assertion and this client allow');
}
