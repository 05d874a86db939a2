import { type AgentId, type GrantId, type HostId, idFromUuid, type UserId, uuidOf } from '@mono-auth/core/ids';
import type { KeyedRequest } from '@mono-auth/core/request-digest';
import type { PlatformTx, TenantTx } from '@mono-auth/database';
import type { AgentConsent } from './agent-consent.ts';

interface ConsentRow {
  id: string;
  user_id: string;
  agent_id: string;
  host_id: string;
  scopes: string[];
  audiences: string[];
  created_at: Date;
  expires_at: Date;
  ended_at: Date | null;
}

function consentOf(row: ConsentRow): AgentConsent {
  return {
    id: idFromUuid('gra', row.id),
    userId: idFromUuid('usr', row.user_id),
    agentId: idFromUuid('agt', row.agent_id),
    hostId: idFromUuid('hst', row.host_id),
    scopes: row.scopes,
    audiences: row.audiences,
    createdAtMs: row.created_at.getTime(),
    expiresAtMs: row.expires_at.getTime(),
    endedAtMs: row.ended_at?.getTime(),
  };
}

/** Answers false when the person has a living consent with the agent, or the idempotency key is taken. */
export async function insertConsent(
  tx: TenantTx,
  consent: AgentConsent,
  request: KeyedRequest | undefined,
): Promise<boolean> {
  const rows = await tx.sql<{ id: string }>`
    insert into mono.agent_consents (tenant_id, id, user_id, agent_id, host_id, scopes, audiences, created_at, expires_at,
      idempotency_key, request_digest)
    values (${uuidOf(tx.tenantId)}, ${uuidOf(consent.id)}, ${uuidOf(consent.userId)}, ${uuidOf(consent.agentId)},
      ${uuidOf(consent.hostId)}, ${consent.scopes}, ${consent.audiences}, ${new Date(consent.createdAtMs)},
      ${new Date(consent.expiresAtMs)}, ${request?.key}, ${request?.digest})
    on conflict do nothing
    returning id`;
  return rows.length === 1;
}

export async function selectConsent(tx: TenantTx, id: GrantId): Promise<AgentConsent | undefined> {
  const rows = await tx.sql<ConsentRow>`
    select id, user_id, agent_id, host_id, scopes, audiences, created_at, expires_at, ended_at from mono.agent_consents
    where tenant_id = ${uuidOf(tx.tenantId)} and id = ${uuidOf(id)}`;
  return rows[0] && consentOf(rows[0]);
}

/** With the digest of the request that made it. */
export async function selectConsentByIdempotencyKey(
  tx: TenantTx,
  userId: UserId,
  key: string,
): Promise<{ consent: AgentConsent; requestDigest: Uint8Array | null } | undefined> {
  const [row] = await tx.sql<ConsentRow & { request_digest: Uint8Array | null }>`
    select id, user_id, agent_id, host_id, scopes, audiences, created_at, expires_at, ended_at, request_digest
    from mono.agent_consents
    where tenant_id = ${uuidOf(tx.tenantId)} and user_id = ${uuidOf(userId)} and idempotency_key = ${key}`;
  return row && { consent: consentOf(row), requestDigest: row.request_digest };
}

/** An edge of the graph of who may act for whom. */
export interface Edge {
  readonly userId: UserId;
  readonly agentId: AgentId;
}

/** The consent by which the agent may act for the person now. */
export async function selectLivingConsent(
  tx: TenantTx,
  { userId, agentId }: Edge,
  nowMs: number,
): Promise<AgentConsent | undefined> {
  const consent = await tx.remembered(`consent ${userId} ${agentId}`, async () => {
    const rows = await tx.sql<ConsentRow>`
      select id, user_id, agent_id, host_id, scopes, audiences, created_at, expires_at, ended_at from mono.agent_consents
      where tenant_id = ${uuidOf(tx.tenantId)} and user_id = ${uuidOf(userId)} and agent_id = ${uuidOf(agentId)}
        and ended_at is null`;
    return rows[0] && consentOf(rows[0]);
  });
  return consent && consent.expiresAtMs > nowMs ? consent : undefined;
}

/** Newest first, after the consent `after` when it is given. */
export async function selectUserConsents(
  tx: TenantTx,
  userId: UserId,
  after: GrantId | undefined,
  limit: number,
): Promise<AgentConsent[]> {
  const last = after && uuidOf(after);
  const rows = await tx.sql<ConsentRow>`
    select id, user_id, agent_id, host_id, scopes, audiences, created_at, expires_at, ended_at from mono.agent_consents
    where tenant_id = ${uuidOf(tx.tenantId)} and user_id = ${uuidOf(userId)}
      and (${last}::uuid is null or id < ${last}::uuid)
    order by id desc limit ${limit}`;
  return rows.map(consentOf);
}

/** One that the clock has ended is ended in its row too, so that the next one has its place. */
export async function endExpiredConsent(tx: TenantTx, { userId, agentId }: Edge, nowMs: number): Promise<void> {
  await tx.sql`
    update mono.agent_consents set ended_at = expires_at
    where tenant_id = ${uuidOf(tx.tenantId)} and user_id = ${uuidOf(userId)} and agent_id = ${uuidOf(agentId)}
      and ended_at is null and expires_at <= ${new Date(nowMs)}`;
}

/** Which consents a revocation is about. */
export type ConsentSelection =
  | { readonly id: GrantId }
  | { readonly userId: UserId }
  | { readonly agentId: AgentId }
  | { readonly hostId: HostId };

function uuids(selection: ConsentSelection) {
  return {
    consent: 'id' in selection ? uuidOf(selection.id) : undefined,
    user: 'userId' in selection ? uuidOf(selection.userId) : undefined,
    agent: 'agentId' in selection ? uuidOf(selection.agentId) : undefined,
    host: 'hostId' in selection ? uuidOf(selection.hostId) : undefined,
  };
}

export async function countLivingConsents(tx: TenantTx, selection: ConsentSelection, nowMs: number): Promise<number> {
  const { consent, user, agent, host } = uuids(selection);
  const rows = await tx.sql<{ living: number }>`
    select count(*)::int as living from mono.agent_consents
    where tenant_id = ${uuidOf(tx.tenantId)} and ended_at is null and expires_at > ${new Date(nowMs)}
      and (id = ${consent}::uuid or user_id = ${user}::uuid or agent_id = ${agent}::uuid or host_id = ${host}::uuid)`;
  return rows[0]?.living ?? 0;
}

/** @returns how many were living until now. */
export async function endConsents(tx: TenantTx, selection: ConsentSelection, nowMs: number): Promise<number> {
  const { consent, user, agent, host } = uuids(selection);
  const rows = await tx.sql<{ id: string }>`
    update mono.agent_consents set ended_at = ${new Date(nowMs)}
    where tenant_id = ${uuidOf(tx.tenantId)} and ended_at is null and expires_at > ${new Date(nowMs)}
      and (id = ${consent}::uuid or user_id = ${user}::uuid or agent_id = ${agent}::uuid or host_id = ${host}::uuid)
    returning id`;
  return rows.length;
}

/** Deletes at most `limit` of those that ended, of themselves or before, earlier than `before`. @returns how many. */
export async function deleteEndedConsents(tx: PlatformTx, before: Date, limit: number): Promise<number> {
  const rows = await tx.sql<{ id: string }>`
    delete from mono.agent_consents where (tenant_id, id) in (
      select tenant_id, id from mono.agent_consents where least(ended_at, expires_at) < ${before} limit ${limit})
    returning id`;
  return rows.length;
}
