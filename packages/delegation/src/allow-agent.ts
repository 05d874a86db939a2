import { append } from '@mono-auth/audit';
import { clientFields } from '@mono-auth/clients';
import { notFound, Refusal } from '@mono-auth/core/errors';
import { type AgentId, newId, type UserId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import { checkRepetition, type KeyedRequest, keyedRequest } from '@mono-auth/core/request-digest';
import type { TenantTx } from '@mono-auth/database';
import { findAgent } from '@mono-auth/machines';
import { type AgentConsent, callingPerson, readExpiry } from './agent-consent.ts';
import { endExpiredConsent, insertConsent, selectConsentByIdempotencyKey } from './store.ts';

export interface AllowAgentInput {
  readonly agentId: AgentId;
  readonly scopes: readonly string[];
  readonly audiences: readonly string[];
  readonly expiresAtMs: number;
  readonly idempotencyKey: string | undefined;
}

/**
 * Lets an agent act for the calling person. A repeated idempotency key answers the first consent as it is by now.
 * @throws Refusal `denied` unless a person calls, or where the agent is not active; `not_found`; `already_exists` while the
 * agent is allowed already; `invalid_request` naming the field, the key as well when it was used for another consent.
 */
export async function allowAgent(tx: TenantTx, call: Call, input: AllowAgentInput): Promise<AgentConsent> {
  const userId = callingPerson(call);
  const scopes = clientFields.readScopes(input.scopes, 'scopes');
  if (scopes.length === 0) throw new Refusal('invalid_request', 'scopes: at least one, an agent never gets them all');
  const audiences = clientFields.readAudiences(input.audiences, 'audiences');
  const { agentId, expiresAtMs } = input;
  const request = keyedRequest(input.idempotencyKey, { agentId, scopes, audiences, expiresAtMs });
  const known = await findFirst(tx, userId, request);
  if (known) return known;
  const nowMs = call.runtime.nowMs();
  readExpiry(expiresAtMs, nowMs);
  const agent = await findAgent(tx, agentId);
  if (!agent) throw notFound('agent');
  if (agent.status !== 'active') throw new Refusal('denied', `the agent is ${agent.status}`);
  await endExpiredConsent(tx, { userId, agentId }, nowMs);
  const consent: AgentConsent = {
    ...{ id: newId(call.runtime, 'gra'), userId, agentId, hostId: agent.hostId },
    ...{ scopes, audiences, createdAtMs: nowMs, expiresAtMs, endedAtMs: undefined },
  };
  if (!(await insertConsent(tx, consent, request))) {
    // A parallel repetition was first; the insert has waited for it.
    const first = await findFirst(tx, userId, request);
    if (first) return first;
    throw new Refusal('already_exists', 'this agent is allowed already: end that consent first');
  }
  await append(tx, call, {
    type: 'agent.allowed',
    object: { kind: 'grant', id: consent.id },
    subject: `user:${userId}`,
    detail: { agent: agentId, scope: scopes.join(' '), audiences: audiences.join(' '), expires_at_ms: expiresAtMs },
  });
  return consent;
}

/** The consent that this person's key has made. @throws Refusal `invalid_request` when another one was asked for. */
async function findFirst(
  tx: TenantTx,
  userId: UserId,
  request: KeyedRequest | undefined,
): Promise<AgentConsent | undefined> {
  const first = request && (await selectConsentByIdempotencyKey(tx, userId, request.key));
  if (!first) return undefined;
  checkRepetition(request, first.requestDigest, 'consent', () => false);
  return first.consent;
}
