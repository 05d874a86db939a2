import { equalBytes } from '@mono-auth/core/encoding';
import { Refusal } from '@mono-auth/core/errors';
import type { TenantId } from '@mono-auth/core/ids';
import { entryHash, type FeedEntry } from './chain.ts';
import * as cursors from './cursor.ts';
import type { VerifiedHead } from './head.ts';
import { type ClockReading, Lease } from './lease.ts';
import { RevocationState } from './revocation-state.ts';
import type { VerifiedSnapshot } from './signed-snapshot.ts';

/** Where a consumer stands. Only `live` may decide. */
export type FeedStatus =
  /** Holds nothing yet. */
  | 'snapshot'
  /** Holds a proven prefix, and the lease holds. */
  | 'live'
  /** Holds a proven prefix and cannot know whether it is all: not answered yet, not answered in time, or a clock ran back. */
  | 'stale'
  /** Trusts nothing of what it held, and knows only how far it had come. */
  | 'resync';

export interface LocalFeedOptions {
  readonly tenantId: TenantId;
  readonly leaseMs: number;
  /** Where to go on, with the state of that position; absent: with nothing. */
  readonly restored?: { readonly position: cursors.FeedPosition; readonly state: RevocationState } | undefined;
}

/** What is told to the server under a nonce. */
export interface Acknowledgement {
  readonly position: cursors.FeedPosition;
  readonly life: number;
}

/**
 * The consumer of one tenant's feed as one state machine: cursor, reducer and lease move together, so that what may be
 * trusted is always said of the state that is held.
 *
 *     snapshot ──a snapshot, or entries from the first on──▶ stale ──a nonce answered──▶ live
 *     live ──lease over──▶ stale          live, stale ──anything unproven──▶ resync ──as from `snapshot`──▶ stale
 *
 * What was proven once is never given up: a snapshot, an answer or a replay that ends before it, or passes it with another
 * hash, is that of a feed that went back. It is refused until the feed has a new incarnation. Knows nothing of connections
 * and reads no clock.
 */
export class LocalFeed {
  readonly tenantId: TenantId;
  readonly leaseMs: number;
  readonly #lease: Lease;
  #state: RevocationState;
  #cursor: cursors.FeedCursor | undefined;
  /** The highest incarnation seen: a lower one is an old database, or an old answer played back. */
  #incarnation: number;
  /** What had been proven before the last reset, until it is passed again or a new incarnation begins. */
  #floor: cursors.FeedPosition | undefined;
  /** Counts resets and snapshots: what was asked in an earlier life is not answered in this one. */
  #lives = 0;

  constructor({ tenantId, leaseMs, restored }: LocalFeedOptions) {
    this.tenantId = tenantId;
    this.leaseMs = leaseMs;
    this.#lease = new Lease(leaseMs);
    this.#state = restored?.state ?? new RevocationState();
    this.#cursor = restored && cursors.resumeCursor(tenantId, restored.position);
    this.#incarnation = restored?.position.incarnation ?? 0;
    this.#lease.applied(this.#state.seq);
  }

  get state(): RevocationState {
    return this.#state;
  }

  /** Up to where the state is proven; undefined while nothing is held. */
  get position(): cursors.FeedPosition | undefined {
    return this.#cursor?.status === 'live' ? this.#cursor.position : undefined;
  }

  /** The furthest position ever proven in the newest incarnation seen: what the server must be able to show. */
  get proven(): cursors.FeedPosition | undefined {
    return this.#floor ?? this.position;
  }

