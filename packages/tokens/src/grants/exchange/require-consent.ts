import type { AgentId, UserId } from '@mono-auth/core/ids';
import type { Principal } from '@mono-auth/core/principal';
import { type AgentConsent, findLivingConsent } from '@mono-auth/delegation';
import type { Agent } from '@mono-auth/machines';
import type { VerifiedClaims } from '../../access-token.ts';
import type { GrantSession } from '../../grant-session.ts';
import { acceptConsent, needsConsent } from './exchange-rules.ts';

export type Consent = Pick<AgentConsent, 'id' | 'scopes' | 'audiences' | 'expiresAtMs'>;

/**
 * The edge from the person to the agent that acts for them; undefined where none is needed.
 * @throws Refusal `invalid_request` (RFC 8693 §2.2.2): the subject token is not acceptable from this actor.
 */
export async function requireConsent(
  { tx, call }: Pick<GrantSession, 'tx' | 'call'>,
  subject: VerifiedClaims,
  actor: Principal,
  agent: Agent | undefined,
): Promise<Consent | undefined> {
  const needed = needsConsent(subject, actor, agent?.ownerUserId);
  if (needed === 'no' || needed === 'impossible') return acceptConsent<Consent>(needed, undefined);
  const [userId, agentId] = [subject.sub, actor].map((sub) => sub.slice(sub.indexOf(':') + 1)) as [UserId, AgentId];
  return acceptConsent(needed, await findLivingConsent(tx, { userId, agentId }, call.runtime.nowMs()));
}
