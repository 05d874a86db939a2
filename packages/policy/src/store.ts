import { idFromUuid, uuidOf } from '@mono-auth/core/ids';
import type { Principal } from '@mono-auth/core/principal';
import type { TenantTx } from '@mono-auth/database';
import type { PolicyVersion } from './policy-version.ts';

interface VersionRow {
  version: string;
  id: string;
  hash: Uint8Array;
  published_by: Principal;
  published_at: Date;
}

function versionOf(row: VersionRow): PolicyVersion {
  return {
    id: idFromUuid('pol', row.id),
    version: Number(row.version),
    hash: new Uint8Array(row.hash),
    publishedBy: row.published_by,
    publishedAtMs: row.published_at.getTime(),
  };
}

/** Answers false when this version exists: somebody else has published on the same one. */
export async function insertVersion(
  tx: TenantTx,
  version: PolicyVersion,
  policyText: string,
  snapshot: Uint8Array,
): Promise<boolean> {
  const rows = await tx.sql<{ id: string }>`
    insert into mono.policy_versions (tenant_id, version, id, policy_text, snapshot, hash, published_by, published_at)
    values (${uuidOf(tx.tenantId)}, ${version.version}, ${uuidOf(version.id)}, ${policyText}, ${snapshot},
      ${version.hash}, ${version.publishedBy}, ${new Date(version.publishedAtMs)})
    on conflict do nothing
    returning id`;
  return rows.length === 1;
}

export function selectCurrentVersion(tx: TenantTx): Promise<PolicyVersion | undefined> {
  return tx.remembered('policy version', async () => {
    const rows = await tx.sql<VersionRow>`
      select version, id, hash, published_by, published_at from mono.policy_versions
      where tenant_id = ${uuidOf(tx.tenantId)} order by version desc limit 1`;
    return rows[0] && versionOf(rows[0]);
  });
}

export async function selectSnapshot(tx: TenantTx, version: number): Promise<Uint8Array | undefined> {
  const rows = await tx.sql<{ snapshot: Uint8Array }>`
    select snapshot from mono.policy_versions where tenant_id = ${uuidOf(tx.tenantId)} and version = ${version}`;
  return rows[0] && new Uint8Array(rows[0].snapshot);
}

/** Newest first, below `before` when it is given. */
export async function selectVersions(
  tx: TenantTx,
  before: number | undefined,
  limit: number,
): Promise<PolicyVersion[]> {
  const rows = await tx.sql<VersionRow>`
    select version, id, hash, published_by, published_at from mono.policy_versions
    where tenant_id = ${uuidOf(tx.tenantId)} and (${before}::bigint is null or version < ${before}::bigint)
    order by version desc limit ${limit}`;
  return rows.map(versionOf);
}
