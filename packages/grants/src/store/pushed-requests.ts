import { type ClientId, idFromUuid, uuidOf } from '@mono-auth/core/ids';
import { Json, type TenantTx } from '@mono-auth/database';

/** Names and values as they were pushed; a name that was repeated has a list. */
export type PushedParameters = Readonly<Record<string, string | readonly string[]>>;

export interface StoredPushedRequest {
  readonly clientId: ClientId;
  readonly parameters: PushedParameters;
  readonly expiresAtMs: number;
}

export async function insertPushedRequest(
  tx: TenantTx,
  digest: Uint8Array,
  { clientId, parameters, expiresAtMs }: StoredPushedRequest,
  nowMs: number,
): Promise<void> {
  await tx.sql`
    insert into mono.pushed_requests (tenant_id, digest, client_id, parameters, created_at, expires_at)
    values (${uuidOf(tx.tenantId)}, ${digest}, ${uuidOf(clientId)}, ${new Json(parameters)}, ${new Date(nowMs)},
      ${new Date(expiresAtMs)})`;
}

export async function selectPushedRequest(tx: TenantTx, digest: Uint8Array): Promise<StoredPushedRequest | undefined> {
  const rows = await tx.sql<{ client_id: string; parameters: PushedParameters; expires_at: Date }>`
    select client_id, parameters, expires_at
    from mono.pushed_requests where tenant_id = ${uuidOf(tx.tenantId)} and digest = ${digest}`;
  const [row] = rows;
  return (
    row && {
      clientId: idFromUuid('cli', row.client_id),
      parameters: row.parameters,
      expiresAtMs: row.expires_at.getTime(),
    }
  );
}
