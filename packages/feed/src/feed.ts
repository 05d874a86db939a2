import { Refusal } from '@mono-auth/core/errors';
import type { TenantId } from '@mono-auth/core/ids';
import type { Runtime } from '@mono-auth/core/runtime';
import type { Database, TenantTx } from '@mono-auth/database';
import { chain, type RevocationState, type receipt } from '@mono-auth/feed-engine';
import type { Keyring } from '@mono-auth/keys';
import { appendEntries, type NewEntry, requireHead } from './append-entries.ts';
import { EncodedSnapshots } from './encoded-snapshots.ts';
import {
  firstMarksCovering,
  insertHead,
  listSubscribers,
  type News,
  readEntryTimes,
  type SubscriberRow,
} from './store.ts';
import { TenantHub } from './tenant-hub.ts';
import { TenantState } from './tenant-state.ts';

/** Wake-ups, as the Ephemeral port gives them: hints that may be lost. Who is woken reads the tables. */
export interface WakeUps {
  publish(channel: string, payload: string): Promise<void>;
  /** Also called after a reconnect, with an empty payload. */
  subscribe(channel: string, heard: (payload: string) => void): Promise<() => void>;
}

export interface FeedDeps {
  readonly database: Database;
  readonly ephemeral: WakeUps;
  readonly keys: Pick<Keyring, 'signer' | 'certificate' | 'rootJwk'>;
  readonly runtime: Runtime;
}

/** Says that a tenant's feed has new entries; the payload is the tenant's id. */
const entriesChannel = 'feed_entries';
/** Says that a subscriber of a tenant has applied more; the payload is the tenant's id. */
const appliedChannel = 'feed_applied';
/** How long an answer waits for the streams of its own process, milliseconds: ten times what a thousand of them need. */
const tellMsMax = 250;
/** Tenants whose state is held in process: a state is small (a cut-off per revocation) and quickly read again. */
const statesMax = 1_000;

/** The feed of every tenant: append to it, ask what it has taken away, follow it. One for each process. */
export class Feed {
  /** Of the states that `stateIn` answers. */
  readonly snapshots = new EncodedSnapshots();
  readonly #deps: FeedDeps;
  readonly #hubs = new Map<TenantId, TenantHub>();
  /** In the order of use, the longest unused first. */
  readonly #states = new Map<TenantId, TenantState>();
  readonly #appended = new WeakSet<TenantTx>();
  #stopping: Refusal | undefined;

  constructor(deps: FeedDeps) {
    this.#deps = deps;
  }

  /** The empty feed of a new tenant. Repeating it changes nothing. */
  async provision(tx: TenantTx, incarnation: number): Promise<void> {
    await insertHead(tx, { incarnation, seq: 0, hash: chain.genesisHash(tx.tenantId, incarnation) });
  }

  /**
   * Appends entries in this transaction, and tells the followers once it has committed. Holds the head's row until then.
   * @returns the seq of the last entry: who has applied it has applied them all.
   */
  async append(tx: TenantTx, entries: readonly NewEntry[]): Promise<number> {
    this.#appended.add(tx);
    const seq = await appendEntries(tx, this.#deps.runtime, entries);
    tx.afterCommit(async () => {
      const told = this.#tellOwnStreams(tx.tenantId);
      await this.#deps.ephemeral.publish(entriesChannel, tx.tenantId);
      await told;
    });
    return seq;
  }

  /**
   * Who must refuse hears it before whoever asked is answered: what is done for the answer, such as reading a receipt of
   * all subscribers, would only hold the streams of this process up.
   */
  async #tellOwnStreams(tenantId: TenantId): Promise<void> {
    const hub = this.#hubs.get(tenantId);
    if (!hub) return;
    const over = new AbortController();
    const late = this.#deps.runtime.sleep(tellMsMax, over.signal).catch(() => undefined);
    await Promise.race([hub.tell(), late]);
    over.abort();
  }

  /**
   * The feed's present sequence number, for `fs` of a token. Read it before any status in the same transaction: what is
   * then read later is at least as new.
   */
  async headSeq(tx: TenantTx): Promise<number> {
    return (await requireHead(tx)).seq;
  }

