import type { Refusal } from '@mono-auth/core/errors';
import { type TenantId, uuidOf } from '@mono-auth/core/ids';
import type pg from 'pg';
import type { AuditRow } from './audit-row.ts';

/** Something that may be used once, and what its second user is told. */
export interface Consumption {
  readonly tenantId: TenantId;
  /** What it is, as in `client_assertion`. */
  readonly kind: string;
  /** SHA-256 of who and what; never of a token's text (law 9). */
  readonly digest: Uint8Array;
  readonly expiresAtMs: number;
  readonly refusal: Refusal;
}

/** What one decision leaves behind: all of it is kept, or none. */
export interface Evidence {
  readonly rows: AuditRow[];
  readonly consumed: Consumption[];
}

/** Rows are described once: the audit login's group and a use case's own transaction insert the same. */
const evidenceInsert = `with consumed as (
  insert into mono.consumed (tenant_id, kind, digest, expires_at)
  select tenant_id, kind, digest, to_timestamp(expires_at_ms / 1000.0)
  from unnest($10::uuid[], $11::text[], $12::bytea[], $13::bigint[]) as used (tenant_id, kind, digest, expires_at_ms)
)
insert into mono.audit_events
  (tenant_id, id, occurred_at, type, outcome, actor, object_kind, object_id, envelope)
select tenant_id, id, to_timestamp(occurred_at_ms / 1000.0), type, outcome, actor, object_kind, object_id, envelope
from unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::text[], $5::smallint[], $6::text[], $7::text[], $8::text[], $9::bytea[])
  as event (tenant_id, id, occurred_at_ms, type, outcome, actor, object_kind, object_id, envelope)`;

/** Writes evidence in one statement. @throws the driver's unique violation when something was used before. */
export async function insertEvidence(client: pg.Pool | pg.PoolClient, evidence: readonly Evidence[]): Promise<void> {
  const rows = evidence.flatMap((group) => group.rows);
  const consumed = evidence.flatMap((group) => group.consumed).sort(byDigest);
  if (rows.length + consumed.length === 0) return;
  await client.query({
    name: 'mono-evidence',
    text: evidenceInsert,
    values: [...auditColumns(rows), ...consumedColumns(consumed)],
  });
}

/**
 * Which of several consumptions was the one used before: the first that cannot be kept by itself either. Nothing is left
 * behind; whose use came first has committed, so the answer stays true. Undefined when none of them is at fault.
 */
export async function findUsedBefore(pool: pg.Pool, { consumed }: Evidence): Promise<Consumption | undefined> {
  const [only, ...others] = consumed;
  if (others.length === 0) return only;
  const client = await pool.connect();
  try {
    for (const one of consumed) {
      await client.query('begin');
      const error = await insertEvidence(client, [{ rows: [], consumed: [one] }]).catch((cause: unknown) => cause);
      await client.query('rollback');
      if (isUsedBefore(error)) return one;
    }
    return undefined;
  } finally {
    client.release();
  }
}

/** Whether an error says that something was used before (https://www.postgresql.org/docs/18/errcodes-appendix.html). */
export function isUsedBefore(error: unknown): boolean {
  const { code, constraint } = (error ?? {}) as { code?: string; constraint?: string };
  return code === '23505' && constraint === 'consumed_pkey';
}

/** One array for each column: a tenth more events a second than from one JSON value. */
function auditColumns(rows: readonly AuditRow[]): unknown[] {
  return [
    rows.map(({ tenantId }) => uuidOf(tenantId)),
    rows.map(({ id }) => uuidOf(id)),
    rows.map(({ occurredAtMs }) => occurredAtMs),
    rows.map(({ type }) => type),
    rows.map(({ outcome }) => outcome),
    rows.map(({ actor }) => actor),
    rows.map(({ objectKind }) => objectKind),
    rows.map(({ objectId }) => objectId),
    rows.map(({ envelope }) => bufferOf(envelope)),
  ];
}

function consumedColumns(consumed: readonly Consumption[]): unknown[] {
  return [
    consumed.map(({ tenantId }) => uuidOf(tenantId)),
    consumed.map(({ kind }) => kind),
    consumed.map(({ digest }) => bufferOf(digest)),
    consumed.map(({ expiresAtMs }) => expiresAtMs),
  ];
}

/** One order for all: statements that use up the same things then wait for the first of them, never in a circle. */
function byDigest(a: Consumption, b: Consumption): number {
  return Buffer.compare(a.digest, b.digest);
}

/** The driver writes a Buffer as bytea, another Uint8Array as an array of numbers. */
function bufferOf({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}
