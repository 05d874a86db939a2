import { type ClientId, type Id, idFromUuid, uuidOf } from '@mono-auth/core/ids';
import type { KeyedRequest } from '@mono-auth/core/request-digest';
import type { TenantTx } from '@mono-auth/database';
import type { Environment } from '../manifest.ts';
import type { RegistrationToken } from '../registration-tokens/registration-token.ts';

interface TokenRow {
  id: string;
  label: string;
  environment: Environment;
  created_at: Date;
  expires_at: Date;
  used_for_client_id: string | null;
  revoked: boolean;
  owner_user_id: string | null;
}

function tokenOf(row: TokenRow): RegistrationToken {
  return {
    id: idFromUuid('iat', row.id),
    label: row.label,
    environment: row.environment,
    createdAtMs: row.created_at.getTime(),
    expiresAtMs: row.expires_at.getTime(),
    usedForClientId: row.used_for_client_id === null ? undefined : idFromUuid('cli', row.used_for_client_id),
    revoked: row.revoked,
    ownerUserId: row.owner_user_id === null ? undefined : idFromUuid('usr', row.owner_user_id),
  };
}

/** Answers false when the idempotency key is taken. */
export async function insertRegistrationToken(
  tx: TenantTx,
  token: RegistrationToken,
  digest: Uint8Array,
  request: KeyedRequest | undefined,
): Promise<boolean> {
  const rows = await tx.sql<{ id: string }>`
    insert into mono.registration_tokens (tenant_id, id, digest, label, environment, created_at, expires_at, revoked,
      idempotency_key, request_digest, owner_user_id)
    values (${uuidOf(tx.tenantId)}, ${uuidOf(token.id)}, ${digest}, ${token.label}, ${token.environment},
      ${new Date(token.createdAtMs)}, ${new Date(token.expiresAtMs)}, false, ${request?.key}, ${request?.digest},
      ${token.ownerUserId && uuidOf(token.ownerUserId)})
    on conflict do nothing
    returning id`;
  return rows.length === 1;
}

export async function selectRegistrationTokenByIdempotencyKey(
  tx: TenantTx,
  key: string,
): Promise<{ token: RegistrationToken; requestDigest: Uint8Array | null } | undefined> {
  const [row] = await tx.sql<TokenRow & { request_digest: Uint8Array | null }>`
    select id, label, environment, created_at, expires_at, used_for_client_id, revoked, owner_user_id,
      request_digest
    from mono.registration_tokens where tenant_id = ${uuidOf(tx.tenantId)} and idempotency_key = ${key}`;
  return row && { token: tokenOf(row), requestDigest: row.request_digest };
}

/** Newest first, after the one `after` when it is given. */
export async function selectRegistrationTokens(
  tx: TenantTx,
  after: Id<'iat'> | undefined,
  limit: number,
): Promise<RegistrationToken[]> {
  const rows = await tx.sql<TokenRow>`
    select id, label, environment, created_at, expires_at, used_for_client_id, revoked, owner_user_id
    from mono.registration_tokens
    where tenant_id = ${uuidOf(tx.tenantId)}
      and (${after && uuidOf(after)}::uuid is null or id < ${after && uuidOf(after)}::uuid)
    order by id desc limit ${limit}`;
  return rows.map(tokenOf);
}

export async function lockRegistrationToken(tx: TenantTx, id: Id<'iat'>): Promise<RegistrationToken | undefined> {
  const [row] = await tx.sql<TokenRow>`
    select id, label, environment, created_at, expires_at, used_for_client_id, revoked, owner_user_id
    from mono.registration_tokens where tenant_id = ${uuidOf(tx.tenantId)} and id = ${uuidOf(id)} for update`;
  return row && tokenOf(row);
}

export async function updateTokenRevoked(tx: TenantTx, id: Id<'iat'>): Promise<void> {
  await tx.sql`
    update mono.registration_tokens set revoked = true
    where tenant_id = ${uuidOf(tx.tenantId)} and id = ${uuidOf(id)}`;
}

/** The one with this digest; nobody else uses it until the transaction ends. */
export async function lockRegistrationTokenByDigest(
  tx: TenantTx,
  digest: Uint8Array,
): Promise<RegistrationToken | undefined> {
  const [row] = await tx.sql<TokenRow>`
    select id, label, environment, created_at, expires_at, used_for_client_id, revoked, owner_user_id
    from mono.registration_tokens where tenant_id = ${uuidOf(tx.tenantId)} and digest = ${digest} for update`;
  return row && tokenOf(row);
}

export async function updateTokenUsed(tx: TenantTx, id: Id<'iat'>, clientId: ClientId): Promise<void> {
  await tx.sql`
    update mono.registration_tokens set used_for_client_id = ${uuidOf(clientId)}
    where tenant_id = ${uuidOf(tx.tenantId)} and id = ${uuidOf(id)}`;
}
