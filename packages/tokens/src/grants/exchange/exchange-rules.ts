import { Refusal } from '@mono-auth/core/errors';
import type { Actor, Principal } from '@mono-auth/core/principal';
import { soleAudience, type VerifiedClaims } from '../../access-token.ts';
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
