import { type ClientId, type GrantId, idFromUuid, type SessionId, type UserId, uuidOf } from '@mono-auth/core/ids';
import type { TenantTx } from '@mono-auth/database';
import type { Grant } from '../grant.ts';

export interface GrantRow {
  id: string;
  client_id: string;
  user_id: string;
  session_id: string | null;
  scopes: string[];
  resources: string[];
  auth_time: Date;
  dpop_jkt: string | null;
  attester_id: string | null;
  epoch: string;
  feed_seq: string;
  created_at: Date;
  expires_at: Date;
  ended_at: Date | null;
}

export function grantOf(row: GrantRow): Grant {
  return {
    id: idFromUuid('gra', row.id),
    clientId: idFromUuid('cli', row.client_id),
    userId: idFromUuid('usr', row.user_id),
    sessionId: row.session_id === null ? undefined : idFromUuid('ses', row.session_id),
    scopes: row.scopes,
    resources: row.resources,
    authTimeMs: row.auth_time.getTime(),
    dpopJkt: row.dpop_jkt ?? undefined,
    attesterId: row.attester_id === null ? undefined : idFromUuid('gra', row.attester_id),
    epoch: Number(row.epoch),
    feedSeq: Number(row.feed_seq),
    createdAtMs: row.created_at.getTime(),
    expiresAtMs: row.expires_at.getTime(),
    endedAtMs: row.ended_at?.getTime(),
  };
}

export async function insertGrant(tx: TenantTx, grant: Grant): Promise<void> {
  await tx.sql`
    insert into mono.token_grants (tenant_id, id, client_id, user_id, session_id, scopes, resources, auth_time, dpop_jkt,
      attester_id, epoch, feed_seq, created_at, expires_at)
    values (${uuidOf(tx.tenantId)}, ${uuidOf(grant.id)}, ${uuidOf(grant.clientId)}, ${uuidOf(grant.userId)},
      ${grant.sessionId && uuidOf(grant.sessionId)}, ${grant.scopes}, ${grant.resources}, ${new Date(grant.authTimeMs)},
      ${grant.dpopJkt}, ${grant.attesterId && uuidOf(grant.attesterId)}, ${grant.epoch}, ${grant.feedSeq},
      ${new Date(grant.createdAtMs)}, ${new Date(grant.expiresAtMs)})`;
}

export async function selectGrant(tx: TenantTx, id: GrantId): Promise<Grant | undefined> {
  const rows = await tx.sql<GrantRow>`
    select id, client_id, user_id, session_id, scopes, resources, auth_time, dpop_jkt, attester_id, epoch, feed_seq,
      created_at, expires_at, ended_at
    from mono.token_grants where tenant_id = ${uuidOf(tx.tenantId)} and id = ${uuidOf(id)}`;
  return rows[0] && grantOf(rows[0]);
}

/** Living grants of a person, newest first. */
export async function selectUserGrants(tx: TenantTx, userId: UserId, nowMs: number, limit: number): Promise<Grant[]> {
  const rows = await tx.sql<GrantRow>`
    select id, client_id, user_id, session_id, scopes, resources, auth_time, dpop_jkt, attester_id, epoch, feed_seq,
      created_at, expires_at, ended_at
    from mono.token_grants
    where tenant_id = ${uuidOf(tx.tenantId)} and user_id = ${uuidOf(userId)} and ended_at is null
      and expires_at > ${new Date(nowMs)}
    order by created_at desc, id desc limit ${limit}`;
  return rows.map(grantOf);
}

/** Which grants a revocation is about; an empty selection is all of the tenant. */
export interface GrantSelection {
  readonly id?: GrantId;
  readonly userId?: UserId;
  readonly clientId?: ClientId;
  readonly sessionId?: SessionId;
}

function uuids({ id, userId, clientId, sessionId }: GrantSelection) {
  return {
    grant: id && uuidOf(id),
    user: userId && uuidOf(userId),
    client: clientId && uuidOf(clientId),
    session: sessionId && uuidOf(sessionId),
  };
}

export async function countLivingGrants(tx: TenantTx, selection: GrantSelection, nowMs: number): Promise<number> {
  const { grant, user, client, session } = uuids(selection);
  const rows = await tx.sql<{ count: string }>`
    select count(*) as count from mono.token_grants
    where tenant_id = ${uuidOf(tx.tenantId)} and ended_at is null and expires_at > ${new Date(nowMs)}
      and (${grant}::uuid is null or id = ${grant}::uuid)
      and (${user}::uuid is null or user_id = ${user}::uuid)
      and (${client}::uuid is null or client_id = ${client}::uuid)
      and (${session}::uuid is null or session_id = ${session}::uuid)`;
  return Number(rows[0]?.count ?? 0);
}

/** @returns those that were living until now. */
export async function endGrants(tx: TenantTx, selection: GrantSelection, nowMs: number): Promise<GrantId[]> {
  const { grant, user, client, session } = uuids(selection);
  const rows = await tx.sql<{ id: string; expires_at: Date }>`
    update mono.token_grants set ended_at = ${new Date(nowMs)}
    where tenant_id = ${uuidOf(tx.tenantId)} and ended_at is null
      and (${grant}::uuid is null or id = ${grant}::uuid)
      and (${user}::uuid is null or user_id = ${user}::uuid)
      and (${client}::uuid is null or client_id = ${client}::uuid)
      and (${session}::uuid is null or session_id = ${session}::uuid)
    returning id, expires_at`;
  return rows.filter((row) => row.expires_at.getTime() > nowMs).map((row) => idFromUuid('gra', row.id));
}
