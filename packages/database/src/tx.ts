import { Refusal } from '@mono-auth/core/errors';
import { type TenantId, uuidOf } from '@mono-auth/core/ids';
import type pg from 'pg';
import type { AuditRow } from './audit-row.ts';
import { type Consumption, type Evidence, insertEvidence } from './evidence.ts';
import type { RememberedState } from './remembered-state.ts';
import { type SqlValue, statement } from './sql.ts';

/** Only this module can make a transaction handle: the handle is the permission. */
const seal: unique symbol = Symbol('transaction');

type Effect = () => void | Promise<void>;

/** A connection, or what opens one when the first statement comes. */
type Connection = pg.PoolClient | (() => Promise<pg.PoolClient>);

class Transaction {
  readonly #connection: Connection;
  readonly #effects: Effect[] = [];
  #open = true;
  #hasRun = false;

  protected constructor(proof: typeof seal, connection: Connection) {
    if (proof !== seal) throw new TypeError('a transaction handle cannot be forged');
    this.#connection = connection;
  }

  /**
   * Runs one statement; every `${value}` is a parameter.
   * @returns its rows, columns as listed in the statement.
   * @throws TypeError when the transaction has ended.
   */
  async sql<Row extends object = Record<string, never>>(
    strings: TemplateStringsArray,
    ...values: SqlValue[]
  ): Promise<Row[]> {
    const result = await this.run((client) => client.query<Row>(statement(strings, values)));
    return result.rows;
  }

  /** Whether any statement was asked for: a decision that remembers everything runs none. */
  get hasRun(): boolean {
    return this.#hasRun;
  }

  protected async run<T>(work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
    if (!this.#open) throw new TypeError('the transaction has ended');
    this.#hasRun = true;
    const connection = this.#connection;
    return work(typeof connection === 'function' ? await connection() : connection);
  }

  /** Runs `effect` once, after the commit; never when the transaction fails. An effect is a hint: its failure is logged. */
  afterCommit(effect: Effect): void {
    if (!this.#open) throw new TypeError('the transaction has ended');
    this.#effects.push(effect);
  }

  /** Ends the handle and gives up the effects that a commit has earned. Called by this module alone. */
  protected end(proof: typeof seal): readonly Effect[] {
    if (proof !== seal) throw new TypeError('only the database ends a transaction');
    this.#open = false;
    return this.#effects;
  }
}

/** What makes a transaction a decision. */
export interface DecisionParts {
  readonly tenantId: TenantId;
  readonly connect: () => Promise<pg.PoolClient>;
  /** What it leaves behind is written by the group commit, after it and before its answer. */
  readonly evidence: Evidence;
  /** Absent: it remembers nothing and reads everything. */
  readonly state: RememberedState | undefined;
}

/** A transaction inside one tenant: row level security shows and takes that tenant's rows only. */
export class TenantTx extends Transaction {
  readonly tenantId: TenantId;
  readonly #decision: Pick<DecisionParts, 'evidence' | 'state'> | undefined;

  private constructor(
    proof: typeof seal,
    connection: Connection,
    tenantId: TenantId,
    decision?: Pick<DecisionParts, 'evidence' | 'state'>,
  ) {
    super(proof, connection);
    this.tenantId = tenantId;
    this.#decision = decision;
  }

  /**
   * What `load` reads, remembered across decisions as long as the tenant's state is the same: `load` reads watched tables
   * alone (`mono.watch_state`), and nothing that depends on the time. Outside a decision it is read each time. Whoever gets
   * it changes nothing in it.
   * @param name says what it is: everything that the answer depends on, besides the tenant.
   */
  remembered<T>(name: string, load: () => Promise<T>): Promise<T> {
    return this.#decision?.state ? this.#decision.state.get(name, load) : load();
  }

  /**
   * Writes audit rows of this tenant. In an ordinary transaction the change and its evidence are one; in a decision,
   * which changes nothing, the group commit holds them before anybody hears of the result (law 3).
   */
  async appendAudit(rows: readonly AuditRow[]): Promise<void> {
    if (this.#decision) this.#decision.evidence.rows.push(...rows);
    else await this.run((client) => insertEvidence(client, [{ rows: [...rows], consumed: [] }]));
  }

  /**
   * Uses something up, for ever. Parallel users have one winner; in a decision the loser learns it at the end.
   * @throws the `refusal` handed in when it was used before.
   */
  async consumeOnce({ kind, digest, expiresAtMs, refusal }: Omit<Consumption, 'tenantId'>): Promise<void> {
    if (this.#decision) {
      this.#decision.evidence.consumed.push({ tenantId: this.tenantId, kind, digest, expiresAtMs, refusal });
      return;
    }
    const inserted = await this.sql<{ kind: string }>`
      insert into mono.consumed (tenant_id, kind, digest, expires_at)
      values (${uuidOf(this.tenantId)}, ${kind}, ${digest}, ${new Date(expiresAtMs)})
      on conflict do nothing returning kind`;
    if (inserted.length === 0) throw refusal;
  }

  static open<T>(
    client: pg.PoolClient,
    tenantId: TenantId,
    guarded: string,
    work: (tx: TenantTx) => Promise<T>,
  ): Promise<Committed<T>> {
    const tx = new TenantTx(seal, client, tenantId);
    return runIn(
      client,
      `begin; set local app.tenant_id = '${guarded}'`,
      () => work(tx),
      () => tx.end(seal),
    );
  }

  /** Runs a decision; whoever opens its connection ends it. */
  static async decide<T>(parts: DecisionParts, work: (tx: TenantTx) => Promise<T>): Promise<Committed<T>> {
    const tx = new TenantTx(seal, parts.connect, parts.tenantId, parts);
    try {
      const result = await work(tx);
      return { result, effects: tx.end(seal) };
    } catch (error) {
      tx.end(seal);
      throw error;
    }
  }
}

/** A transaction of the platform: only the tables that carry a policy for `mono_platform`. */
export class PlatformTx extends Transaction {
  readonly reason: string;

  private constructor(proof: typeof seal, client: pg.PoolClient, reason: string) {
    super(proof, client);
    this.reason = reason;
  }

  static open<T>(client: pg.PoolClient, reason: string, work: (tx: PlatformTx) => Promise<T>): Promise<Committed<T>> {
    const tx = new PlatformTx(seal, client, reason);
    return runIn(
      client,
      'begin',
      () => work(tx),
      () => tx.end(seal),
    );
  }
}

export interface Committed<T> {
  readonly result: T;
  readonly effects: readonly Effect[];
}

async function runIn<T>(
  client: pg.PoolClient,
  begin: string,
  work: () => Promise<T>,
  end: () => readonly Effect[],
): Promise<Committed<T>> {
  // The first statement follows without waiting for the answer (the connection is pipelined): one round trip less. Should
  // the begin fail, that statement has no tenant and is refused as well.
  const begun = client.query(begin);
  // Looked at below.
  begun.catch(() => {});
  let result: T;
  try {
    result = await work();
    await begun;
  } catch (error) {
    end();
    // Its failure must not hide why the work failed: a connection that is not idle afterwards is destroyed.
    await client.query('rollback').catch(() => {});
    throw error;
  }
  const effects = end();
  const { command } = await client.query('commit');
  // A transaction that a caught statement error has aborted answers ROLLBACK to a commit: nothing was kept.
  if (command !== 'COMMIT')
    throw new Refusal('internal', 'internal error', { cause: new Error('the transaction was aborted') });
  return { result, effects };
}
