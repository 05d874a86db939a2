import { isId } from '@mono-auth/core/ids';
import { type Principal, principalKind } from '@mono-auth/core/principal';
import type { TokenRefusal } from '@mono-auth/feed';
import type { RevocationTarget } from '@mono-auth/revocation';
import type { TokenFacts } from './token-facts.ts';

export type HandleRole = 'token' | 'ancestor' | 'subject' | 'actor' | 'client' | 'session' | 'grant' | 'tenant' | 'key';

/** One of the things that a token hangs on: what a revocation, or the rotation of a compromised key, takes as its target. */
export interface TokenHandle {
  readonly role: HandleRole;
  readonly target: RevocationTarget | { readonly kind: 'key'; readonly id: string };
  /** The latest entry of the feed that ends the token by it. */
  readonly endedBy: number | undefined;
}

/** Every handle of the token, each once, under the nearest of its roles. */
export function handlesOf(facts: TokenFacts, refusals: readonly TokenRefusal[]): TokenHandle[] {
  const all: [HandleRole, TokenHandle['target'] | undefined][] = [
    ['token', targetOf('token', facts.jti)],
    ['subject', targetOfPrincipal(facts.subject)],
    ...facts.actors.map((actor) => ['actor', targetOfPrincipal(actor)] as [HandleRole, TokenHandle['target']]),
    // A token of a session's own has no client that could be revoked.
    ['client', targetOfClient(facts.clientId)],
    ['session', facts.sessionId === undefined ? undefined : targetOf('session', facts.sessionId)],
    ...facts.grants.map((grant) => ['grant', targetOf('grant', grant)] as [HandleRole, TokenHandle['target']]),
    ...facts.ancestors.map((jti) => ['ancestor', targetOf('token', jti)] as [HandleRole, TokenHandle['target']]),
    ...facts.ancestorClients.map((id) => ['ancestor', targetOfClient(id)] as [HandleRole, TokenHandle['target']]),
    ['tenant', { kind: 'tenant' }],
    ['key', facts.kid === undefined ? undefined : { kind: 'key', id: facts.kid }],
  ];
  const handles = new Map<string, TokenHandle>();
  for (const [role, target] of all) {
    if (!target) continue;
    const id = 'id' in target ? target.id : '';
    const name = `${target.kind} ${id}`;
    if (handles.has(name)) continue;
    const kinds: TokenRefusal['why'][] = target.kind === 'tenant' ? ['tenant', 'epoch'] : [target.kind];
    const refusal = refusals.find(({ why, handle }) => kinds.includes(why) && handle === id);
    handles.set(name, { role, target, endedBy: refusal?.seq });
  }
  return [...handles.values()];
}

/** Who carries the token was checked when it was minted: kind and id belong together. */
function targetOf(kind: 'token' | 'session' | 'grant', id: string): RevocationTarget {
  return { kind, id } as RevocationTarget;
}

function targetOfClient(id: string): RevocationTarget | undefined {
  return isId('cli', id) ? { kind: 'client', id } : undefined;
}

function targetOfPrincipal(principal: string): RevocationTarget | undefined {
  const id = principal.slice(principal.indexOf(':') + 1);
  const kind = principalKind(principal as Principal);
  if (kind === 'service' || kind === 'client') return targetOfClient(id);
  if (kind === 'user' && isId('usr', id)) return { kind, id };
  if (kind === 'host' && isId('hst', id)) return { kind, id };
  if (kind === 'agent' && isId('agt', id)) return { kind, id };
  return undefined;
}
