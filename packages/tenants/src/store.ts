import { idFromUuid, type TenantId, type UserId, uuidOf } from '@mono-auth/core/ids';
import type { Principal, TenantRole } from '@mono-auth/core/principal';
import { Json, type PlatformTx, type TenantTx } from '@mono-auth/database';
import type { KeyAlg, KeyChange, RotatedPurpose } from '@mono-auth/keys';
import type { KeyRotation, RotationMode } from './rotate-signing-key.ts';
import type { SecurityPolicy, VersionedPolicy } from './security-policy.ts';
import type { TenantRecord, TenantStatus } from './tenant.ts';

interface TenantRow {
  id: string;
  slug: string;
  display_name: string;
  status: TenantStatus;
  epoch: string;
  incarnation: string;
  key_version: string;
  created_at: Date;
}

function tenantOf(row: TenantRow): TenantRecord {
  return {
    id: idFromUuid('ten', row.id),
    slug: row.slug,
    displayName: row.display_name,
    status: row.status,
    epoch: Number(row.epoch),
    incarnation: Number(row.incarnation),
    keyVersion: Number(row.key_version),
    createdAtMs: row.created_at.getTime(),
  };
}

export async function selectTenantBySlug(tx: PlatformTx, slug: string): Promise<TenantRecord | undefined> {
  const rows = await tx.sql<TenantRow>`
    select id, slug, display_name, status, epoch, incarnation, key_version, created_at from mono.tenants where slug = ${slug}`;
  return rows[0] && tenantOf(rows[0]);
}

export async function selectTenantById(tx: PlatformTx, id: TenantId): Promise<TenantRecord | undefined> {
  const rows = await tx.sql<TenantRow>`
    select id, slug, display_name, status, epoch, incarnation, key_version, created_at from mono.tenants where id = ${uuidOf(id)}`;
  return rows[0] && tenantOf(rows[0]);
}

/** Newest first, after the tenant `after` when it is given. */
export async function selectTenants(
  tx: PlatformTx,
  after: TenantId | undefined,
  limit: number,
): Promise<TenantRecord[]> {
  const rows = await tx.sql<TenantRow>`
    select id, slug, display_name, status, epoch, incarnation, key_version, created_at from mono.tenants
    where ${after ? uuidOf(after) : null}::uuid is null or id < ${after ? uuidOf(after) : null}::uuid
    order by id desc limit ${limit}`;
  return rows.map(tenantOf);
}

/** Adds a tenant that is not ready yet. Answers nothing when the slug or the idempotency key is taken. */
export async function insertTenant(
  tx: PlatformTx,
  tenant: TenantRecord,
  idempotencyKey: string | undefined,
): Promise<TenantRecord | undefined> {
  const rows = await tx.sql<TenantRow>`
    insert into mono.tenants (id, slug, display_name, status, epoch, incarnation, idempotency_key, created_at)
    values (${uuidOf(tenant.id)}, ${tenant.slug}, ${tenant.displayName}, ${tenant.status}, ${tenant.epoch},
      ${tenant.incarnation}, ${idempotencyKey}, ${new Date(tenant.createdAtMs)})
    on conflict do nothing
    returning id, slug, display_name, status, epoch, incarnation, key_version, created_at`;
  return rows[0] && tenantOf(rows[0]);
}

export async function selectTenantByIdempotencyKey(tx: PlatformTx, key: string): Promise<TenantRecord | undefined> {
  const rows = await tx.sql<TenantRow>`
    select id, slug, display_name, status, epoch, incarnation, key_version, created_at from mono.tenants
    where idempotency_key = ${key}`;
  return rows[0] && tenantOf(rows[0]);
}

/** Opens the tenant of this transaction. Answers false when it is open. */
export async function activateOwnTenant(tx: TenantTx): Promise<boolean> {
  const rows = await tx.sql<{ id: string }>`
    update mono.tenants set status = 'active' where id = ${uuidOf(tx.tenantId)} and status = 'provisioning'
    returning id`;
  return rows.length === 1;
}

/** Makes those who provision the same tenant wait for each other until the transaction ends. */
export async function lockProvisioning(tx: TenantTx, id: TenantId): Promise<void> {
  await tx.sql<{ locked: string }>`
    select pg_advisory_xact_lock(hashtextextended(${`provisioning|${id}`}, 0))::text as locked`;
}

export async function updateTenantStatus(tx: PlatformTx, id: TenantId, status: TenantStatus): Promise<void> {
  await tx.sql`update mono.tenants set status = ${status} where id = ${uuidOf(id)}`;
}

