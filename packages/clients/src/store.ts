import { type ClientId, type HostId, idFromUuid, uuidOf } from '@mono-auth/core/ids';
import type { Principal } from '@mono-auth/core/principal';
import type { KeyedRequest } from '@mono-auth/core/request-digest';
import { Json, type TenantTx } from '@mono-auth/database';
import type { Client, ClientKind, ClientSource, ClientStatus, PublicJwks } from './client.ts';
import { type Environment, keyedManifest, type Manifest } from './manifest.ts';

interface ClientRow {
  id: string;
  kind: ClientKind;
  name: string;
  status: ClientStatus;
  scopes: string[];
  audiences: string[];
  resource: string | null;
  jwks: PublicJwks;
  host_id: string | null;
  created_at: Date;
  environment: Environment;
  product: string;
  owner_user_id: string | null;
  source: ClientSource;
  external_id: string | null;
  manifest: Manifest | null;
  proposed: Manifest | null;
  proposed_submitted: boolean;
  submitted_by: Principal | null;
  approved_by: Principal | null;
  version: string;
}

function clientOf(row: ClientRow): Client {
  const waits = row.status === 'draft' || row.status === 'submitted';
  return {
    environment: row.environment,
    product: row.product,
    ownerUserId: row.owner_user_id === null ? undefined : idFromUuid('usr', row.owner_user_id),
    source: row.source,
    externalId: row.external_id ?? undefined,
    // Rows from before there were manifests were approved as they stand.
    manifest: row.manifest ?? (waits ? undefined : keyedManifest(row)),
    proposed: row.proposed ?? undefined,
    proposedSubmitted: row.proposed_submitted,
    submittedBy: row.submitted_by ?? undefined,
    approvedBy: row.approved_by ?? undefined,
    version: Number(row.version),
    id: idFromUuid('cli', row.id),
    kind: row.kind,
    name: row.name,
    status: row.status,
    scopes: row.scopes,
    audiences: row.audiences,
    resource: row.resource ?? undefined,
    jwks: row.jwks,
    hostId: row.host_id === null ? undefined : idFromUuid('hst', row.host_id),
    createdAtMs: row.created_at.getTime(),
  };
}

/** Answers false when the name, the resource or the idempotency key is taken. */
export async function insertClient(tx: TenantTx, client: Client, request: KeyedRequest | undefined): Promise<boolean> {
  const rows = await tx.sql<{ id: string }>`
    insert into mono.clients (tenant_id, id, kind, name, status, scopes, audiences, resource, jwks, host_id,
      idempotency_key, created_at, environment, product, owner_user_id, source, external_id, manifest, proposed,
      proposed_submitted, version, request_digest, submitted_by, approved_by)
    values (${uuidOf(tx.tenantId)}, ${uuidOf(client.id)}, ${client.kind}, ${client.name}, ${client.status},
      ${client.scopes}, ${client.audiences}, ${client.resource}, ${new Json(client.jwks)},
      ${client.hostId && uuidOf(client.hostId)}, ${request?.key}, ${new Date(client.createdAtMs)},
      ${client.environment}, ${client.product}, ${client.ownerUserId && uuidOf(client.ownerUserId)}, ${client.source},
      ${client.externalId}, ${client.manifest && new Json(client.manifest)},
      ${client.proposed && new Json(client.proposed)}, ${client.proposedSubmitted}, ${client.version},
      ${request?.digest}, ${client.submittedBy}, ${client.approvedBy})
    on conflict do nothing
    returning id`;
  return rows.length === 1;
}

export function selectClient(tx: TenantTx, id: ClientId): Promise<Client | undefined> {
  return tx.remembered(`client ${id}`, async () => {
    const rows = await tx.sql<ClientRow>`
      select id, kind, name, status, scopes, audiences, resource, jwks, host_id, created_at, environment, product,
        owner_user_id, source, external_id, manifest, proposed, proposed_submitted, version, submitted_by, approved_by
      from mono.clients
      where tenant_id = ${uuidOf(tx.tenantId)} and id = ${uuidOf(id)}`;
    return rows[0] && clientOf(rows[0]);
  });
}

/** Looks a client up as if nothing were remembered, and answers nothing: it takes as long as for one that is not there. */
export async function lookUpInVain(tx: TenantTx, id: ClientId): Promise<void> {
  await tx.sql<{ id: string }>`
    select id, manifest, proposed from mono.clients where tenant_id = ${uuidOf(tx.tenantId)} and id = ${uuidOf(id)}`;
}

/** By what it calls itself: the URL of its metadata document. */
export function selectClientByExternalId(tx: TenantTx, externalId: string): Promise<Client | undefined> {
  return tx.remembered(`client called ${externalId}`, async () => {
    const rows = await tx.sql<ClientRow>`
      select id, kind, name, status, scopes, audiences, resource, jwks, host_id, created_at, environment, product,
        owner_user_id, source, external_id, manifest, proposed, proposed_submitted, version, submitted_by, approved_by
      from mono.clients
      where tenant_id = ${uuidOf(tx.tenantId)} and external_id = ${externalId}`;
    return rows[0] && clientOf(rows[0]);
  });
}

/** The approved client that is the server of a resource. */
export async function selectClientByResource(tx: TenantTx, resource: string): Promise<Client | undefined> {
  const rows = await tx.sql<ClientRow>`
    select id, kind, name, status, scopes, audiences, resource, jwks, host_id, created_at, environment, product,
      owner_user_id, source, external_id, manifest, proposed, proposed_submitted, version, submitted_by, approved_by
    from mono.clients
    where tenant_id = ${uuidOf(tx.tenantId)} and resource = ${resource} and status = 'approved'`;
  return rows[0] && clientOf(rows[0]);
}

