import { AsyncLocalStorage } from 'node:async_hooks';
import { Refusal } from '@mono-auth/core/errors';
import type { TenantId } from '@mono-auth/core/ids';
import pg from 'pg';
import type { AuditRow } from './audit-row.ts';
import { DecisionReading } from './decision-reading.ts';
import type { Evidence } from './evidence.ts';
import { GroupCommit, OutdatedState } from './group-commit.ts';
import { type IdentityPool, openIdentityPool } from './identity-pool.ts';
import { Listener } from './listener.ts';
import { type RememberedState, RememberedStates } from './remembered-state.ts';
import { type DatabaseSecrets, type Login, logins } from './secrets.ts';
import { guardedTenant } from './tenant-guard.ts';
import { type Committed, PlatformTx, TenantTx } from './tx.ts';

export interface DatabaseOptions {
  /** Where the database is. The user in it serves migrations alone; the logins below come from `secrets`. */
  readonly url: string;
  readonly secrets: DatabaseSecrets;
  /** Connections of each login's pool; `mono_app` gets twice as many. */
  readonly poolSize?: number;
  /** Told of failures that no caller waits for: a lost idle connection, a failed effect. */
  readonly onBackgroundError?: (error: unknown) => void;
}

/** Default pool size: four logins stay far below Postgres' default of 100 connections, also with three processes. */
const poolSizeDefault = 6;
/** A statement that takes longer is a defect or an attack; no caller waits that long (unary deadline: 30 s). */
const statementTimeoutMs = 20_000;
/** A transaction left idle holds locks; ours never wait for anything outside the database. */
const idleInTransactionTimeoutMs = 15_000;
/** Times that a decision is made again because the state of its tenant changed meanwhile; then it remembers nothing. */
const outdatedMax = 3;
/** Longest wait for a free connection before the caller is told to come back. */
const checkoutTimeoutMs = 5_000;

/** The only way to the database. It has no `query`: every statement runs in a transaction that carries its tenant. */
export class Database {
  readonly #options: DatabaseOptions;
  readonly #pools: Record<Login, pg.Pool>;
  readonly #pids = new WeakMap<pg.PoolClient, number>();
  readonly #inside = new AsyncLocalStorage<true>();
  readonly #listener: Listener;
  readonly #groupCommit: GroupCommit;
  readonly #states = new RememberedStates();

  constructor(options: DatabaseOptions) {
    this.#options = options;
    this.#pools = Object.fromEntries(logins.map((login) => [login, this.#openPool(login)])) as Record<Login, pg.Pool>;
    this.#groupCommit = new GroupCommit(this.#pools.mono_audit_writer);
    this.#listener = new Listener(() => new pg.Client(connection(options, 'mono_app')), this.#report);
  }

  /** Runs `work` in one transaction that sees and writes this tenant's rows alone. Never nests. */
  async forTenant<T>(tenantId: TenantId, work: (tx: TenantTx) => Promise<T>): Promise<T> {
    return this.#transact('mono_app', (client) => this.#openTenant(client, tenantId, work));
  }

