import { createHash } from 'node:crypto';
import { uuidOf } from '@mono-auth/core/ids';
import type { PlatformTx, TenantTx } from '@mono-auth/database';

/** The whole digest: a shortened one could collide on purpose. */
function digestOf(key: string): Uint8Array {
  return createHash('sha256').update(key, 'utf8').digest();
}

export interface Entry {
  readonly kind: string;
  readonly key: string;
}

/** Inserts the entry, or revives one that has expired; answers whether it did either. */
export async function insertOnce(tx: TenantTx, { kind, key }: Entry, nowMs: number, ttlMs: number): Promise<boolean> {
  const rows = await tx.sql<{ kind: string }>`
    insert into mono.ephemeral as entry (tenant_id, kind, digest, expires_at)
    values (${uuidOf(tx.tenantId)}, ${kind}, ${digestOf(key)}, ${new Date(nowMs + ttlMs)})
    on conflict (tenant_id, kind, digest) do update set expires_at = excluded.expires_at
      where entry.expires_at <= ${new Date(nowMs)}
    returning kind`;
  return rows.length === 1;
}

export async function addOne(tx: TenantTx, { kind, key }: Entry, nowMs: number, windowMs: number): Promise<number> {
  const now = new Date(nowMs);
  const [row] = await tx.sql<{ count: string }>`
    insert into mono.ephemeral as entry (tenant_id, kind, digest, count, expires_at)
    values (${uuidOf(tx.tenantId)}, ${kind}, ${digestOf(key)}, 1, ${new Date(nowMs + windowMs)})
    on conflict (tenant_id, kind, digest) do update set
      count = case when entry.expires_at <= ${now} then 1 else entry.count + 1 end,
      expires_at = case when entry.expires_at <= ${now} then excluded.expires_at else entry.expires_at end
    returning count`;
  return Number(row?.count);
}

export async function readValue(tx: TenantTx, { kind, key }: Entry, nowMs: number): Promise<string | undefined> {
  const [row] = await tx.sql<{ value: string | null }>`
    select value from mono.ephemeral
    where tenant_id = ${uuidOf(tx.tenantId)} and kind = ${kind} and digest = ${digestOf(key)}
      and expires_at > ${new Date(nowMs)}`;
  return row?.value ?? undefined;
}

export async function writeValue(
  tx: TenantTx,
  { kind, key }: Entry,
  value: string,
  nowMs: number,
  ttlMs: number,
): Promise<void> {
  await tx.sql`
    insert into mono.ephemeral (tenant_id, kind, digest, value, expires_at)
    values (${uuidOf(tx.tenantId)}, ${kind}, ${digestOf(key)}, ${value}, ${new Date(nowMs + ttlMs)})
    on conflict (tenant_id, kind, digest) do update set value = excluded.value, expires_at = excluded.expires_at`;
}

export async function takeValue(tx: TenantTx, { kind, key }: Entry, nowMs: number): Promise<string | undefined> {
  const [row] = await tx.sql<{ value: string | null }>`
    delete from mono.ephemeral
    where tenant_id = ${uuidOf(tx.tenantId)} and kind = ${kind} and digest = ${digestOf(key)}
      and expires_at > ${new Date(nowMs)}
    returning value`;
  return row?.value ?? undefined;
}

export async function deleteEntry(tx: TenantTx, { kind, key }: Entry): Promise<void> {
  await tx.sql`
    delete from mono.ephemeral
    where tenant_id = ${uuidOf(tx.tenantId)} and kind = ${kind} and digest = ${digestOf(key)}`;
}

/** Keeps the first incarnation that anybody proposes, and answers it. */
export async function keepIncarnation(tx: PlatformTx, proposed: string): Promise<string> {
  await tx.sql`insert into mono.ephemeral_incarnation (only_row, incarnation) values (true, ${proposed})
    on conflict (only_row) do nothing`;
  const [row] = await tx.sql<{ incarnation: string }>`
    select incarnation from mono.ephemeral_incarnation where only_row`;
  return row?.incarnation ?? proposed;
}

/** Deletes at most `limit` entries that have expired, and answers how many. */
export async function deleteExpired(tx: PlatformTx, nowMs: number, limit: number): Promise<number> {
  const rows = await tx.sql<{ kind: string }>`
    delete from mono.ephemeral where (tenant_id, kind, digest) in (
      select tenant_id, kind, digest from mono.ephemeral where expires_at <= ${new Date(nowMs)}
      order by expires_at limit ${limit})
      and expires_at <= ${new Date(nowMs)}
    returning kind`;
  return rows.length;
}
