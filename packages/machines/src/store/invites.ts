import { type HostId, type InviteId, idFromUuid, uuidOf } from '@mono-auth/core/ids';
import type { Principal } from '@mono-auth/core/principal';
import type { KeyedRequest } from '@mono-auth/core/request-digest';
import type { TenantTx } from '@mono-auth/database';
import type { Invite } from '../invite.ts';

interface InviteRow {
  id: string;
  host_name: string;
  status: Invite['status'];
  scopes: string[];
  audiences: string[];
  created_by: Principal;
  created_at: Date;
  expires_at: Date;
  redeemed_by: string | null;
}

function inviteOf(row: InviteRow): Invite {
  return {
    id: idFromUuid('inv', row.id),
    hostName: row.host_name,
    status: row.status,
    scopes: row.scopes,
    audiences: row.audiences,
    createdBy: row.created_by,
    createdAtMs: row.created_at.getTime(),
    expiresAtMs: row.expires_at.getTime(),
    redeemedBy: row.redeemed_by === null ? undefined : idFromUuid('hst', row.redeemed_by),
  };
}

/** Answers false when the idempotency key is taken. */
export async function insertInvite(tx: TenantTx, invite: Invite, request: KeyedRequest | undefined): Promise<boolean> {
  const rows = await tx.sql<{ id: string }>`
    insert into mono.invites (tenant_id, id, host_name, status, scopes, audiences, created_by, created_at, expires_at,
      idempotency_key, request_digest)
    values (${uuidOf(tx.tenantId)}, ${uuidOf(invite.id)}, ${invite.hostName}, ${invite.status}, ${invite.scopes},
      ${invite.audiences}, ${invite.createdBy}, ${new Date(invite.createdAtMs)}, ${new Date(invite.expiresAtMs)},
      ${request?.key}, ${request?.digest})
    on conflict do nothing
    returning id`;
  return rows.length === 1;
}

export async function selectInvite(tx: TenantTx, id: InviteId): Promise<Invite | undefined> {
  const rows = await tx.sql<InviteRow>`
    select id, host_name, status, scopes, audiences, created_by, created_at, expires_at, redeemed_by from mono.invites
    where tenant_id = ${uuidOf(tx.tenantId)} and id = ${uuidOf(id)}`;
  return rows[0] && inviteOf(rows[0]);
}

/** With the digest of the request that made it. */
export async function selectInviteByIdempotencyKey(
  tx: TenantTx,
  key: string,
): Promise<{ invite: Invite; requestDigest: Uint8Array | null } | undefined> {
  const [row] = await tx.sql<InviteRow & { request_digest: Uint8Array | null }>`
    select id, host_name, status, scopes, audiences, created_by, created_at, expires_at, redeemed_by, request_digest
    from mono.invites where tenant_id = ${uuidOf(tx.tenantId)} and idempotency_key = ${key}`;
  return row && { invite: inviteOf(row), requestDigest: row.request_digest };
}

/** Newest first, after the invite `after` when it is given. */
export async function selectInvites(tx: TenantTx, after: InviteId | undefined, limit: number): Promise<Invite[]> {
  const rows = await tx.sql<InviteRow>`
    select id, host_name, status, scopes, audiences, created_by, created_at, expires_at, redeemed_by from mono.invites
    where tenant_id = ${uuidOf(tx.tenantId)}
      and (${after && uuidOf(after)}::uuid is null or id < ${after && uuidOf(after)}::uuid)
    order by id desc limit ${limit}`;
  return rows.map(inviteOf);
}

/** Uses an open, unexpired invite up. One statement: of parallel callers the database lets one have the row. */
export async function consumeInvite(
  tx: TenantTx,
  id: InviteId,
  hostId: HostId,
  nowMs: number,
): Promise<Invite | undefined> {
  const rows = await tx.sql<InviteRow>`
    update mono.invites set status = 'redeemed', redeemed_at = ${new Date(nowMs)}, redeemed_by = ${uuidOf(hostId)}
    where tenant_id = ${uuidOf(tx.tenantId)} and id = ${uuidOf(id)} and status = 'open'
      and expires_at > ${new Date(nowMs)}
    returning id, host_name, status, scopes, audiences, created_by, created_at, expires_at, redeemed_by`;
  return rows[0] && inviteOf(rows[0]);
}

/** Answers false when it was not open. */
export async function closeInvite(tx: TenantTx, id: InviteId): Promise<boolean> {
  const rows = await tx.sql<{ id: string }>`
    update mono.invites set status = 'revoked'
    where tenant_id = ${uuidOf(tx.tenantId)} and id = ${uuidOf(id)} and status = 'open'
    returning id`;
  return rows.length === 1;
}
