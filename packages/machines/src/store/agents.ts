import { type AgentId, type HostId, idFromUuid, uuidOf } from '@mono-auth/core/ids';
import type { KeyedRequest } from '@mono-auth/core/request-digest';
import type { TenantTx } from '@mono-auth/database';
import type { Agent, AgentStatus } from '../agent.ts';

interface AgentRow {
  id: string;
  host_id: string;
  name: string;
  owner_user_id: string;
  status: AgentStatus;
  scopes: string[];
  created_at: Date;
}

function agentOf(row: AgentRow): Agent {
  return {
    id: idFromUuid('agt', row.id),
    name: row.name,
    hostId: idFromUuid('hst', row.host_id),
    ownerUserId: idFromUuid('usr', row.owner_user_id),
    status: row.status,
    scopes: row.scopes,
    createdAtMs: row.created_at.getTime(),
  };
}

/** Answers false when a living agent of the host bears the name or the idempotency key is taken. */
export async function insertAgent(tx: TenantTx, agent: Agent, request: KeyedRequest | undefined): Promise<boolean> {
  const rows = await tx.sql<{ id: string }>`
    insert into mono.agents (tenant_id, id, host_id, name, owner_user_id, status, scopes, created_at, idempotency_key,
      request_digest)
    values (${uuidOf(tx.tenantId)}, ${uuidOf(agent.id)}, ${uuidOf(agent.hostId)}, ${agent.name},
      ${uuidOf(agent.ownerUserId)}, ${agent.status}, ${agent.scopes}, ${new Date(agent.createdAtMs)}, ${request?.key},
      ${request?.digest})
    on conflict do nothing
    returning id`;
  return rows.length === 1;
}

export function selectAgent(tx: TenantTx, id: AgentId): Promise<Agent | undefined> {
  return tx.remembered(`agent ${id}`, async () => {
    const rows = await tx.sql<AgentRow>`
      select id, host_id, name, owner_user_id, status, scopes, created_at from mono.agents
      where tenant_id = ${uuidOf(tx.tenantId)} and id = ${uuidOf(id)}`;
    return rows[0] && agentOf(rows[0]);
  });
}

/** With the digest of the request that made it. */
export async function selectAgentByIdempotencyKey(
  tx: TenantTx,
  key: string,
): Promise<{ agent: Agent; requestDigest: Uint8Array | null } | undefined> {
  const [row] = await tx.sql<AgentRow & { request_digest: Uint8Array | null }>`
    select id, host_id, name, owner_user_id, status, scopes, created_at, request_digest from mono.agents
    where tenant_id = ${uuidOf(tx.tenantId)} and idempotency_key = ${key}`;
  return row && { agent: agentOf(row), requestDigest: row.request_digest };
}

/** Newest first, after the agent `after` and of one host when these are given. */
export async function selectAgents(
  tx: TenantTx,
  filter: { readonly after: AgentId | undefined; readonly hostId: HostId | undefined },
  limit: number,
): Promise<Agent[]> {
  const after = filter.after && uuidOf(filter.after);
  const host = filter.hostId && uuidOf(filter.hostId);
  const rows = await tx.sql<AgentRow>`
    select id, host_id, name, owner_user_id, status, scopes, created_at from mono.agents
    where tenant_id = ${uuidOf(tx.tenantId)}
      and (${after}::uuid is null or id < ${after}::uuid)
      and (${host}::uuid is null or host_id = ${host}::uuid)
    order by id desc limit ${limit}`;
  return rows.map(agentOf);
}

/** All that a host ever had. */
export async function selectAgentIds(tx: TenantTx, hostId: HostId): Promise<AgentId[]> {
  const rows = await tx.sql<{ id: string }>`
    select id from mono.agents where tenant_id = ${uuidOf(tx.tenantId)} and host_id = ${uuidOf(hostId)}`;
  return rows.map(({ id }) => idFromUuid('agt', id));
}

export async function countLivingAgents(tx: TenantTx, hostId: HostId): Promise<number> {
  const rows = await tx.sql<{ living: number }>`
    select count(*)::int as living from mono.agents
    where tenant_id = ${uuidOf(tx.tenantId)} and host_id = ${uuidOf(hostId)} and status <> 'revoked'`;
  return rows[0]?.living ?? 0;
}

/** @returns whether the agent was living until now. */
export async function revokeAgent(tx: TenantTx, id: AgentId): Promise<boolean> {
  const rows = await tx.sql<{ id: string }>`
    update mono.agents set status = 'revoked'
    where tenant_id = ${uuidOf(tx.tenantId)} and id = ${uuidOf(id)} and status <> 'revoked'
    returning id`;
  return rows.length === 1;
}

/** @returns how many were living until now. */
export async function revokeAgents(tx: TenantTx, hostId: HostId): Promise<number> {
  const rows = await tx.sql<{ id: string }>`
    update mono.agents set status = 'revoked'
    where tenant_id = ${uuidOf(tx.tenantId)} and host_id = ${uuidOf(hostId)} and status <> 'revoked'
    returning id`;
  return rows.length;
}
