import type pg from 'pg';
import { OutdatedState } from './group-commit.ts';
import type { RememberedState } from './remembered-state.ts';

/** How a decision gets a connection that is bound to its tenant. */
export interface ReadingSource {
  checkOut(): Promise<pg.PoolClient>;
  /** The value of `app.tenant_id` on this connection. */
  guard(client: pg.PoolClient): Promise<string>;
}

/**
 * The read-only transaction of a decision, opened by its first statement: a decision that remembers everything it asks
 * for needs none. What it reads is of the remembered state's version, or the state is outdated.
 */
export class DecisionReading {
  readonly #source: ReadingSource;
  readonly #state: RememberedState | undefined;
  #opening: Promise<pg.PoolClient> | undefined;
  #client: pg.PoolClient | undefined;

  constructor(source: ReadingSource, state: RememberedState | undefined) {
    this.#source = source;
    this.#state = state;
  }

  /** @throws OutdatedState */
  client(): Promise<pg.PoolClient> {
    this.#opening ??= this.#open();
    return this.#opening;
  }

  /** Gives the connection back; one that is not provably idle is destroyed with what it may still hold. */
  async end(command: 'commit' | 'rollback'): Promise<void> {
    // What failed to open has told whoever asked.
    await this.#opening?.catch(() => {});
    const client = this.#client;
    this.#client = undefined;
    if (!client) return;
    try {
      await client.query(command);
    } catch (error) {
      if (command === 'commit') throw error;
    } finally {
      client.release(client.getTransactionStatus() !== 'I');
    }
  }

  async #open(): Promise<pg.PoolClient> {
    const client = await this.#source.checkOut();
    this.#client = client;
    const begun = client.query(`begin read only; set local app.tenant_id = '${await this.#source.guard(client)}'`);
    if (!this.#state) {
      await begun;
      return client;
    }
    // The failure of the begin is that of the statement behind it, which has no tenant then.
    begun.catch(() => {});
    const { rows } = await client.query<{ version: string | null }>('select mono.own_state_version() as version');
    await begun;
    const version = rows[0]?.version ?? null;
    // Before anything else is read: what is read later can only be newer than this, and the group commit finds that out.
    if (this.#state.version === undefined) this.#state.version = version;
    else if (this.#state.version !== version) throw new OutdatedState('the state of the tenant has changed');
    return client;
  }
}
