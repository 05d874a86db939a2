import { type ClientId, type GrantId, idFromUuid, uuidOf } from '@mono-auth/core/ids';
import type { KeyedRequest } from '@mono-auth/core/request-digest';
import type { TenantTx } from '@mono-auth/database';
import type { AssertionProfile, ResourceServerTrust } from '../resource-server-trust.ts';

interface TrustRow {
  id: string;
  issuer: string;
  name: string;
  client_id: string;
  remote_client_id: string;
  profile: AssertionProfile;
  resources: string[];
  scopes: string[];
  created_at: Date;
}

function trustOf(row: TrustRow): ResourceServerTrust {
  return {
    id: idFromUuid('gra', row.id),
    issuer: row.issuer,
    name: row.name,
    clientId: idFromUuid('cli', row.client_id),
    remoteClientId: row.remote_client_id,
    profile: row.profile,
    resources: row.resources,
    scopes: row.scopes,
    createdAtMs: row.created_at.getTime(),
  };
}

/** Answers false when the client may go there already, or the idempotency key is taken. */
export async function insertResourceServer(
  tx: TenantTx,
  trust: ResourceServerTrust,
  request: KeyedRequest | undefined,
): Promise<boolean> {
  const rows = await tx.sql<{ id: string }>`
    insert into mono.resource_server_trusts (tenant_id, id, issuer, name, client_id, remote_client_id, profile, resources,
      scopes, idempotency_key, request_digest, created_at)
    values (${uuidOf(tx.tenantId)}, ${uuidOf(trust.id)}, ${trust.issuer}, ${trust.name}, ${uuidOf(trust.clientId)},
      ${trust.remoteClientId}, ${trust.profile}, ${[...trust.resources]}, ${[...trust.scopes]}, ${request?.key},
      ${request?.digest}, ${new Date(trust.createdAtMs)})
    on conflict do nothing
    returning id`;
  return rows.length === 1;
}

/** Where this client may go with an assertion of this kind: an ID-JAG, or a grant for identity chaining. */
export async function selectLivingResourceServer(
  tx: TenantTx,
  { clientId, issuer, chaining }: { readonly clientId: ClientId; readonly issuer: string; readonly chaining: boolean },
): Promise<ResourceServerTrust | undefined> {
  const [row] = await tx.sql<TrustRow>`
    select id, issuer, name, client_id, remote_client_id, profile, resources, scopes, created_at
    from mono.resource_server_trusts
    where tenant_id = ${uuidOf(tx.tenantId)} and client_id = ${uuidOf(clientId)} and issuer = ${issuer}
      and (profile = 'identity_chaining') = ${chaining} and ended_at is null`;
  return row && trustOf(row);
}

export async function lockResourceServer(
  tx: TenantTx,
  id: GrantId,
): Promise<{ readonly trust: ResourceServerTrust; readonly living: boolean } | undefined> {
  const [row] = await tx.sql<TrustRow & { ended_at: Date | null }>`
    select id, issuer, name, client_id, remote_client_id, profile, resources, scopes, created_at, ended_at
    from mono.resource_server_trusts where tenant_id = ${uuidOf(tx.tenantId)} and id = ${uuidOf(id)} for update`;
  return row && { trust: trustOf(row), living: row.ended_at === null };
}

export async function selectResourceServerByIdempotencyKey(
  tx: TenantTx,
  key: string,
): Promise<{ trust: ResourceServerTrust; requestDigest: Uint8Array | null } | undefined> {
  const [row] = await tx.sql<TrustRow & { request_digest: Uint8Array | null }>`
    select id, issuer, name, client_id, remote_client_id, profile, resources, scopes, created_at, request_digest
    from mono.resource_server_trusts where tenant_id = ${uuidOf(tx.tenantId)} and idempotency_key = ${key}`;
  return row && { trust: trustOf(row), requestDigest: row.request_digest };
}

/** Newest first, after the one `after` when it is given. */
export async function selectResourceServers(
  tx: TenantTx,
  after: GrantId | undefined,
  limit: number,
): Promise<ResourceServerTrust[]> {
  const before = after && uuidOf(after);
  const rows = await tx.sql<TrustRow>`
    select id, issuer, name, client_id, remote_client_id, profile, resources, scopes, created_at
    from mono.resource_server_trusts
    where tenant_id = ${uuidOf(tx.tenantId)} and ended_at is null and (${before}::uuid is null or id < ${before}::uuid)
    order by id desc limit ${limit}`;
  return rows.map(trustOf);
}

export async function endResourceServer(tx: TenantTx, id: GrantId, nowMs: number): Promise<void> {
  await tx.sql`
    update mono.resource_server_trusts set ended_at = ${new Date(nowMs)}
    where tenant_id = ${uuidOf(tx.tenantId)} and id = ${uuidOf(id)} and ended_at is null`;
}
