import { Refusal } from '@mono-auth/core/errors';
import type pg from 'pg';
import { type Evidence, findUsedBefore, insertDecisions, isUsedBefore } from './evidence.ts';

/** Audit rows in one statement: some 4 ms of work here, so that a window never delays the next one for long. */
const batchRowsMax = 500;
/** Rows that may wait: 16 statements' worth. Whoever comes on top is told to come back; nothing is granted meanwhile. */
const waitingRowsMax = 8_000;

/** Nothing was kept: the decision was made by what is no longer the state of its tenant, and is to be made again. */
export class OutdatedState extends Error {
  override readonly name = 'OutdatedState';
}

interface Waiting {
  readonly evidence: Evidence;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * One durable insert for everybody who asks within the same window: the turn of the event loop in which the first asks,
 * or the time that the statement before takes (1 to 2 ms). Each caller waits for the statement that holds its evidence.
 * Runs under the login that can insert evidence and read nothing.
 */
export class GroupCommit {
  readonly #pool: pg.Pool;
  #waiting: Waiting[] = [];
  #waitingRows = 0;
  #running: Promise<void> | undefined;

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  /**
   * Resolves when the evidence is durable.
   * @throws Refusal that a `Consumption` carries when it was used before (nothing of its group is kept then);
   * `audit_unavailable` when it could not be written, or too much is waiting. OutdatedState.
   */
  commit(evidence: Evidence): Promise<void> {
    const rows = weightOf(evidence);
    if (rows === 0) return Promise.resolve();
    if (this.#waitingRows + rows > waitingRowsMax) {
      return Promise.reject(unavailable(new Error(`${this.#waitingRows} rows of evidence are waiting`)));
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ evidence, resolve, reject });
      this.#waitingRows += rows;
      this.#running ??= this.#run();
    });
  }

  /** Resolves when nothing waits any more. */
  async settled(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    // The rest of this turn of the event loop joins the first statement.
    await new Promise<void>((resolve) => setImmediate(resolve));
    while (this.#waiting.length > 0) await this.#write(this.#takeBatch());
    this.#running = undefined;
  }

  #takeBatch(): Waiting[] {
    let rows = 0;
    const batch: Waiting[] = [];
    while (this.#waiting[0] && (rows === 0 || rows + weightOf(this.#waiting[0].evidence) <= batchRowsMax)) {
      const next = this.#waiting.shift() as Waiting;
      rows += weightOf(next.evidence);
      batch.push(next);
    }
    this.#waitingRows -= rows;
    return batch;
  }

  /** A statement that fails because of one caller's evidence is taken apart: the others are not refused with it. */
  async #write(batch: readonly Waiting[]): Promise<void> {
    try {
      const outdated = await insertDecisions(
        this.#pool,
        batch.map(({ evidence }) => evidence),
      );
      for (const { evidence, resolve, reject } of batch) {
        if (outdated.has(evidence)) reject(new OutdatedState('the state of the tenant has changed'));
        else resolve();
      }
    } catch (error) {
      const [first] = batch;
      if (!first) return;
      if (batch.length === 1) first.reject(await refusalOf(this.#pool, first.evidence, error));
      else if (isOneCallers(error)) for (const one of batch) await this.#write([one]);
      else for (const { reject } of batch) reject(unavailable(error));
    }
  }
}

/** To ask whether a state is the present one is work as well. */
function weightOf({ rows, consumed, madeBy }: Evidence): number {
  return rows.length + consumed.length || (madeBy ? 1 : 0);
}

/** Whether Postgres refused the statement's content (class 22 data, 23 constraints), not the connection or itself. */
function isOneCallers(error: unknown): boolean {
  return /^2[23]/.test((error as { code?: string }).code ?? '');
}

async function refusalOf(pool: pg.Pool, evidence: Evidence, error: unknown): Promise<Refusal> {
  if (!isUsedBefore(error)) return unavailable(error);
  const used = await findUsedBefore(pool, evidence).catch(() => undefined);
  return (used ?? evidence.consumed[0])?.refusal ?? unavailable(error);
}

function unavailable(cause: unknown): Refusal {
  return new Refusal('audit_unavailable', 'the audit log cannot be written now', { cause, retryAfterMs: 1000 });
}
