import { type ClientId, idFromUuid, type TenantId, uuidOf } from '@mono-auth/core/ids';
import { Json, type PlatformTx, type TenantTx } from '@mono-auth/database';
import type { Environment, Manifest } from '../manifest.ts';

/** SHA-256 of the registration access token of a living client that has one. */
export async function selectRegistrationDigest(tx: TenantTx, id: ClientId): Promise<Uint8Array | undefined> {
  const [row] = await tx.sql<{ registration_digest: Uint8Array | null }>`
    select registration_digest from mono.clients
    where tenant_id = ${uuidOf(tx.tenantId)} and id = ${uuidOf(id)} and status <> 'retired'`;
  return row?.registration_digest ?? undefined;
}

export async function updateRegistrationDigest(tx: TenantTx, id: ClientId, digest: Uint8Array): Promise<void> {
  await tx.sql`
    update mono.clients set registration_digest = ${digest}
    where tenant_id = ${uuidOf(tx.tenantId)} and id = ${uuidOf(id)}`;
}

/** Whether a client that registered itself with exactly this manifest still waits for its first approval. */
export async function hasWaitingTwin(tx: TenantTx, environment: Environment, manifest: Manifest): Promise<boolean> {
  const rows = await tx.sql<{ id: string }>`
    select id from mono.clients
    where tenant_id = ${uuidOf(tx.tenantId)} and source = 'registration' and status in ('draft', 'submitted')
      and environment = ${environment} and proposed = ${new Json(manifest)} limit 1`;
  return rows.length > 0;
}

/**
 * Tenants in which a client that came by itself has waited since before `before`; which those are, the
 * wall of the platform says: it shows no other rows.
 */
export async function selectTenantsWithOverdue(tx: PlatformTx, before: Date, limit: number): Promise<TenantId[]> {
  const rows = await tx.sql<{ tenant_id: string }>`
    select distinct tenant_id from mono.clients where coalesce(updated_at, created_at) < ${before}
    limit ${limit}`;
  return rows.map((row) => idFromUuid('ten', row.tenant_id));
}

/** The clients of that kind in one tenant, locked; those that somebody changes right now are left for the next time. */
export async function lockOverdue(tx: TenantTx, before: Date, limit: number): Promise<ClientId[]> {
  const rows = await tx.sql<{ id: string }>`
    select id from mono.clients
    where tenant_id = ${uuidOf(tx.tenantId)} and source <> 'operator' and status in ('draft', 'submitted')
      and coalesce(updated_at, created_at) < ${before}
    limit ${limit} for update skip locked`;
  return rows.map((row) => idFromUuid('cli', row.id));
}

/** The URL that a client was known by is anybody's again. */
export async function clearExternalId(tx: TenantTx, id: ClientId): Promise<void> {
  await tx.sql`
    update mono.clients set external_id = null where tenant_id = ${uuidOf(tx.tenantId)} and id = ${uuidOf(id)}`;
}

/** How many clients of metadata documents the tenant has, and how many of them wait for their first approval. */
export async function countDocumentClients(tx: TenantTx): Promise<{ living: number; waiting: number }> {
  const [row] = await tx.sql<{ living: number; waiting: number }>`
    select count(*)::int as living, (count(*) filter (where status in ('draft', 'submitted')))::int as waiting
    from mono.clients
    where tenant_id = ${uuidOf(tx.tenantId)} and source = 'metadata_document' and status <> 'retired'`;
  return row ?? { living: 0, waiting: 0 };
}

/** The living resources of an environment with their scopes, the oldest first. */
export async function selectResourceScopes(
  tx: TenantTx,
  environment: Environment,
  limit: number,
): Promise<{ identifier: string; scopes: string[] }[]> {
  return tx.sql<{ identifier: string; scopes: string[] }>`
    select identifier, scopes from mono.resources
    where tenant_id = ${uuidOf(tx.tenantId)} and environment = ${environment} and not retired
    order by created_at, identifier limit ${limit}`;
}
