import { equalBytes } from '@mono-auth/core/encoding';
import { Refusal } from '@mono-auth/core/errors';
import type { SubscriberId, TenantId } from '@mono-auth/core/ids';
import type { Runtime } from '@mono-auth/core/runtime';
import type { Database, TenantTx } from '@mono-auth/database';
import { type cursor, leaseLimits, type RevocationState } from '@mono-auth/feed-engine';
import type { Signer } from '@mono-auth/keys';
import { provisioned, requireHead } from './append-entries.ts';
import { EncodedBatch } from './encoded-batch.ts';
import { type SignedHead, signHead } from './signed-head.ts';
import { type News, readAndNoteNews, type StoredEntry } from './store.ts';

/** Most entries in one message: at their longest 2 MiB, in practice some 150 KiB. */
export const batchEntriesMax = 500;
/** Pause between two heads without news: reading and signing must fit into the rest of the second that is promised. */
const pauseMs = leaseLimits.headIntervalMs - 100;
/** Streams of one tenant in this process: a thousand services and their gateways; each holds a socket and a place in the receipts. */
const followersMax = 2_000;

/** One look at the table: what is new since the last one, and the head that proves it. */
export interface Tick {
  /** Where the entries begin. */
  readonly from: cursor.FeedPosition;
  /** Where they end. */
  readonly to: cursor.FeedPosition;
  readonly head: SignedHead;
  readonly batch: EncodedBatch;
  readonly headAlone: EncodedBatch;
  /** What the feed has taken away by then, or a little later. */
  readonly state: RevocationState;
}

/** One stream of the tenant. */
export interface HubFollower {
  readonly subscriberId: SubscriberId;
  /** The seq that it has been sent everything up to; undefined while it catches up by itself. */
  readonly liveAt: number | undefined;
  /** `noted`: that the look's entries go out to this subscriber is noted already. */
  take(tick: Tick, noted: boolean): void;
  fail(error: unknown): void;
}

export interface HubDeps {
  readonly tenantId: TenantId;
  readonly database: Database;
  readonly runtime: Runtime;
  signer(): Promise<Signer>;
  catchUp(tx: TenantTx, seen: News): Promise<RevocationState>;
  onEntries(heard: () => void): Promise<() => void>;
  onIdle(): void;
}

interface Look {
  readonly from: cursor.FeedPosition;
  readonly to: cursor.FeedPosition;
  readonly entries: readonly StoredEntry[];
  readonly state: RevocationState;
  readonly noted: ReadonlySet<SubscriberId>;
  /** Of `to`, where that is news: signed while the database commits. */
  readonly head: Promise<SignedHead> | undefined;
}

/**
 * Reads, notes, signs and encodes once for all streams of a tenant in this process: at every wake-up, and a little more
 * often than once a second, because a wake-up is only a hint and because a head says "nothing more than this". What is
 * appended while it looks goes into the next look: a burst is one write to each stream. Stands still while nobody
 * follows. A failure ends every stream, which then resumes by its cursor.
 */
export class TenantHub {
  readonly #deps: HubDeps;
  readonly #followers = new Set<HubFollower>();
  #running = false;
  #woken = false;
  #latest: Tick | undefined;
  #publishedAtMs = 0;
  #endPause = (): void => {};
  /** Who waits for the next look. */
  #untold: (() => void)[] = [];

  constructor(deps: HubDeps) {
    this.#deps = deps;
  }