  /**
   * Runs a decision: a read-only transaction whose evidence (`appendAudit`, `consumeOnce`) the group commit makes durable
   * before the result is answered. For what is asked often and changes no row, such as a token: one insert serves all who
   * ask at the same time, and what `remembered` holds is not read again. The group commit keeps nothing of a decision that
   * was made by what is no longer the tenant's state: `work` then runs again, so it has no effects but through its handle.
   * @throws Refusal `audit_unavailable` when the evidence could not be written; the refusal of a second use.
   */
  async forDecision<T>(tenantId: TenantId, work: (tx: TenantTx) => Promise<T>): Promise<T> {
    if (this.#inside.getStore()) throw new TypeError('transactions do not nest: pass the handle down');
    for (let times = 0; times < outdatedMax; times++) {
      const state = this.#states.of(tenantId);
      try {
        return await this.#decide(tenantId, work, state);
      } catch (error) {
        if (!(error instanceof OutdatedState)) throw error;
        this.#states.drop(state);
      }
    }
    return this.#decide(tenantId, work, undefined);
  }

  /** Runs `work` as the platform, on the tables listed for it; `reason` says why no tenant would do. */
  async forPlatform<T>(reason: string, work: (tx: PlatformTx) => Promise<T>): Promise<T> {
    return this.#transact('mono_platform', (client) => PlatformTx.open(client, reason, work));
  }

  /**
   * Writes audit rows, of many tenants at once, durably, under a login that can insert and read nothing.
   * @throws Refusal `audit_unavailable` when they could not be written: then nothing may be granted (law 3).
   */
  async appendAudit(rows: readonly AuditRow[]): Promise<void> {
    await this.#groupCommit.commit({ rows: [...rows], consumed: [] });
  }

  /** The pool that one tenant's Better Auth gets: each connection is bound to the tenant while it is out. */
  identityPool(tenantId: TenantId): IdentityPool {
    return openIdentityPool(this.#pools.mono_identity, (backendPid) =>
      guardedTenant(this.#options.secrets.tenantGuardKey, tenantId, backendPid),
    );
  }

  /** Hears `channel` (a hint only: readers read the tables). Also called after a reconnect, with an empty payload. */
  async listen(channel: string, heard: (payload: string) => void): Promise<() => void> {
    return this.#listener.listen(channel, heard);
  }

  /** Wakes the listeners of `channel`. Payloads carry ids only, at most 8,000 bytes. */
  async notify(channel: string, payload: string): Promise<void> {
    // What may be lost needs no wait for the disk: a server that crashes before it is there has lost its listeners as well.
    const text = "select set_config('synchronous_commit', 'off', true), pg_notify($1, $2)";
    await this.#pools.mono_app.query(text, [channel, payload]);
  }

  /** Whether the database answers now. */
  async ping(): Promise<boolean> {
    return this.#pools.mono_app.query('select 1').then(
      () => true,
      () => false,
    );
  }

  async close(): Promise<void> {
    await this.#listener.close();
    await this.#groupCommit.settled();
    await Promise.all(Object.values(this.#pools).map((pool) => pool.end()));
  }

  async #openTenant<T>(
    client: pg.PoolClient,
    tenantId: TenantId,
    work: (tx: TenantTx) => Promise<T>,
  ): Promise<Committed<T>> {
    return TenantTx.open(client, tenantId, await this.#guard(client, tenantId), work);
  }

  async #guard(client: pg.PoolClient, tenantId: TenantId): Promise<string> {
    return guardedTenant(this.#options.secrets.tenantGuardKey, tenantId, await this.#backendPid(client));
  }

  /** @throws OutdatedState */
  async #decide<T>(
    tenantId: TenantId,
    work: (tx: TenantTx) => Promise<T>,
    state: RememberedState | undefined,
  ): Promise<T> {
    const evidence: Evidence = { rows: [], consumed: [] };
    const source = {
      checkOut: () => this.#checkOut('mono_app'),
      guard: (c: pg.PoolClient) => this.#guard(c, tenantId),
    };
    const reading = new DecisionReading(source, state);
    const parts = { tenantId, evidence, state, connect: () => reading.client() };
    let committed: Committed<T>;
    try {
      committed = await this.#inside.run(true, () => TenantTx.decide(parts, work));
      await reading.end('commit');
    } catch (error) {
      await reading.end('rollback');
      // What was not there, or not allowed, may be by now.
      if (!isConnectionLost(error)) await this.#groupCommit.commit(madeBy(state)).catch(onlyOutdated);
      throw isConnectionLost(error) ? unreachable(error) : error;
    }
    await this.#groupCommit.commit({ ...madeBy(state), ...evidence });
    await this.#runEffects(committed.effects);
    return committed.result;
  }

  async #transact<T>(login: Login, run: (client: pg.PoolClient) => Promise<Committed<T>>): Promise<T> {
    if (this.#inside.getStore()) throw new TypeError('transactions do not nest: pass the handle down');
    const client = await this.#checkOut(login);
    let broken = true;
    let committed: Committed<T>;
    try {
      committed = await this.#inside.run(true, () => run(client));
      broken = false;
    } catch (error) {
      // Only a connection that is provably idle goes back; anything else is destroyed with what it may still hold.
      broken = client.getTransactionStatus() !== 'I';
      throw isConnectionLost(error) ? unreachable(error) : error;
    } finally {
      client.release(broken);
    }
    await this.#runEffects(committed.effects);
    return committed.result;
  }

  async #runEffects(effects: Committed<unknown>['effects']): Promise<void> {
    for (const effect of effects) {
      try {
        await effect();
      } catch (error) {
        this.#report(error);
      }
    }
  }

  async #checkOut(login: Login): Promise<pg.PoolClient> {
    try {
      return await this.#pools[login].connect();
    } catch (cause) {
      throw unreachable(cause);
    }
  }