  status(clock: ClockReading): FeedStatus {
    if (!this.#cursor) return this.#lives === 0 ? 'snapshot' : 'resync';
    return this.#lease.isFresh(clock) ? 'live' : 'stale';
  }

  /** Ask before deciding and again after it. */
  isFresh(clock: ClockReading): boolean {
    return this.status(clock) === 'live';
  }

  /**
   * Takes a snapshot instead of what is held.
   * @throws Refusal `verification_failed` when it is of another tenant, of an earlier incarnation, or from before what was
   * proven in the same one. Nothing has changed then.
   */
  takeSnapshot({ tenantId, position, state }: VerifiedSnapshot): void {
    if (tenantId !== this.tenantId) throw unproven('snapshot: of another tenant');
    this.#admit(position.incarnation);
    const { proven } = this;
    if (proven?.incarnation === position.incarnation) {
      const behind = position.seq < proven.seq;
      const other = position.seq === proven.seq && !equalBytes(position.hash, proven.hash);
      if (behind || other) throw unproven('snapshot: the feed has gone back behind what was proven');
    }
    this.#clear();
    this.#floor = undefined;
    this.#state = state;
    this.#cursor = cursors.resumeCursor(tenantId, position);
    this.#lease.applied(state.seq);
  }

  /**
   * Takes one message of the stream, all of it or nothing. While nothing is held the entries must begin with the first.
   * @returns the entries that were applied.
   * @throws Refusal `reset_required` when what is held can no longer be trusted: the status is `resync` then;
   * `verification_failed` for a head of an earlier incarnation, which changes nothing.
   */
  take(entries: readonly FeedEntry[], head: VerifiedHead): readonly FeedEntry[] {
    if (head.tenantId === this.tenantId) this.#admit(head.incarnation);
    this.#cursor ??= cursors.startCursor(this.tenantId, head.incarnation);
    const before = this.position as cursors.FeedPosition;
    const step = cursors.applyBatch(this.#cursor, { entries, head });
    if (step.cursor.status === 'resync') throw this.#resync(step.cursor.reason);
    const passed = this.#passesFloor(before, entries);
    this.#apply(entries);
    this.#cursor = step.cursor;
    if (passed) this.#floor = undefined;
    return entries;
  }

  /**
   * What to acknowledge under `nonce`; undefined while nothing is held. To be called before the nonce leaves: the lease
   * counts from here.
   */
  acknowledge(nonce: string, clock: ClockReading): Acknowledgement | undefined {
    const { position } = this;
    if (!position) return undefined;
    this.#lease.sent(nonce, clock);
    return { position, life: this.#lives };
  }

  /** Takes the answer to an acknowledgement; one of an earlier life says nothing. @throws Refusal as `take`. */
  answered(head: VerifiedHead, { position, life }: Acknowledgement, clock: ClockReading): void {
    if (!this.#cursor || life !== this.#lives) return;
    if (head.tenantId === this.tenantId) this.#admit(head.incarnation);
    const step = cursors.checkAnswer(this.#cursor, head, position);
    if (step.cursor.status === 'resync') throw this.#resync(step.cursor.reason);
    if (this.#floor && head.seq < this.#floor.seq) throw this.#resync('rolled_back');
    this.#lease.answered(head, clock);
  }

  /** Trusts nothing held any more, as when the server says so. */
  reset(): void {
    const { proven } = this;
    this.#clear();
    this.#floor = proven?.incarnation === this.#incarnation ? proven : undefined;
    this.#state = new RevocationState();
    this.#cursor = undefined;
  }

  #clear(): void {
    this.#lease.end();
    this.#lives++;
  }

  #resync(reason: cursors.ResyncReason): Refusal {
    this.reset();
    return new Refusal('reset_required', `feed: ${reason}`);
  }

  /** Incarnations only rise; with a new one, what was proven in the old one binds nobody any more. */
  #admit(incarnation: number): void {
    if (incarnation < this.#incarnation) throw unproven('head: of an earlier incarnation');
    this.#incarnation = incarnation;
    if (this.#floor && this.#floor.incarnation < incarnation) this.#floor = undefined;
  }

  /** Whether these (proven) entries pass what had been proven before: a replay must come by it. */
  #passesFloor(before: cursors.FeedPosition, entries: readonly FeedEntry[]): boolean {
    const floor = this.#floor;
    if (!floor || before.seq + entries.length < floor.seq) return false;
    let { hash } = before;
    for (const entry of entries.slice(0, floor.seq - before.seq)) hash = entryHash(hash, entry);
    if (!equalBytes(hash, floor.hash)) throw this.#resync('rolled_back');
    return true;
  }

  #apply(entries: readonly FeedEntry[]): void {
    try {
      for (const entry of entries) this.#state.apply(entry);
    } catch (cause) {
      // Half of a batch is applied; a consumer that cannot follow must not go on as if it could.
      this.reset();
      throw new Refusal('reset_required', 'feed: an entry is not understood', { cause });
    }
    this.#lease.applied(this.#state.seq);
  }
}

function unproven(why: string): Refusal {
  return new Refusal('verification_failed', `feed ${why}`);
}