  /**
   * Hands every look from now on to the follower, and the latest at once where there is one.
   * @returns how to leave.
   */
  join(follower: HubFollower): () => void {
    if (this.#followers.size >= followersMax) throw new Refusal('rate_limited', 'too many streams follow this feed');
    this.#followers.add(follower);
    if (!this.#running) void this.#run();
    else if (this.#latest) follower.take(this.#latest, false);
    return () => {
      this.#followers.delete(follower);
      if (this.#followers.size === 0) this.#endPause();
    };
  }

  /** There may be something new. */
  wake(): void {
    this.#woken = true;
    this.#endPause();
  }

  /** There is something new. Resolves once it has been handed to every stream, or could not be. */
  async tell(): Promise<void> {
    if (!this.#running) return;
    const told = new Promise<void>((resolve) => this.#untold.push(resolve));
    this.wake();
    return told;
  }

  /** Ends every stream. */
  end(refusal: Refusal): void {
    for (const follower of this.#followers) follower.fail(refusal);
  }

  async #run(): Promise<void> {
    this.#running = true;
    // Nobody waits for it: without the wake-ups everything goes on, only slower.
    const subscribed = this.#deps.onEntries(() => this.wake());
    subscribed.then(
      () => this.wake(),
      () => undefined,
    );
    try {
      while (this.#followers.size > 0) {
        this.#woken = false;
        const waiting = this.#untold.length;
        const look = await this.#look();
        if (this.#dueMs() === 0 || !samePosition(look.to, this.#latest?.to)) await this.#publish(look);
        // Whoever came during the look waits for the next.
        for (const resolve of this.#untold.splice(0, waiting)) resolve();
        if (!this.#woken && this.#followers.size > 0) await this.#pause();
      }
    } catch (error) {
      for (const follower of this.#followers) follower.fail(error);
      this.#followers.clear();
    }
    this.#rest();
    await subscribed.then(
      (forget) => forget(),
      () => undefined,
    );
  }

  async #look(): Promise<Look> {
    const known = this.#latest?.to;
    // Asked before the transaction: a key that is not at hand is read in one of its own.
    const signer = await this.#deps.signer();
    return this.#deps.database.forTenant(this.#deps.tenantId, async (tx) => {
      const news = known
        ? await this.#news(tx, known)
        : { head: await requireHead(tx), entries: [], noted: new Set([]) };
      const { head, entries, noted } = news;
      const last = entries.at(-1);
      const to = last ? { incarnation: head.incarnation, seq: last.seq, hash: last.hash } : head;
      if (to.seq < head.seq) this.wake();
      const state = await this.#deps.catchUp(tx, news);
      const signed = last && this.#sign(signer, to);
      signed?.catch(() => {});
      return { from: (last && known) ?? to, to, entries, state, noted, head: signed };
    });
  }

  /** What comes after the last look, noted as sent to those who stand there. */
  async #news(tx: TenantTx, known: cursor.FeedPosition): Promise<News> {
    const live = [...this.#followers].filter(({ liveAt }) => liveAt === known.seq);
    const ids = live.map(({ subscriberId }) => subscriberId);
    return provisioned(await readAndNoteNews(tx, known, ids, batchEntriesMax));
  }

  #sign(signer: Signer, to: cursor.FeedPosition): Promise<SignedHead> {
    return signHead(signer, this.#deps.runtime, this.#deps.tenantId, to);
  }

  async #publish({ from, to, entries, state, noted, ...look }: Look): Promise<void> {
    const head = await (look.head ?? this.#sign(await this.#deps.signer(), to));
    const headAlone = new EncodedBatch([], head);
    const batch = entries.length > 0 ? new EncodedBatch(entries, head) : headAlone;
    const tick = { from, to, head, batch, headAlone, state };
    this.#latest = tick;
    this.#publishedAtMs = this.#deps.runtime.monotonicMs();
    for (const follower of [...this.#followers]) follower.take(tick, noted.has(follower.subscriberId));
  }

  /** How long until a head is due without any news. */
  #dueMs(): number {
    if (!this.#latest) return 0;
    return Math.max(0, this.#publishedAtMs + pauseMs - this.#deps.runtime.monotonicMs());
  }

  async #pause(): Promise<void> {
    const pause = new AbortController();
    this.#endPause = () => pause.abort();
    // Only the abort ends it early.
    await this.#deps.runtime.sleep(this.#dueMs(), pause.signal).catch(() => undefined);
  }

  /** Stands still again, and forgets: whoever follows next begins with a fresh look. */
  #rest(): void {
    this.#running = false;
    this.#latest = undefined;
    for (const resolve of this.#untold.splice(0)) resolve();
    this.#deps.onIdle();
  }
}

function samePosition(a: cursor.FeedPosition, b: cursor.FeedPosition | undefined): boolean {
  return b !== undefined && a.incarnation === b.incarnation && a.seq === b.seq && equalBytes(a.hash, b.hash);
}