  /**
   * What the tenant's feed has taken away by now. Not inside a transaction: there, use `stateIn`.
   * @throws Refusal `feed_stale` where the tenant's feed is not provisioned.
   */
  async state(tenantId: TenantId): Promise<RevocationState> {
    return this.#deps.database.forTenant(tenantId, (tx) => this.stateIn(tx));
  }

  /**
   * The same inside an open transaction, which may have read the head and what comes next already.
   * @throws TypeError when that transaction has appended: its entries may still come to nothing, and the state is shared.
   */
  async stateIn(tx: TenantTx, seen?: Pick<News, 'head' | 'entries'>): Promise<RevocationState> {
    if (this.#appended.has(tx)) throw new TypeError('what this transaction has appended is not true yet');
    const state = this.#states.get(tx.tenantId) ?? new TenantState();
    this.#states.delete(tx.tenantId);
    this.#states.set(tx.tenantId, state);
    const [oldest] = this.#states.keys();
    if (this.#states.size > statesMax && oldest !== undefined) this.#states.delete(oldest);
    return state.catchUp(tx, seen);
  }

  /** When these entries were made, milliseconds since the epoch, by their seq. */
  entryTimes(tx: TenantTx, seqs: readonly number[]): Promise<ReadonlyMap<number, number>> {
    return readEntryTimes(tx, seqs);
  }

  /** Every registered enforcement point, newest first. */
  subscribers(tx: TenantTx): Promise<SubscriberRow[]> {
    return listSubscribers(tx);
  }

  /** The enforcement points as feed-engine's receipt wants them, for the entry `seq` of the present incarnation. */
  async enforcementViews(tx: TenantTx, seq: number): Promise<receipt.SubscriberView[]> {
    const { incarnation } = await requireHead(tx);
    const marks = await firstMarksCovering(tx, incarnation, seq);
    return (await listSubscribers(tx)).map(({ id, name, leaseMs, lastHeadAtMs, registeredAtMs }) => {
      const mark = marks.get(id);
      return { id, name, leaseMs, acks: mark ? [mark] : [], answeredAtMs: lastHeadAtMs, registeredAtMs };
    });
  }

  /** Hears, as a hint, that a subscriber of the tenant has applied more. */
  async onApplied(tenantId: TenantId, heard: () => void): Promise<() => void> {
    return this.#deps.ephemeral.subscribe(appliedChannel, (payload) => {
      if (payload === '' || payload === tenantId) heard();
    });
  }

  /** Tells everybody who waits for an acknowledgement to look again. */
  async announceApplied(tenantId: TenantId): Promise<void> {
    await this.#deps.ephemeral.publish(appliedChannel, tenantId);
  }

  /** Ends every stream of this process, and takes no new one: it is about to stop, and they resume elsewhere. */
  endStreams(): void {
    this.#stopping = new Refusal('unavailable', 'the server is stopping: resume from the cursor');
    for (const hub of this.#hubs.values()) hub.end(this.#stopping);
  }

  /**
   * What the streams of one tenant in this process share. It works only while it is followed.
   * @throws Refusal `unavailable` once the process is stopping.
   */
  hub(tenantId: TenantId): TenantHub {
    if (this.#stopping) throw this.#stopping;
    const known = this.#hubs.get(tenantId);
    if (known) return known;
    const { database, keys, runtime, ephemeral } = this.#deps;
    const hub: TenantHub = new TenantHub({
      tenantId,
      database,
      runtime,
      signer: () => keys.signer(tenantId, 'feed'),
      catchUp: (tx, seen) => this.stateIn(tx, seen),
      onEntries: (heard) =>
        ephemeral.subscribe(entriesChannel, (payload) => {
          if (payload === '' || payload === tenantId) heard();
        }),
      onIdle: () => {
        if (this.#hubs.get(tenantId) === hub) this.#hubs.delete(tenantId);
      },
    });
    this.#hubs.set(tenantId, hub);
    return hub;
  }
}
