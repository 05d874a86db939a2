import { createHash } from 'node:crypto';
import { type ClientId, type TenantId, uuidOf } from '@mono-auth/core/ids';
import { systemRuntime } from '@mono-auth/core/runtime';
import type { TestDatabase } from './test-database.ts';

type Admin = TestDatabase['admin'];

/** How long the secrets of tests live, milliseconds. */
const secretTtlMs = 86_400_000;

/** Puts another manifest in force, as if its members had been approved. */
export async function changeManifest(admin: Admin, clientId: string, change: object): Promise<void> {
  await admin('update mono.clients set manifest = manifest || $1 where id = $2', [
    JSON.stringify(change),
    uuidOf(clientId as ClientId),
  ]);
}

/** Gives a client a secret that lives for a day from `nowMs` on. */
export async function addSecret(
  admin: Admin,
  client: { readonly tenantId: TenantId; readonly id: string },
  secret: string,
  nowMs: number,
): Promise<void> {
  await admin(
    `insert into mono.client_secrets (tenant_id, id, client_id, digest, created_at, expires_at)
     values ($1, $2, $3, $4, $5, $6)`,
    [
      uuidOf(client.tenantId),
      systemRuntime.uuid(),
      uuidOf(client.id as ClientId),
      createHash('sha256').update(secret).digest(),
      new Date(nowMs),
      new Date(nowMs + secretTtlMs),
    ],
  );
}
