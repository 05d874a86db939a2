import type { PlatformTx } from '@mono-auth/database';

/** Each deletes at most `limit` rows and answers how many. */
export async function deleteRefreshTokens(tx: PlatformTx, before: Date, limit: number): Promise<number> {
  const rows = await tx.sql<{ expires_at: Date }>`
    delete from mono.refresh_tokens where (tenant_id, digest) in (
      select tenant_id, digest from mono.refresh_tokens where expires_at < ${before} limit ${limit})
    returning expires_at`;
  return rows.length;
}

export async function deleteGrants(tx: PlatformTx, before: Date, limit: number): Promise<number> {
  const rows = await tx.sql<{ expires_at: Date }>`
    delete from mono.token_grants where (tenant_id, id) in (
      select tenant_id, id from mono.token_grants where expires_at < ${before} limit ${limit})
    returning expires_at`;
  return rows.length;
}

export async function deleteDeviceCodes(tx: PlatformTx, before: Date, limit: number): Promise<number> {
  const rows = await tx.sql<{ expires_at: Date }>`
    delete from mono.device_codes where (tenant_id, id) in (
      select tenant_id, id from mono.device_codes where expires_at < ${before} limit ${limit})
    returning expires_at`;
  return rows.length;
}

export async function deletePushedRequests(tx: PlatformTx, before: Date, limit: number): Promise<number> {
  const rows = await tx.sql<{ expires_at: Date }>`
    delete from mono.pushed_requests where (tenant_id, digest) in (
      select tenant_id, digest from mono.pushed_requests where expires_at < ${before} limit ${limit})
    returning expires_at`;
  return rows.length;
}