  async #backendPid(client: pg.PoolClient): Promise<number> {
    const known = this.#pids.get(client);
    if (known !== undefined) return known;
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
    const pid = (rows[0] as { pid: number }).pid;
    this.#pids.set(client, pid);
    return pid;
  }

  #openPool(login: Login): pg.Pool {
    const size = this.#options.poolSize ?? poolSizeDefault;
    const pool = new pg.Pool({
      ...connection(this.#options, login),
      // Statements are sent without waiting for the answer to the one before; each stands by itself all the same.
      pipeline: login !== 'mono_identity',
      max: login === 'mono_app' ? size * 2 : size,
      connectionTimeoutMillis: checkoutTimeoutMs,
      statement_timeout: statementTimeoutMs,
      idle_in_transaction_session_timeout: idleInTransactionTimeoutMs,
      allowExitOnIdle: true,
    });
    // The client's own listener, because a connection may be lost while it is out and no statement waits for it (an
    // idle transaction that the server ends): without one, that event would end the process.
    pool.on('connect', (client) => client.on('error', this.#report));
    // The pool repeats what an idle client has reported.
    pool.on('error', () => {});
    return pool;
  }

  readonly #report = (error: unknown): void => this.#options.onBackgroundError?.(error);
}

/** An answer that grants nothing is true enough while nobody can say whether the state has changed. */
function onlyOutdated(error: unknown): void {
  if (error instanceof OutdatedState) throw error;
}

/** What the group commit compares before it keeps a decision. */
function madeBy(state: RememberedState | undefined): Evidence {
  const none = { rows: [], consumed: [] };
  const { tenantId, version } = state ?? {};
  return tenantId === undefined || version === undefined ? none : { ...none, madeBy: { tenantId, version } };
}

/** Class 08 and the shutdowns of class 57 (https://www.postgresql.org/docs/18/errcodes-appendix.html), and what pg and the network say. */
function isConnectionLost(error: unknown): boolean {
  const { code = '', message } = error as { code?: unknown; message: string };
  return (
    /^(08|57P|ECONNRESET|EPIPE)/.test(String(code)) || /^(Connection terminated|Client has encountered)/.test(message)
  );
}

function unreachable(cause: unknown): Refusal {
  return new Refusal('unavailable', 'the database cannot be reached now', { cause, retryAfterMs: 1000 });
}

function connection(options: DatabaseOptions, login: Login): pg.ClientConfig {
  return { connectionString: loginUrl(options, login), application_name: `mono-auth ${login}` };
}

/** The URL under which one login reaches the database: for libraries that bring connections of their own. Holds a password. */
export function loginUrl(options: Pick<DatabaseOptions, 'url' | 'secrets'>, login: Login): string {
  const url = new URL(options.url);
  url.username = login;
  url.password = options.secrets.passwords[login];
  return url.toString();
}
