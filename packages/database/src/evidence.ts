import type { Refusal } from '@mono-auth/core/errors';
import { type TenantId, uuidOf } from '@mono-auth/core/ids';
import type pg from 'pg';
import type { AuditRow } from './audit-row.ts';
import { bigintArray, byteaArray, intArray, smallintArray, textArray, uuidArray } from './binary-arrays.ts';

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

/** The state of a tenant that a decision was made by. */
export interface MadeBy {
  readonly tenantId: TenantId;
  /** Null where nothing of the tenant was ever watched. */
  readonly version: string | null;
}

/** What one decision leaves behind: all of it is kept, or none. */
export interface Evidence {
  readonly rows: AuditRow[];
  readonly consumed: Consumption[];
  /** Kept only while this is the tenant's present state; absent where the decision remembered nothing. */
  madeBy?: MadeBy;
}

/** Rows are described once: `condition` says which of them are kept, and of the decisions it knows by the columns `more`. */
function insertsOf({ more, columns, condition }: Kept): readonly [string, string] {
  return [
    `insert into mono.consumed (tenant_id, kind, digest, expires_at)
  select tenant_id, kind, digest, to_timestamp(expires_at_ms / 1000.0)
  from unnest($10::uuid[], $11::text[], $12::bytea[], $13::bigint[]${more[0]})
    as used (tenant_id, kind, digest, expires_at_ms${columns[0]}) ${condition}`,
    `insert into mono.audit_events
  (tenant_id, id, occurred_at, type, outcome, actor, object_kind, object_id, envelope)
  select tenant_id, id, to_timestamp(occurred_at_ms / 1000.0), type, outcome, actor, object_kind, object_id, envelope
  from unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::text[], $5::smallint[], $6::text[], $7::text[], $8::text[],
      $9::bytea[]${more[1]})
    as event (tenant_id, id, occurred_at_ms, type, outcome, actor, object_kind, object_id, envelope${columns[1]}) ${condition}`,
  ];
}

interface Kept {
  /** Parameters and columns besides, of consumptions and of events. */
  readonly more: readonly [string, string];
  readonly columns: readonly [string, string];
  readonly condition: string;
}

const [consumedInsert, eventInsert] = insertsOf({ more: ['', ''], columns: ['', ''], condition: '' });
/** In a use case's own transaction. */
const evidenceInsert = `with consumed as (${consumedInsert}) ${eventInsert}`;

const [decidedUses, decidedEvents] = insertsOf({
  more: [', $15::int[]', ', $14::int[]'],
  columns: [', made_by', ', made_by'],
  condition: 'where not exists (select 1 from outdated where n = made_by)',
});
/**
 * The same for decisions: each row names its decision's state ($14, $15: one for each row; $16, $17: the states, from 1;
 * 0: none), and only those of present states are kept. Answers the states that are outdated.
 */
const decisionInsert = `with outdated as materialized (
  select n from mono.outdated_states($16::uuid[], $17::uuid[]) as n
), consumed as (${decidedUses}), events as (${decidedEvents})
select n from outdated`;

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
 * Writes the evidence of decisions in one statement, of each only while the state that it was made by is the present one.
 * @returns those of which nothing was kept, because it is not.
 * @throws the driver's unique violation when something was used before.
 */
export async function insertDecisions(pool: pg.Pool, decisions: readonly Evidence[]): Promise<ReadonlySet<Evidence>> {
  const states = new StateList();
  const rows = decisions.flatMap((group) => group.rows.map((row) => ({ row, state: states.numberOf(group) })));
  const consumed = decisions
    .flatMap((group) => group.consumed.map((use) => ({ use, state: states.numberOf(group) })))
    .sort((a, b) => byDigest(a.use, b.use));
  for (const group of decisions) states.numberOf(group);
  const { rows: outdated } = await pool.query<{ n: number }>({
    name: 'mono-decisions',
    text: decisionInsert,
    values: [
      ...auditColumns(rows.map(({ row }) => row)),
      ...consumedColumns(consumed.map(({ use }) => use)),
      intArray(rows.map(({ state }) => state)),
      intArray(consumed.map(({ state }) => state)),
      ...states.columns(),
    ],
  });
  if (outdated.length === 0) return none;
  const numbers = new Set(outdated.map(({ n }) => n));
  return new Set(decisions.filter((group) => numbers.has(states.numberOf(group))));
}

const none: ReadonlySet<Evidence> = new Set();

/** The states of a batch, each once: decisions of one tenant mostly share theirs. */
class StateList {
  readonly #numbers = new Map<string, number>();
  readonly #states: MadeBy[] = [];

  /** From 1; 0 for evidence that is kept in any state. */
  numberOf({ madeBy }: Evidence): number {
    if (!madeBy) return 0;
    const name = `${madeBy.tenantId}|${madeBy.version}`;
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    const number = this.#states.push(madeBy);
    this.#numbers.set(name, number);
    return number;
  }

  columns(): [tenants: string[], versions: (string | null)[]] {
    return [this.#states.map(({ tenantId }) => uuidOf(tenantId)), this.#states.map(({ version }) => version)];
  }
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
function auditColumns(rows: readonly AuditRow[]): Buffer[] {
  return [
    uuidArray(rows.map(({ tenantId }) => tenantId)),
    uuidArray(rows.map(({ id }) => id)),
    bigintArray(rows.map(({ occurredAtMs }) => occurredAtMs)),
    textArray(rows.map(({ type }) => type)),
    smallintArray(rows.map(({ outcome }) => outcome)),
    textArray(rows.map(({ actor }) => actor)),
    textArray(rows.map(({ objectKind }) => objectKind)),
    textArray(rows.map(({ objectId }) => objectId)),
    byteaArray(rows.map(({ envelope }) => envelope)),
  ];
}

function consumedColumns(consumed: readonly Consumption[]): Buffer[] {
  return [
    uuidArray(consumed.map(({ tenantId }) => tenantId)),
    textArray(consumed.map(({ kind }) => kind)),
    byteaArray(consumed.map(({ digest }) => digest)),
    bigintArray(consumed.map(({ expiresAtMs }) => expiresAtMs)),
  ];
}

/** One order for all: statements that use up the same things then wait for the first of them, never in a circle. */
function byDigest(a: Consumption, b: Consumption): number {
  return Buffer.compare(a.digest, b.digest);
}
