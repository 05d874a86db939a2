import { type ClientId, uuidOf } from '@mono-auth/core/ids';
import { Json, type TenantTx } from '@mono-auth/database';

/** A client as its approval leaves it, with its one secret. */
export interface SeededClient {
  readonly id: ClientId;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly audiences: readonly string[];
  readonly manifest: object;
  /** Of the secret's row, and SHA-256 of the secret in hex; absent for a client that has keys. */
  readonly secret: { readonly id: string; readonly digest: string } | undefined;
}

/** Writes machines of one tenant, many in one statement, without their way through drafts and reviews. */
export async function insertClients(
  tx: TenantTx,
  clients: readonly SeededClient[],
  { nowMs, secretTtlMs }: { readonly nowMs: number; readonly secretTtlMs: number },
): Promise<void> {
  const now = new Date(nowMs);
  const tenantId = uuidOf(tx.tenantId);
  const rows = clients.map(({ id, secret, ...client }) => ({
    ...client,
    id: uuidOf(id),
    secret_id: secret?.id,
    digest: secret?.digest,
  }));
  await tx.sql`
    insert into mono.clients (tenant_id, id, kind, name, status, scopes, audiences, jwks, created_at, manifest)
    select ${tenantId}, c.id, 'machine', c.name, 'approved', c.scopes, c.audiences, c.manifest -> 'jwks', ${now}, c.manifest
    from jsonb_to_recordset(${new Json(rows)}::jsonb) as c (id uuid, name text, scopes text[], audiences text[], manifest jsonb)`;
  await tx.sql`
    insert into mono.client_secrets (tenant_id, id, client_id, digest, created_at, expires_at)
    select ${tenantId}, c.secret_id, c.id, decode(c.digest, 'hex'), ${now}, ${new Date(nowMs + secretTtlMs)}
    from jsonb_to_recordset(${new Json(rows)}::jsonb) as c (id uuid, secret_id uuid, digest text)
    where c.secret_id is not null`;
}
