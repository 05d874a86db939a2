import type { Actor, Principal } from '@mono-auth/core/principal';
import { principalKind } from '@mono-auth/core/principal';

/** What an actor is, for services that do not know our principals (`sub_profile`). */
const profiles: Partial<Record<ReturnType<typeof principalKind>, string>> = {
  agent: 'ai_agent',
  host: 'device',
  client: 'client_instance',
  service: 'service',
};

/** An actor and, nested in it, those who acted before (RFC 8693 §4.1: the outermost is the current one). */
export function actorOf(sub: Principal, earlier?: Actor): Actor {
  const profile = profiles[principalKind(sub)];
  return { sub, ...(profile !== undefined && { sub_profile: profile }), ...(earlier && { act: earlier }) };
}

/** Puts the chain of an actor token, its subject first, in front of those who acted before. */
export function extendChain(actor: { sub: Principal; act?: Actor }, earlier: Actor | undefined): Actor {
  return actorOf(actor.sub, actor.act ? extendChain(actor.act, earlier) : earlier);
}
