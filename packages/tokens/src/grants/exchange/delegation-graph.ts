import { type GrantId, idFromUuid, type SessionId, type TenantId, type TokenId } from '@mono-auth/core/ids';
import type { Principal } from '@mono-auth/core/principal';
import type { AccessTokenClaims } from '@mono-auth/core/token-claims';
import { deriveClaims, type MintingGround, type MintRequest } from '@mono-auth/minting';
import { extendChain } from '../../actor-chain.ts';
import type { GrantSession } from '../../grant-session.ts';
import {
  acceptConsent,
  exchangedScope,
  needsConsent,
  requireActor,
  requireConsentedAudience,
  requireSubject,
} from './exchange-rules.ts';
import { requireImpersonator } from './impersonation.ts';

/** A client that exchanges, with what it may. */
export interface Party {
  readonly name: string;
  readonly kind: 'host' | 'service' | 'machine';
  readonly clientId: string;
  readonly principal: Principal;
  readonly scopes: readonly string[];
  readonly resource: string | undefined;
}

export interface GraphAgent {
  readonly principal: Principal;
  readonly host: Party;
  readonly owner: Principal;
  readonly scopes: readonly string[];
}

export interface GraphEdge {
  readonly id: GrantId;
  readonly user: Principal;
  readonly agent: Principal;
  readonly scopes: readonly string[];
  readonly audiences: readonly string[];
  readonly expiresAtSeconds: number;
}

/** What one exchange asks for. */
export interface GraphExchange {
  readonly by: Party;
  readonly subject: AccessTokenClaims;
  readonly actor: AccessTokenClaims | undefined;
  readonly target: string;
  readonly scope: readonly string[] | undefined;
  readonly impersonate: boolean;
}

export const graphNow = 1_800_000_000;
const issuer = 'https://id.test/t/home';
export const graphGround: MintingGround = {
  issuer,
  tenantId: idFromUuid('ten', '01890000-0000-7000-8000-000000000001') as TenantId,
  epoch: 1,
  fs: 0,
};

let minted = 0;

/** A fresh token by the minter's own rules. */
export function mintInGraph(request: MintRequest): AccessTokenClaims {
  minted += 1;
  const uuid = `01890000-0000-7000-9000-${minted.toString(16).padStart(12, '0')}`;
  return deriveClaims(graphGround, request, idFromUuid('tok', uuid) as TokenId, graphNow);
}

/**
 * An exchange as the endpoint makes it, of the very rules and in their order, in a world that is handed over: signatures,
 * rows and policy aside.
 * @throws Refusal
 */
export function exchangeInGraph(
  { by, subject, actor: actorToken, target, scope: requested, impersonate }: GraphExchange,
  agents: readonly GraphAgent[],
  edges: readonly GraphEdge[],
): AccessTokenClaims {
  const session = {
    tenant: { issuer },
    principal: by.principal,
    client: { id: by.clientId, kind: by.kind, resource: by.resource, scopes: by.scopes },
    ceilings: { scopes: [] },
  } as unknown as GrantSession;
  requireSubject(session, subject);
  const base = { subject: subject.sub, clientId: by.clientId, audience: target, ttlSeconds: 300 };
  const handles = { ...(subject.sid !== undefined && { sessionId: subject.sid as SessionId }) };
  if (impersonate) {
    requireImpersonator(session, subject, actorToken);
    const holders = { subject, actorToken: undefined, agentScopes: undefined, consent: undefined };
    const scope = exchangedScope(requested, { ...holders, clientScopes: by.scopes });
    return mintInGraph({ ...base, ...handles, scope, parents: [subject], impersonation: true });
  }
  const current = requireActor(session, subject, actorToken);
  const agent = agents.find(({ principal }) => principal === current.sub);
  const edge = edges.find(({ user, agent }) => user === subject.sub && agent === current.sub);
  const consent = acceptConsent(needsConsent(subject, current.sub, agent?.owner.slice('user:'.length)), edge);
  requireConsentedAudience(consent, target);
  const agentScopes = agent?.scopes;
  const scope = exchangedScope(requested, { subject, actorToken, agentScopes, consent, clientScopes: by.scopes });
  return mintInGraph({
    ...{ ...base, ...handles, scope, act: extendChain(current, subject.act) },
    parents: actorToken ? [subject, actorToken] : [subject],
    ...(consent && { grants: [consent.id], notAfter: consent.expiresAtSeconds }),
  });
}
