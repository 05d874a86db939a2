import { append } from '@mono-auth/audit';
import { clientFields, findClient } from '@mono-auth/clients';
import { notFound, Refusal } from '@mono-auth/core/errors';
import { type HostId, isId, newId, type UserId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import { checkRepetition, type KeyedRequest, keyedRequest } from '@mono-auth/core/request-digest';
import type { TenantTx } from '@mono-auth/database';
import { memberRole } from '@mono-auth/tenants';
import type { Agent } from './agent.ts';
import { insertAgent, selectAgentByIdempotencyKey } from './store/agents.ts';
import { lockHost } from './store/hosts.ts';

export interface CreateAgentInput {
  readonly hostId: HostId;
  readonly name: string;
  /** Undefined: the caller, who then must be a person. */
  readonly ownerUserId: UserId | undefined;
  readonly scopes: readonly string[];
  readonly idempotencyKey: string | undefined;
}

/**
 * Registers an agent on an active host. A person of the tenant answers for it, and it never holds more than its host.
 * A repeated idempotency key answers the first one, whatever has become of its host.
 * @throws Refusal `not_found` (host, user), `denied` when the host is not active, `invalid_scope`, `already_exists`;
 * `invalid_request` naming the field, the key as well when it was used for another agent.
 */
export async function createAgent(tx: TenantTx, call: Call, input: CreateAgentInput): Promise<Agent> {
  const ownerUserId = input.ownerUserId ?? callingUser(call);
  const wanted = {
    name: clientFields.readName(input.name, 'name'),
    hostId: input.hostId,
    ownerUserId,
    scopes: clientFields.readScopes(input.scopes, 'scopes'),
  };
  const request = keyedRequest(input.idempotencyKey, wanted);
  const known = await findFirst(tx, wanted, request);
  if (known) return known;
  if ((await memberRole(tx, ownerUserId)) === undefined) throw notFound('user');
  // Locked, so that a host that is being revoked takes this agent with it or refuses it.
  const host = await lockHost(tx, input.hostId);
  if (!host) throw notFound('host');
  if (host.status !== 'active') throw new Refusal('denied', `the host is ${host.status}`);
  const allowed = (await findClient(tx, host.clientId))?.scopes ?? [];
  const excess = wanted.scopes.find((scope) => !allowed.includes(scope));
  if (excess !== undefined) throw new Refusal('invalid_scope', `scopes: the host may not ask for ${excess}`);
  const agent: Agent = {
    ...wanted,
    id: newId(call.runtime, 'agt'),
    status: 'active',
    createdAtMs: call.runtime.nowMs(),
  };
  if (!(await insertAgent(tx, agent, request))) {
    // A parallel repetition was first; the insert has waited for it.
    const first = await findFirst(tx, wanted, request);
    if (first) return first;
    throw new Refusal('already_exists', 'an agent of this name exists on the host');
  }
  await append(tx, call, {
    type: 'agent.created',
    object: { kind: 'agent', id: agent.id },
    detail: { name: agent.name, host: host.id, owner: ownerUserId },
  });
  return agent;
}

type Wanted = Pick<Agent, 'name' | 'hostId' | 'ownerUserId' | 'scopes'>;

/** The agent that this idempotency key has made. @throws Refusal `invalid_request` when another one was asked for. */
async function findFirst(tx: TenantTx, asked: Wanted, request: KeyedRequest | undefined): Promise<Agent | undefined> {
  const first = request && (await selectAgentByIdempotencyKey(tx, request.key));
  if (!first) return undefined;
  const { agent, requestDigest } = first;
  const wanted = ({ name, hostId, ownerUserId, scopes }: Wanted) => JSON.stringify([name, hostId, ownerUserId, scopes]);
  checkRepetition(request, requestDigest, 'agent', () => wanted(agent) === wanted(asked));
  return agent;
}

function callingUser({ caller }: Call): UserId {
  const id = caller.principal.slice('user:'.length);
  if (caller.principal.startsWith('user:') && isId('usr', id)) return id;
  throw new Refusal('invalid_request', 'owner_user_id: name the person who answers for the agent');
}
