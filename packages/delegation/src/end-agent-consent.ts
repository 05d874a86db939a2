import { append } from '@mono-auth/audit';
import { notFound } from '@mono-auth/core/errors';
import { type GrantId, newId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import type { TenantTx } from '@mono-auth/database';
import type { Feed } from '@mono-auth/feed';
import { type AgentConsent, callingPerson } from './agent-consent.ts';
import { endConsents, selectConsent } from './store.ts';

/**
 * Ends a consent of the calling person for good, and by the feed every token that was made by it: row, feed and evidence are
 * one transaction. One that has ended is answered as it is. Asks for the feed's head last.
 * @throws Refusal `denied` unless a person calls; `not_found`, also for another person's.
 */
export async function endAgentConsent(
  feed: Pick<Feed, 'append'>,
  tx: TenantTx,
  call: Call,
  id: GrantId,
): Promise<AgentConsent> {
  const userId = callingPerson(call);
  const found = await selectConsent(tx, id);
  if (found?.userId !== userId) throw notFound('consent');
  const nowMs = call.runtime.nowMs();
  if ((await endConsents(tx, { id }, nowMs)) === 0) return (await selectConsent(tx, id)) ?? found;
  const reason = 'the person ended their consent';
  const revocation = newId(call.runtime, 'rev');
  const payload = { v: 1, id: revocation, target: { kind: 'grant', id }, reason } as const;
  const feedSeq = await feed.append(tx, [{ kind: 'revocation', payload }]);
  await append(tx, call, {
    type: 'agent.disallowed',
    object: { kind: 'grant', id },
    subject: `user:${userId}`,
    detail: { agent: found.agentId, revocation, feed_seq: feedSeq },
  });
  return { ...found, endedAtMs: nowMs };
}
