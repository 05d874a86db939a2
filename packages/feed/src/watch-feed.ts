import { equalBytes } from '@mono-auth/core/encoding';
import { Refusal } from '@mono-auth/core/errors';
import type { SubscriberId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import type { Database, TenantTx } from '@mono-auth/database';
import { chain, type cursor, snapshot } from '@mono-auth/feed-engine';
import type { Signer } from '@mono-auth/keys';
import { requireHead } from './append-entries.ts';
import { EncodedBatch } from './encoded-batch.ts';
import type { Feed } from './feed.ts';
import type { FeedConsumer } from './feed-consumer.ts';
import { requirePlace } from './feed-place.ts';
import { type FollowerClaims, requireLiving } from './follower.ts';
import { requireOwnSubscriber } from './register-subscriber.ts';
import { signHead } from './signed-head.ts';
import { markSent, readEntries, type StoredEntry } from './store.ts';
import { batchEntriesMax, type HubFollower, type Tick } from './tenant-hub.ts';

/**
 * Bytes that may wait for a consumer when something new comes for it; with more than that it is dropped. A batch of 500
 * entries has some 150 KiB and a head 250 bytes: this is a burst, or a quarter of an hour of silence. What waits for many
 * consumers is one copy, so the most that a stream holds of its own is this and the page it is catching up with.
 */
const backlogBytesMax = 256 * 1024;
/**
 * Entries that are replayed to one who resumes: some 3 MiB in 20 pages, a few hundred milliseconds. From further behind a
 * snapshot is the shorter way, unless the state is too large for one.
 */
const behindEntriesMax = 10_000;
/** How long a page may wait for its consumer, milliseconds: longer than any lease but the longest trusts a connection. */
const stallMsMax = 10_000;

export interface WatchInput {
  readonly subscriberId: SubscriberId;
  /** Undefined: from the beginning. */
  readonly cursor: cursor.FeedPosition | undefined;
  readonly claims: FollowerClaims;
  readonly signal: AbortSignal;
}

export interface WatchDeps {
  readonly database: Database;
  readonly feed: Feed;
  signer(): Promise<Signer>;
}

/**
 * Delivers everything after the cursor, then what comes, with a signed head at least every second. Resolves when the
 * consumer has left.
 * @throws Refusal `reset_required` when the cursor is not a place of this feed or too far behind, or the feed is no longer the one it was;
 * `not_found` for another caller's subscriber; `not_authenticated` once the stream's own token has ended; `unavailable`
 * for a consumer that does not keep up, and when the process stops.
 */
export async function watchFeed(deps: WatchDeps, call: Call, input: WatchInput, consumer: FeedConsumer): Promise<void> {
  const { subscriberId, signal } = input;
  const start = await deps.database.forTenant(call.caller.tenantId, async (tx) => {
    await requireOwnSubscriber(tx, call, subscriberId);
    const position = await startingPoint(tx, deps.feed, input.cursor);
    // Whoever knows the hash of an entry was sent it.
    await markSent(tx, subscriberId, position);
    return position;
  });
  if (signal.aborted) return;
  const following = new Following(deps, call, input, consumer, start);
  const leave = deps.feed.hub(call.caller.tenantId).join(following);
  signal.addEventListener('abort', () => following.end(), { once: true });
  try {
    await following.ended;
  } finally {
    leave();
  }
}

/** One stream: live, it is written what the hub has read; behind, it reads pages of its own until it is live. */
class Following implements HubFollower {
  readonly subscriberId: SubscriberId;
  readonly ended: Promise<void>;
  readonly #deps: WatchDeps;
  readonly #call: Call;
  readonly #input: WatchInput;
  readonly #consumer: FeedConsumer;
  readonly #end = Promise.withResolvers<void>();
  #over = false;
  #at: cursor.FeedPosition;
  /** The newest look, once there is one that is not older than where the stream began. */
  #newest: Tick | undefined;
  #catchingUp = false;

  constructor(deps: WatchDeps, call: Call, input: WatchInput, consumer: FeedConsumer, start: cursor.FeedPosition) {
    this.#deps = deps;
    this.#call = call;
    this.#input = input;
    this.#consumer = consumer;
    this.#at = start;
    this.subscriberId = input.subscriberId;
    this.ended = this.#end.promise;
  }

  get liveAt(): number | undefined {
    return this.#catchingUp ? undefined : this.#at.seq;
  }

  take(tick: Tick, noted: boolean): void {
    if (this.#over) return;
    try {
      this.#take(tick, noted);
    } catch (error) {
      this.fail(error);
    }
  }

  fail(error: unknown): void {
    this.#over = true;
    this.#end.reject(error);
  }

  end(): void {
    this.#over = true;
    this.#end.resolve();
  }

  #take(tick: Tick, noted: boolean): void {
    const at = this.#at;
    this.#requireLiving(tick);
    // The first look may be older than the cursor.
    if (!this.#newest && tick.to.incarnation === at.incarnation && tick.to.seq < at.seq) return;
    this.#newest = tick;
    if (this.#catchingUp) return;
    requireContinuous(at, tick.to);
    if (this.#consumer.bufferedBytes > backlogBytesMax) throw this.#tooSlow();
    if (at.seq === tick.to.seq) this.#consumer.deliver(tick.headAlone);
    else if (noted && at.seq === tick.from.seq) this.#deliver(tick.batch, tick);
    else void this.#catchUp();
  }

  async #catchUp(): Promise<void> {
    this.#catchingUp = true;
    try {
      for (let tick = this.#newest; tick && !this.#over && this.#at.seq !== tick.to.seq; tick = this.#newest) {
        requireContinuous(this.#at, tick.to);
        const batch = await this.#nextPage(tick);
        if (this.#over) return;
        this.#deliver(batch, tick);
        await this.#room();
      }
    } catch (error) {
      this.fail(error);
    } finally {
      this.#catchingUp = false;
    }
  }

  async #nextPage(tick: Tick): Promise<EncodedBatch> {
    const { tenantId } = this.#call.caller;
    const entries = await this.#deps.database.forTenant(tenantId, async (tx) => {
      const page = await entriesAfter(tx, this.#at, tick);
      await markSent(tx, this.subscriberId, positionAfter(this.#at, page));
      return page;
    });
    const reached = positionAfter(this.#at, entries);
    if (reached.seq === tick.to.seq) return new EncodedBatch(entries, tick.head);
    return new EncodedBatch(entries, await signHead(await this.#deps.signer(), this.#call.runtime, tenantId, reached));
  }

  #deliver(batch: EncodedBatch, tick: Tick): void {
    this.#consumer.deliver(batch);
    this.#at = positionAfter(this.#at, batch.entries);
    // It is told of its own end, and of nothing after it.
    this.#requireLiving(tick);
  }

  #requireLiving({ state }: Tick): void {
    requireLiving(this.#input.claims, this.#call.runtime.nowMs(), state, this.#at.seq);
  }

  /** Waits until the last page has been taken. */
  async #room(): Promise<void> {
    if (this.#consumer.bufferedBytes === 0) return;
    const late = new AbortController();
    const stalled = this.#call.runtime.sleep(stallMsMax, late.signal).then(
      () => true,
      () => false,
    );
    const drained = this.#consumer.drained().then(() => false);
    const slow = await Promise.race([drained, stalled]);
    late.abort();
    if (slow) throw this.#tooSlow();
  }

  #tooSlow(): Refusal {
    this.#consumer.drop();
    return new Refusal('unavailable', 'the stream is not read fast enough: resume from the cursor');
  }
}

async function startingPoint(
  tx: TenantTx,
  feed: Feed,
  from: cursor.FeedPosition | undefined,
): Promise<cursor.FeedPosition> {
  const head = await requireHead(tx);
  const { incarnation } = head;
  if (from) await requirePlace(tx, head, from);
  const start = from ?? { incarnation, seq: 0, hash: chain.genesisHash(tx.tenantId, incarnation) };
  if (head.seq - start.seq > behindEntriesMax && (await feed.stateIn(tx)).cutCount <= snapshot.cutsMax) {
    throw new Refusal('reset_required', `more than ${behindEntriesMax} entries behind: begin with a snapshot`);
  }
  return start;
}

function requireContinuous(at: cursor.FeedPosition, to: cursor.FeedPosition): void {
  const sameLife = at.incarnation === to.incarnation && at.seq <= to.seq;
  if (!sameLife || (at.seq === to.seq && !equalBytes(at.hash, to.hash))) {
    throw new Refusal('reset_required', 'the feed is no longer the one that was followed');
  }
}

/** What the hub has just read where it begins here, else a page of the table; nothing beyond the look's head. */
async function entriesAfter(tx: TenantTx, at: cursor.FeedPosition, tick: Tick): Promise<readonly StoredEntry[]> {
  if (at.seq === tick.from.seq) return tick.batch.entries;
  const wanted = Math.min(batchEntriesMax, tick.to.seq - at.seq);
  const page = await readEntries(tx, at.seq, wanted);
  // Sequences are dense: fewer means that entries are gone.
  if (page.length < wanted) throw new Refusal('reset_required', 'the feed is no longer the one that was followed');
  return page;
}

function positionAfter(at: cursor.FeedPosition, entries: readonly StoredEntry[]): cursor.FeedPosition {
  const { seq, hash } = entries.at(-1) ?? at;
  return { incarnation: at.incarnation, seq, hash };
}