/** The same, and nobody else changes it until the transaction ends. */
export async function lockClient(tx: TenantTx, id: ClientId): Promise<Client | undefined> {
  const rows = await tx.sql<ClientRow>`
    select id, kind, name, status, scopes, audiences, resource, jwks, host_id, created_at, environment, product,
      owner_user_id, source, external_id, manifest, proposed, proposed_submitted, version, submitted_by, approved_by
    from mono.clients
    where tenant_id = ${uuidOf(tx.tenantId)} and id = ${uuidOf(id)} for update`;
  return rows[0] && clientOf(rows[0]);
}

/** The client that calls itself so, locked. */
export async function lockClientByExternalId(tx: TenantTx, externalId: string): Promise<Client | undefined> {
  const rows = await tx.sql<ClientRow>`
    select id, kind, name, status, scopes, audiences, resource, jwks, host_id, created_at, environment, product,
      owner_user_id, source, external_id, manifest, proposed, proposed_submitted, version, submitted_by, approved_by
    from mono.clients
    where tenant_id = ${uuidOf(tx.tenantId)} and external_id = ${externalId} for update`;
  return rows[0] && clientOf(rows[0]);
}

/** The client that an idempotency key has made, with what was asked for: null where an earlier release has written it. */
export async function selectClientByIdempotencyKey(
  tx: TenantTx,
  key: string,
): Promise<{ client: Client; requestDigest: Uint8Array | null } | undefined> {
  const [row] = await tx.sql<ClientRow & { request_digest: Uint8Array | null }>`
    select id, kind, name, status, scopes, audiences, resource, jwks, host_id, created_at, environment, product,
      owner_user_id, source, external_id, manifest, proposed, proposed_submitted, version, submitted_by, approved_by,
      request_digest
    from mono.clients
    where tenant_id = ${uuidOf(tx.tenantId)} and idempotency_key = ${key}`;
  return row && { client: clientOf(row), requestDigest: row.request_digest };
}

/** Newest first, after the client `after` when it is given. */
export async function selectClients(tx: TenantTx, after: ClientId | undefined, limit: number): Promise<Client[]> {
  const rows = await tx.sql<ClientRow>`
    select id, kind, name, status, scopes, audiences, resource, jwks, host_id, created_at, environment, product,
      owner_user_id, source, external_id, manifest, proposed, proposed_submitted, version, submitted_by, approved_by
    from mono.clients
    where tenant_id = ${uuidOf(tx.tenantId)}
      and (${after && uuidOf(after)}::uuid is null or id < ${after && uuidOf(after)}::uuid)
    order by id desc limit ${limit}`;
  return rows.map(clientOf);
}

/** Writes what changes in the life of a client. The row is locked. */
export async function updateClientLife(tx: TenantTx, client: Client, nowMs: number): Promise<void> {
  await tx.sql`
    update mono.clients set status = ${client.status}, owner_user_id = ${client.ownerUserId && uuidOf(client.ownerUserId)},
      manifest = ${client.manifest && new Json(client.manifest)}, proposed = ${client.proposed && new Json(client.proposed)},
      proposed_submitted = ${client.proposedSubmitted}, submitted_by = ${client.submittedBy},
      approved_by = ${client.approvedBy}, scopes = ${client.scopes}, audiences = ${client.audiences},
      jwks = ${new Json(client.jwks)}, version = ${client.version}, updated_at = ${new Date(nowMs)}
    where tenant_id = ${uuidOf(tx.tenantId)} and id = ${uuidOf(client.id)}`;
}

export async function updateClientJwks(tx: TenantTx, id: ClientId, jwks: PublicJwks): Promise<void> {
  await tx.sql`
    update mono.clients set jwks = ${new Json(jwks)}, manifest = jsonb_set(manifest, '{jwks}', ${new Json(jwks)})
    where tenant_id = ${uuidOf(tx.tenantId)} and id = ${uuidOf(id)}`;
}

/** What the client was until now; undefined when it was retired before. */
export async function markRetired(tx: TenantTx, id: ClientId): Promise<ClientStatus | undefined> {
  const rows = await tx.sql<{ was: ClientStatus }>`
    update mono.clients as client set status = 'retired', version = client.version + 1
    from mono.clients as before
    where client.tenant_id = ${uuidOf(tx.tenantId)} and client.id = ${uuidOf(id)} and client.status <> 'retired'
      and before.tenant_id = client.tenant_id and before.id = client.id
    returning before.status as was`;
  return rows[0]?.was;
}

/** @returns how many of the host's clients were approved until now. */
export async function updateHostClientsStatus(
  tx: TenantTx,
  hostId: HostId,
  status: 'suspended' | 'retired',
): Promise<number> {
  const rows = await tx.sql<{ was: ClientStatus }>`
    update mono.clients as client set status = ${status}, version = client.version + 1
    from mono.clients as before
    where client.tenant_id = ${uuidOf(tx.tenantId)} and client.host_id = ${uuidOf(hostId)} and client.status <> 'retired'
      and before.tenant_id = client.tenant_id and before.id = client.id
    returning before.status as was`;
  return rows.filter(({ was }) => was === 'approved').length;
}
