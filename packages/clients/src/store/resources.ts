import { type ClientId, idFromUuid, uuidOf } from '@mono-auth/core/ids';
import type { KeyedRequest } from '@mono-auth/core/request-digest';
import type { TenantTx } from '@mono-auth/database';
import type { Environment } from '../manifest.ts';
import type { Resource } from '../resources/resource.ts';

interface ResourceRow {
  identifier: string;
  name: string;
  environment: Environment;
  product: string;
  scopes: string[];
  access_token_ttl_seconds: number;
  dpop_required: boolean;
  is_default: boolean;
  client_id: string | null;
  retired: boolean;
  version: string;
  created_at: Date;
}

function resourceOf(row: ResourceRow): Resource {
  return {
    identifier: row.identifier,
    name: row.name,
    environment: row.environment,
    product: row.product,
    scopes: row.scopes,
    accessTokenTtlSeconds: row.access_token_ttl_seconds,
    dpopRequired: row.dpop_required,
    isDefault: row.is_default,
    clientId: row.client_id === null ? undefined : idFromUuid('cli', row.client_id),
    retired: row.retired,
    version: Number(row.version),
    createdAtMs: row.created_at.getTime(),
  };
}

/** Answers false when the identifier, the place of the default or the idempotency key is taken. */
export async function insertResource(
  tx: TenantTx,
  resource: Resource,
  request: KeyedRequest | undefined,
): Promise<boolean> {
  const rows = await tx.sql<{ identifier: string }>`
    insert into mono.resources (tenant_id, identifier, name, environment, product, scopes, access_token_ttl_seconds,
      dpop_required, is_default, client_id, retired, version, idempotency_key, request_digest, created_at)
    values (${uuidOf(tx.tenantId)}, ${resource.identifier}, ${resource.name}, ${resource.environment},
      ${resource.product}, ${resource.scopes}, ${resource.accessTokenTtlSeconds}, ${resource.dpopRequired},
      ${resource.isDefault}, ${resource.clientId && uuidOf(resource.clientId)}, ${resource.retired}, ${resource.version},
      ${request?.key}, ${request?.digest}, ${new Date(resource.createdAtMs)})
    on conflict do nothing
    returning identifier`;
  return rows.length === 1;
}

export function selectResource(tx: TenantTx, identifier: string): Promise<Resource | undefined> {
  return tx.remembered(`resource ${identifier}`, async () => {
    const [row] = await tx.sql<ResourceRow>`
      select identifier, name, environment, product, scopes, access_token_ttl_seconds, dpop_required, is_default, client_id,
        retired, version, created_at
      from mono.resources where tenant_id = ${uuidOf(tx.tenantId)} and identifier = ${identifier}`;
    return row && resourceOf(row);
  });
}

/** The same, and nobody else changes it until the transaction ends. */
export async function lockResource(tx: TenantTx, identifier: string): Promise<Resource | undefined> {
  const [row] = await tx.sql<ResourceRow>`
    select identifier, name, environment, product, scopes, access_token_ttl_seconds, dpop_required, is_default, client_id,
      retired, version, created_at
    from mono.resources where tenant_id = ${uuidOf(tx.tenantId)} and identifier = ${identifier} for update`;
  return row && resourceOf(row);
}

/**
 * A resource that tokens can be made for now: not retired, and the client that it is, if any, approved. A tenant without a
 * row for it answers undefined as well.
 */
export function selectLivingResource(tx: TenantTx, identifier: string): Promise<Resource | undefined> {
  return tx.remembered(`living resource ${identifier}`, async () => {
    const [row] = await tx.sql<ResourceRow>`
      select resource.identifier, resource.name, resource.environment, resource.product, resource.scopes,
        resource.access_token_ttl_seconds, resource.dpop_required, resource.is_default, resource.client_id, resource.retired,
        resource.version, resource.created_at
      from mono.resources as resource
        left join mono.clients as client on client.tenant_id = resource.tenant_id and client.id = resource.client_id
      where resource.tenant_id = ${uuidOf(tx.tenantId)} and resource.identifier = ${identifier} and not resource.retired
        and (resource.client_id is null or client.status = 'approved')`;
    return row && resourceOf(row);
  });
}

export async function selectResourceByIdempotencyKey(
  tx: TenantTx,
  key: string,
): Promise<{ resource: Resource; requestDigest: Uint8Array | null } | undefined> {
  const [row] = await tx.sql<ResourceRow & { request_digest: Uint8Array | null }>`
    select identifier, name, environment, product, scopes, access_token_ttl_seconds, dpop_required, is_default, client_id,
      retired, version, created_at, request_digest
    from mono.resources where tenant_id = ${uuidOf(tx.tenantId)} and idempotency_key = ${key}`;
  return row && { resource: resourceOf(row), requestDigest: row.request_digest };
}

/** By identifier, after the one `after` when it is given. */
export async function selectResources(tx: TenantTx, after: string | undefined, limit: number): Promise<Resource[]> {
  const rows = await tx.sql<ResourceRow>`
    select identifier, name, environment, product, scopes, access_token_ttl_seconds, dpop_required, is_default, client_id,
      retired, version, created_at
    from mono.resources
    where tenant_id = ${uuidOf(tx.tenantId)} and (${after}::text is null or identifier > ${after}::text)
    order by identifier limit ${limit}`;
  return rows.map(resourceOf);
}

/** Whether a client bears this resource, approved or not: the name is then taken. */
export async function isResourceOfClient(tx: TenantTx, identifier: string): Promise<boolean> {
  const rows = await tx.sql<{ id: string }>`
    select id from mono.clients where tenant_id = ${uuidOf(tx.tenantId)} and resource = ${identifier}`;
  return rows.length > 0;
}

/** Makes those who choose a default of one environment wait for each other until the transaction ends. */
export async function lockDefault(tx: TenantTx, environment: Environment): Promise<void> {
  await tx.sql<{ locked: string }>`
    select pg_advisory_xact_lock(hashtextextended(${`default resource|${tx.tenantId}|${environment}`}, 0))::text as locked`;
}

export function selectDefaultResource(tx: TenantTx, environment: Environment): Promise<Resource | undefined> {
  return tx.remembered(`default resource ${environment}`, async () => {
    const [row] = await tx.sql<ResourceRow>`
      select identifier, name, environment, product, scopes, access_token_ttl_seconds, dpop_required, is_default, client_id,
        retired, version, created_at
      from mono.resources
      where tenant_id = ${uuidOf(tx.tenantId)} and environment = ${environment} and is_default and not retired`;
    return row && resourceOf(row);
  });
}

/** Writes what can change. The row is locked. */
export async function updateResourceRow(tx: TenantTx, resource: Resource): Promise<void> {
  await tx.sql`
    update mono.resources set name = ${resource.name}, scopes = ${resource.scopes},
      access_token_ttl_seconds = ${resource.accessTokenTtlSeconds}, dpop_required = ${resource.dpopRequired},
      is_default = ${resource.isDefault}, client_id = ${resource.clientId && uuidOf(resource.clientId)},
      retired = ${resource.retired}, version = ${resource.version}
    where tenant_id = ${uuidOf(tx.tenantId)} and identifier = ${resource.identifier}`;
}

/** The resource of a client that is retired goes with it. */
export async function retireResourceOf(tx: TenantTx, clientId: ClientId): Promise<void> {
  await tx.sql`
    update mono.resources set retired = true, version = version + 1
    where tenant_id = ${uuidOf(tx.tenantId)} and client_id = ${uuidOf(clientId)} and not retired`;
}
