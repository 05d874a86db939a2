import { Refusal } from '@mono-auth/core/errors';
import { type Actor, type Principal, principalKind } from '@mono-auth/core/principal';
import { intersectScope } from '@mono-auth/minting';
import { scopeOf, soleAudience, type VerifiedClaims } from '../../access-token.ts';
import type { GrantSession } from '../../grant-session.ts';

/** Who acts from now on, with those who stand behind it. */
export interface CurrentActor {
  readonly sub: Principal;
  readonly act?: Actor;
}

type Exchanger = Pick<GrantSession, 'client' | 'principal' | 'tenant'>;

/** A token may be exchanged where it was meant to be: at the issuer, or by the service that it was sent to. */
export function requireSubject({ client, tenant }: Exchanger, subject: VerifiedClaims): void {
  const audience = soleAudience(subject);
  const meant = audience === tenant.issuer || (audience !== undefined && audience === client.resource);
  if (!meant)
    throw new Refusal('invalid_request', 'subject_token: it is meant neither for this issuer nor this client');
  if (subject.use === 'gateway') {
    throw new Refusal('invalid_request', 'subject_token: a token of the gateway cannot be exchanged');
  }
}

/**
 * Who acts is found by where the tokens come from, never by which parameters are present (law 6): a subject token that
 * already has an actor, or names who may become one, is only taken with an actor that continues its chain, or from the
 * service that it was sent to, which then is that actor itself.
 */
export function requireActor(
  exchanger: Exchanger,
  subject: VerifiedClaims,
  actorToken: VerifiedClaims | undefined,
): CurrentActor {
  const actor = actorToken ? provenActor(exchanger, actorToken) : clientAsActor(exchanger, subject);
  // RFC 8693 §4.4: `may_act` names the one party that may become the actor.
  if (subject.may_act && subject.may_act.sub !== actor.sub) {
    throw new Refusal('invalid_request', 'subject_token: it names another party in may_act');
  }
  return actor;
}

function clientAsActor({ client, principal }: Exchanger, subject: VerifiedClaims): CurrentActor {
  const sentToClient = client.resource !== undefined && soleAudience(subject) === client.resource;
  if (!sentToClient && (subject.act || subject.may_act)) {
    throw new Refusal('invalid_request', 'actor_token: is required, because others already act for the subject');
  }
  if (!sentToClient && client.kind === 'host') {
    throw new Refusal('invalid_request', 'actor_token: is required, because a host never acts alone');
  }
  return { sub: principal };
}

/** The actor token is the authenticated client's own: of itself, or of an agent that its host answers for. */
function provenActor({ client, principal, tenant }: Exchanger, token: VerifiedClaims): CurrentActor {
  if (soleAudience(token) !== tenant.issuer) {
    throw new Refusal('invalid_request', 'actor_token: it is not meant for this issuer');
  }
  if (token.client_id !== client.id) {
    throw new Refusal('invalid_request', 'actor_token: it was not issued to this client');
  }
  if (token.sub === principal && !token.act) return { sub: token.sub };
  const isAgent = client.kind === 'host' && token.sub.startsWith('agent:');
  if (isAgent && token.act?.sub === principal && !token.act.act) return { sub: token.sub, act: token.act };
  throw new Refusal('invalid_request', 'actor_token: it speaks neither of this client nor of an agent on its host');
}

/** What an edge allows at most. No audiences: all that the client may reach. */
export interface ConsentTerms {
  readonly scopes: readonly string[];
  readonly audiences: readonly string[];
}

type ConsentNeed = 'no' | 'where there is one' | 'yes' | 'impossible';

/**
 * Whose word the actor needs before it acts: an agent that acts for a person needs that person's, given in `may_act` or by an
 * edge. Its owner has given it by owning it, but what the owner has said of it counts. A service that the token was sent to
 * needs none: sending it was the word.
 */
export function needsConsent(subject: VerifiedClaims, actor: Principal, owner: string | undefined): ConsentNeed {
  if (principalKind(subject.sub) !== 'user' || subject.may_act?.sub === actor) return 'no';
  const kind = principalKind(actor);
  // A host that left its agent out would need nobody's word for what the agent needs it for.
  if (kind === 'host') return 'impossible';
  if (kind !== 'agent') return 'no';
  return subject.sub === `user:${owner}` ? 'where there is one' : 'yes';
}

/**
 * RFC 8693 §2.2.2: without the person's word the subject token is not acceptable from this actor.
 * @throws Refusal `invalid_request`.
 */
export function acceptConsent<T extends ConsentTerms>(needed: ConsentNeed, consent: T | undefined): T | undefined {
  if (needed === 'no') return undefined;
  if (needed === 'impossible') {
    throw new Refusal('invalid_request', 'actor_token: a host acts for people through its agents, not by itself');
  }
  if (consent || needed === 'where there is one') return consent;
  throw new Refusal('invalid_request', 'actor_token: the person has not allowed this agent to act for them');
}

/** Whom a new token's scope depends on. */
export interface ScopeHolders {
  readonly subject: VerifiedClaims;
  readonly actorToken: VerifiedClaims | undefined;
  readonly agentScopes: readonly string[] | undefined;
  readonly consent: ConsentTerms | undefined;
  /** Under the tenant's ceiling. */
  readonly clientScopes: readonly string[];
}

/**
 * Scope only ever intersects (law 6); by default it is all that everybody involved holds.
 * @throws Refusal `invalid_scope` when nothing is left.
 */
export function exchangedScope(
  requested: readonly string[] | undefined,
  { subject, actorToken, agentScopes, consent, clientScopes }: ScopeHolders,
): string[] {
  const granted = intersectScope(
    requested ?? scopeOf(subject),
    scopeOf(subject),
    ...(actorToken ? [scopeOf(actorToken)] : []),
    ...(agentScopes ? [agentScopes] : []),
    ...(consent ? [consent.scopes] : []),
    clientScopes,
  );
  if (granted.length === 0) throw new Refusal('invalid_scope', 'scope: nothing is left that everybody involved holds');
  return granted;
}

/** RFC 8693 §2.2.2. @throws Refusal `invalid_target` for what the person did not let the agent reach. */
export function requireConsentedAudience(consent: ConsentTerms | undefined, audience: string): void {
  if (!consent || consent.audiences.length === 0 || consent.audiences.includes(audience)) return;
  throw new Refusal('invalid_target', 'resource, audience: the person does not let this agent act there');
}
