import { idFromUuid, type RevocationId, uuidOf } from '@mono-auth/core/ids';
import type { Principal } from '@mono-auth/core/principal';
import type { KeyedRequest } from '@mono-auth/core/request-digest';
import { Json, type TenantTx } from '@mono-auth/database';
import type { Casualty, Revocation, RevocationTarget } from './revocation.ts';

interface RawRevocation {
  id: string;
  target_kind: RevocationTarget['kind'];
  target_id: string;
  reason: string;
  feed_seq: string;
  created_by: Principal;
  created_at: Date;
  casualties: Casualty[];
}

function toRevocation(row: RawRevocation): Revocation {
  const { target_kind: kind, target_id: id } = row;
  return {
    id: idFromUuid('rev', row.id),
    // Kind and id were checked when the row was written.
    target: (kind === 'tenant' ? { kind } : { kind, id }) as RevocationTarget,
    reason: row.reason,
    feedSeq: Number(row.feed_seq),
    createdBy: row.created_by,
    createdAtMs: row.created_at.getTime(),
    casualties: row.casualties,
  };
}

/** Makes orders with the same key wait for each other until the transaction ends. */
export async function lockIdempotencyKey(tx: TenantTx, key: string): Promise<void> {
  await tx.sql<{ locked: string }>`
    select pg_advisory_xact_lock(hashtextextended(${`revocation|${tx.tenantId}|${key}`}, 0))::text as locked`;
}

/** With the digest of the request that ordered it. */
export async function findByIdempotencyKey(
  tx: TenantTx,
  key: string,
): Promise<{ revocation: Revocation; requestDigest: Uint8Array | null } | undefined> {
  const [row] = await tx.sql<RawRevocation & { request_digest: Uint8Array | null }>`
    select id, target_kind, target_id, reason, feed_seq, created_by, created_at, casualties, request_digest
    from mono.revocations where idempotency_key = ${key}`;
  return row && { revocation: toRevocation(row), requestDigest: row.request_digest };
}

export async function findRevocation(tx: TenantTx, id: RevocationId): Promise<Revocation | undefined> {
  const [row] = await tx.sql<RawRevocation>`
    select id, target_kind, target_id, reason, feed_seq, created_by, created_at, casualties
    from mono.revocations where id = ${uuidOf(id)}`;
  return row && toRevocation(row);
}

/** Newest first: ids are made in the order of time. */
export async function listRevocations(
  tx: TenantTx,
  page: { before: RevocationId | undefined; limit: number },
): Promise<Revocation[]> {
  const before = page.before ? uuidOf(page.before) : null;
  const rows = await tx.sql<RawRevocation>`
    select id, target_kind, target_id, reason, feed_seq, created_by, created_at, casualties
    from mono.revocations where ${before}::uuid is null or id < ${before} order by id desc limit ${page.limit}`;
  return rows.map(toRevocation);
}

export async function insertRevocation(
  tx: TenantTx,
  revocation: Revocation,
  request: KeyedRequest | undefined,
): Promise<void> {
  const { id, target, reason, feedSeq, createdBy, createdAtMs, casualties } = revocation;
  await tx.sql`
    insert into mono.revocations (tenant_id, id, target_kind, target_id, reason, feed_seq, created_by, created_at,
      casualties, idempotency_key, request_digest)
    values (${uuidOf(tx.tenantId)}, ${uuidOf(id)}, ${target.kind}, ${target.kind === 'tenant' ? '' : target.id},
      ${reason}, ${feedSeq}, ${createdBy}, ${new Date(createdAtMs)}, ${new Json(casualties)},
      ${request?.key}, ${request?.digest})`;
}
