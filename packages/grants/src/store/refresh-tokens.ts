import { type GrantId, uuidOf } from '@mono-auth/core/ids';
import type { TenantTx } from '@mono-auth/database';
import type { Grant } from '../grant.ts';
import { type GrantRow, grantOf } from './grants.ts';

export interface StoredRefreshToken {
  readonly digest: Uint8Array;
  readonly grant: Grant;
  readonly expiresAtMs: number;
  readonly spentAtMs: number | undefined;
}

export async function insertRefreshToken(
  tx: TenantTx,
  token: { readonly digest: Uint8Array; readonly grantId: GrantId; createdAtMs: number; expiresAtMs: number },
): Promise<void> {
  await tx.sql`
    insert into mono.refresh_tokens (tenant_id, digest, grant_id, created_at, expires_at)
    values (${uuidOf(tx.tenantId)}, ${token.digest}, ${uuidOf(token.grantId)}, ${new Date(token.createdAtMs)},
      ${new Date(token.expiresAtMs)})`;
}

export async function selectRefreshToken(tx: TenantTx, digest: Uint8Array): Promise<StoredRefreshToken | undefined> {
  const rows = await tx.sql<GrantRow & { token_expires_at: Date; spent_at: Date | null }>`
    select g.id, g.client_id, g.user_id, g.session_id, g.scopes, g.resources, g.auth_time, g.dpop_jkt, g.attester_id, g.epoch,
      g.feed_seq, g.created_at, g.expires_at, g.ended_at, t.expires_at as token_expires_at, t.spent_at
    from mono.refresh_tokens t
      join mono.token_grants g on g.tenant_id = t.tenant_id and g.id = t.grant_id
    where t.tenant_id = ${uuidOf(tx.tenantId)} and t.digest = ${digest}`;
  const [row] = rows;
  return (
    row && {
      digest,
      grant: grantOf(row),
      expiresAtMs: row.token_expires_at.getTime(),
      spentAtMs: row.spent_at?.getTime(),
    }
  );
}

/** Of parallel callers one gets true: the others wait for its transaction, and find the token spent. */
export async function spendRefreshToken(tx: TenantTx, digest: Uint8Array, nowMs: number): Promise<boolean> {
  const rows = await tx.sql<{ grant_id: string }>`
    update mono.refresh_tokens set spent_at = ${new Date(nowMs)}
    where tenant_id = ${uuidOf(tx.tenantId)} and digest = ${digest} and spent_at is null
    returning grant_id`;
  return rows.length === 1;
}
