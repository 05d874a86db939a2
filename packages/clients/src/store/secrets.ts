import { type ClientId, type Id, idFromUuid, uuidOf } from '@mono-auth/core/ids';
import type { KeyedRequest } from '@mono-auth/core/request-digest';
import type { TenantTx } from '@mono-auth/database';
import type { ClientSecret } from '../secrets/client-secret.ts';

interface SecretRow {
  id: string;
  client_id: string;
  created_at: Date;
  expires_at: Date;
  last_used_at: Date | null;
}

function secretOf(row: SecretRow): ClientSecret {
  return {
    id: idFromUuid('sec', row.id),
    clientId: idFromUuid('cli', row.client_id),
    createdAtMs: row.created_at.getTime(),
    expiresAtMs: row.expires_at.getTime(),
    lastUsedAtMs: row.last_used_at?.getTime(),
  };
}

export async function insertSecret(
  tx: TenantTx,
  secret: ClientSecret,
  digest: Uint8Array,
  request: KeyedRequest | undefined,
): Promise<void> {
  await tx.sql`
    insert into mono.client_secrets (tenant_id, id, client_id, digest, created_at, expires_at, idempotency_key,
      request_digest)
    values (${uuidOf(tx.tenantId)}, ${uuidOf(secret.id)}, ${uuidOf(secret.clientId)}, ${digest},
      ${new Date(secret.createdAtMs)}, ${new Date(secret.expiresAtMs)}, ${request?.key}, ${request?.digest})`;
}

/** Those that live now, newest first, of each of the clients. */
export async function selectLivingSecrets(
  tx: TenantTx,
  clientIds: readonly ClientId[],
  nowMs: number,
): Promise<ClientSecret[]> {
  const rows = await tx.sql<SecretRow>`
    select id, client_id, created_at, expires_at, last_used_at from mono.client_secrets
    where tenant_id = ${uuidOf(tx.tenantId)} and client_id = any(${clientIds.map(uuidOf)}::uuid[])
      and expires_at > ${new Date(nowMs)}
    order by id desc`;
  return rows.map(secretOf);
}

/**
 * What a secret that is shown is compared with. Which of them live now is the caller's to say, of what may be remembered;
 * that was read at a time when those before `nowMs` had ended.
 */
export function selectDigests(
  tx: TenantTx,
  clientId: ClientId,
  nowMs: number,
): Promise<readonly (Pick<ClientSecret, 'id' | 'expiresAtMs'> & { readonly digest: Uint8Array })[]> {
  return tx.remembered(`secrets ${clientId}`, async () => {
    const rows = await tx.sql<Pick<SecretRow, 'id' | 'expires_at'> & { digest: Uint8Array }>`
      select id, expires_at, digest from mono.client_secrets
      where tenant_id = ${uuidOf(tx.tenantId)} and client_id = ${uuidOf(clientId)} and expires_at > ${new Date(nowMs)}`;
    return rows.map(({ id, expires_at, digest }) => ({
      ...{ id: idFromUuid('sec', id), expiresAtMs: expires_at.getTime() },
      digest: new Uint8Array(digest),
    }));
  });
}

export async function selectSecretByIdempotencyKey(
  tx: TenantTx,
  clientId: ClientId,
  key: string,
): Promise<{ secret: ClientSecret; requestDigest: Uint8Array | null } | undefined> {
  const [row] = await tx.sql<SecretRow & { request_digest: Uint8Array | null }>`
    select id, client_id, created_at, expires_at, last_used_at, request_digest from mono.client_secrets
    where tenant_id = ${uuidOf(tx.tenantId)} and client_id = ${uuidOf(clientId)} and idempotency_key = ${key}`;
  return row && { secret: secretOf(row), requestDigest: row.request_digest };
}

/** One secret ends at `endsAtMs`, unless it ends sooner. @returns what it is then, or undefined when it is not the client's. */
export async function endSecret(
  tx: TenantTx,
  { clientId, id }: Pick<ClientSecret, 'clientId' | 'id'>,
  endsAtMs: number,
): Promise<ClientSecret | undefined> {
  const [row] = await tx.sql<SecretRow>`
    update mono.client_secrets set expires_at = least(expires_at, ${new Date(endsAtMs)})
    where tenant_id = ${uuidOf(tx.tenantId)} and client_id = ${uuidOf(clientId)} and id = ${uuidOf(id)}
    returning id, client_id, created_at, expires_at, last_used_at`;
  return row && secretOf(row);
}

/** All secrets of a client end now. @returns how many lived. */
export async function endSecretsOf(tx: TenantTx, clientId: ClientId, nowMs: number): Promise<number> {
  const rows = await tx.sql<{ id: string }>`
    update mono.client_secrets set expires_at = ${new Date(nowMs)}
    where tenant_id = ${uuidOf(tx.tenantId)} and client_id = ${uuidOf(clientId)} and expires_at > ${new Date(nowMs)}
    returning id`;
  return rows.length;
}

/** Keeps the latest use, unless it is no more than `grainMs` after the one that is kept. */
export async function updateLastUse(tx: TenantTx, id: Id<'sec'>, usedAtMs: number, grainMs: number): Promise<void> {
  await tx.sql`
    update mono.client_secrets set last_used_at = ${new Date(usedAtMs)}
    where tenant_id = ${uuidOf(tx.tenantId)} and id = ${uuidOf(id)}
      and (last_used_at is null or last_used_at <= ${new Date(usedAtMs - grainMs)})`;
}
