import { type HostId, idFromUuid, uuidOf } from '@mono-auth/core/ids';
import { Json, type TenantTx } from '@mono-auth/database';
import type { JWK } from 'jose';
import type { Host, HostStatus, Renewal } from '../host.ts';

interface HostRow {
  id: string;
  name: string;
  status: HostStatus;
  generation: string;
  client_id: string;
  invite_id: string;
  public_jwk: JWK;
  jkt: string;
  enrolled_at: Date;
  renewed_at: Date | null;
  last_request_id: string | null;
  last_next_jkt: string | null;
  last_answer: string | null;
}

function hostOf(row: HostRow): Host {
  return {
    id: idFromUuid('hst', row.id),
    name: row.name,
    status: row.status,
    generation: Number(row.generation),
    clientId: idFromUuid('cli', row.client_id),
    inviteId: idFromUuid('inv', row.invite_id),
    publicJwk: row.public_jwk,
    jkt: row.jkt,
    enrolledAtMs: row.enrolled_at.getTime(),
    renewedAtMs: row.renewed_at?.getTime(),
    lastRenewal: lastRenewalOf(row),
  };
}

function lastRenewalOf({ last_request_id, last_next_jkt, last_answer }: HostRow): Renewal | undefined {
  if (last_request_id === null || last_next_jkt === null || last_answer === null) return undefined;
  return { requestId: last_request_id, nextJkt: last_next_jkt, answer: last_answer };
}

/** Answers false when a living host bears the name. */
export async function insertHost(tx: TenantTx, host: Host): Promise<boolean> {
  const rows = await tx.sql<{ id: string }>`
    insert into mono.hosts (tenant_id, id, name, status, generation, client_id, invite_id, public_jwk, jkt, enrolled_at)
    values (${uuidOf(tx.tenantId)}, ${uuidOf(host.id)}, ${host.name}, ${host.status}, ${host.generation},
      ${uuidOf(host.clientId)}, ${uuidOf(host.inviteId)}, ${new Json(host.publicJwk)}, ${host.jkt},
      ${new Date(host.enrolledAtMs)})
    on conflict do nothing
    returning id`;
  return rows.length === 1;
}

export function selectHost(tx: TenantTx, id: HostId): Promise<Host | undefined> {
  return tx.remembered(`host ${id}`, async () => {
    const rows = await tx.sql<HostRow>`
      select id, name, status, generation, client_id, invite_id, public_jwk, jkt, enrolled_at, renewed_at,
        last_request_id, last_next_jkt, last_answer
      from mono.hosts where tenant_id = ${uuidOf(tx.tenantId)} and id = ${uuidOf(id)}`;
    return rows[0] && hostOf(rows[0]);
  });
}

/** The same, and nobody else changes the host until this transaction ends. */
export async function lockHost(tx: TenantTx, id: HostId): Promise<Host | undefined> {
  const rows = await tx.sql<HostRow>`
    select id, name, status, generation, client_id, invite_id, public_jwk, jkt, enrolled_at, renewed_at,
      last_request_id, last_next_jkt, last_answer
    from mono.hosts where tenant_id = ${uuidOf(tx.tenantId)} and id = ${uuidOf(id)} for update`;
  return rows[0] && hostOf(rows[0]);
}

/** Newest first, after the host `after` when it is given. */
export async function selectHosts(tx: TenantTx, after: HostId | undefined, limit: number): Promise<Host[]> {
  const rows = await tx.sql<HostRow>`
    select id, name, status, generation, client_id, invite_id, public_jwk, jkt, enrolled_at, renewed_at,
      last_request_id, last_next_jkt, last_answer
    from mono.hosts
    where tenant_id = ${uuidOf(tx.tenantId)}
      and (${after && uuidOf(after)}::uuid is null or id < ${after && uuidOf(after)}::uuid)
    order by id desc limit ${limit}`;
  return rows.map(hostOf);
}

/** Keeps a renewal with the answer it gets. */
export async function updateGeneration(tx: TenantTx, host: Host, renewal: Renewal): Promise<void> {
  await tx.sql`
    update mono.hosts set generation = ${host.generation}, public_jwk = ${new Json(host.publicJwk)}, jkt = ${host.jkt},
      renewed_at = ${new Date(host.renewedAtMs as number)}, last_request_id = ${renewal.requestId},
      last_next_jkt = ${renewal.nextJkt}, last_answer = ${renewal.answer}
    where tenant_id = ${uuidOf(tx.tenantId)} and id = ${uuidOf(host.id)}`;
}

export async function updateHostStatus(tx: TenantTx, id: HostId, status: HostStatus): Promise<void> {
  await tx.sql`
    update mono.hosts set status = ${status} where tenant_id = ${uuidOf(tx.tenantId)} and id = ${uuidOf(id)}`;
}