/** The tenant of this transaction; row level security lets it see no other. */
export function selectOwnTenant(tx: TenantTx): Promise<TenantRecord | undefined> {
  return tx.remembered('tenant', async () => {
    const rows = await tx.sql<TenantRow>`
      select id, slug, display_name, status, epoch, incarnation, key_version, created_at from mono.tenants
      where id = ${uuidOf(tx.tenantId)}`;
    return rows[0] && tenantOf(rows[0]);
  });
}

export async function incrementEpoch(tx: TenantTx): Promise<number | undefined> {
  const rows = await tx.sql<{ epoch: string }>`
    update mono.tenants set epoch = epoch + 1 where id = ${uuidOf(tx.tenantId)} returning epoch`;
  return rows[0] && Number(rows[0].epoch);
}

export async function selectMemberRole(tx: TenantTx, userId: UserId): Promise<TenantRole | undefined> {
  const rows = await tx.sql<{ role: TenantRole }>`
    select role from mono.members where tenant_id = ${uuidOf(tx.tenantId)} and user_id = ${uuidOf(userId)}`;
  return rows[0]?.role;
}

export async function insertMember(tx: TenantTx, userId: UserId, role: TenantRole, nowMs: number): Promise<void> {
  await tx.sql`
    insert into mono.members (tenant_id, user_id, role, created_at)
    values (${uuidOf(tx.tenantId)}, ${uuidOf(userId)}, ${role}, ${new Date(nowMs)})
    on conflict (tenant_id, user_id) do nothing`;
}

interface RotationRow {
  id: string;
  purpose: RotatedPurpose;
  alg: KeyAlg | '';
  mode: RotationMode;
  reason: string;
  keys: KeyChange[];
  revocation_id: string | null;
  created_by: Principal;
  created_at: Date;
}

export async function selectRotationByIdempotencyKey(tx: TenantTx, key: string): Promise<KeyRotation | undefined> {
  const [row] = await tx.sql<RotationRow>`
    select id, purpose, alg, mode, reason, keys, revocation_id, created_by, created_at from mono.key_rotations
    where tenant_id = ${uuidOf(tx.tenantId)} and idempotency_key = ${key}`;
  return (
    row && {
      ...{ id: idFromUuid('rot', row.id), purpose: row.purpose, alg: row.alg || undefined, mode: row.mode },
      ...{ reason: row.reason, keys: row.keys, createdBy: row.created_by, createdAtMs: row.created_at.getTime() },
      revocationId: row.revocation_id ? idFromUuid('rev', row.revocation_id) : undefined,
    }
  );
}

export async function insertRotation(
  tx: TenantTx,
  { id, purpose, alg, mode, reason, keys, revocationId, createdBy, createdAtMs }: KeyRotation,
  idempotencyKey: string | undefined,
): Promise<void> {
  await tx.sql`
    insert into mono.key_rotations (tenant_id, id, purpose, alg, mode, reason, keys, revocation_id, created_by, created_at,
      idempotency_key)
    values (${uuidOf(tx.tenantId)}, ${uuidOf(id)}, ${purpose}, ${alg ?? ''}, ${mode}, ${reason}, ${new Json(keys)},
      ${revocationId ? uuidOf(revocationId) : null}, ${createdBy}, ${new Date(createdAtMs)}, ${idempotencyKey})`;
}

export function selectSecurityPolicy(
  tx: TenantTx,
): Promise<{ policy: Partial<SecurityPolicy>; version: number } | undefined> {
  return tx.remembered('security policy', async () => {
    const [row] = await tx.sql<{ policy: Partial<SecurityPolicy>; version: string }>`
      select policy, version from mono.security_policies where tenant_id = ${uuidOf(tx.tenantId)}`;
    return row && { policy: row.policy, version: Number(row.version) };
  });
}

/** Makes those who change the ceilings wait for each other until the transaction ends: before the first there is no row. */
export async function lockSecurityPolicy(tx: TenantTx): Promise<void> {
  await tx.sql<{ locked: string }>`
    select pg_advisory_xact_lock(hashtextextended(${`security policy|${tx.tenantId}`}, 0))::text as locked`;
}

export async function upsertSecurityPolicy(
  tx: TenantTx,
  { policy, version }: VersionedPolicy,
  nowMs: number,
): Promise<void> {
  await tx.sql`
    insert into mono.security_policies (tenant_id, policy, version, updated_at)
    values (${uuidOf(tx.tenantId)}, ${new Json(policy)}, ${version}, ${new Date(nowMs)})
    on conflict (tenant_id) do update
      set policy = excluded.policy, version = excluded.version, updated_at = excluded.updated_at`;
}
