import { Refusal } from '@mono-auth/core/errors';
import type { TenantId } from '@mono-auth/core/ids';
import type { Runtime } from '@mono-auth/core/runtime';
import { type ClockReading, type chain, cursor, type head, Lease, RevocationState } from '@mono-auth/feed-engine';

export interface LocalFeedOptions {
  readonly tenantId: TenantId;
  readonly leaseMs: number;
  readonly runtime: Runtime;
  /** Where to go on, with the state of that position; absent: from the beginning. */
  readonly restored?: { readonly position: cursor.FeedPosition; readonly state: RevocationState } | undefined;
}

/** What this process has proven of one tenant's feed, and whether it may still trust it. Knows nothing of connections. */
export class LocalFeed {
  readonly tenantId: TenantId;
  readonly leaseMs: number;
  readonly #runtime: Runtime;
  readonly #lease: Lease;
  #state: RevocationState;
  #cursor: cursor.FeedCursor | undefined;
  /** The highest incarnation seen: a lower one is an old database, or an old answer played back. */
  #incarnation: number;
  #lives = 0;

  constructor({ tenantId, leaseMs, runtime, restored }: LocalFeedOptions) {
    this.tenantId = tenantId;
    this.leaseMs = leaseMs;
    this.#runtime = runtime;
    this.#lease = new Lease(leaseMs);
    this.#state = restored?.state ?? new RevocationState();
    this.#cursor = restored && cursor.resumeCursor(tenantId, restored.position);
    this.#incarnation = restored?.position.incarnation ?? 0;
    this.#lease.applied(this.#state.seq);
  }

  get state(): RevocationState {
    return this.#state;
  }

  /** Undefined until the first head says which life of the database this is. */
  get position(): cursor.FeedPosition | undefined {
    return this.#cursor?.status === 'live' ? this.#cursor.position : undefined;
  }

  /** Changes with every reset: what was asked in an earlier life is not answered in this one. */
  get life(): number {
    return this.#lives;
  }

  isFresh(): boolean {
    return this.#lease.isFresh(this.#clock());
  }

  /**
   * Takes one message of the stream, all of it or nothing.
   * @returns the entries that were applied.
   * @throws Refusal `reset_required` when what is held can no longer be trusted: it is gone then, and the lease has ended.
   */
  take(entries: readonly chain.FeedEntry[], verified: head.VerifiedHead): readonly chain.FeedEntry[] {
    if (verified.incarnation < this.#incarnation) {
      throw new Refusal('verification_failed', 'feed head: of an earlier incarnation');
    }
    this.#incarnation = verified.incarnation;
    this.#cursor ??= cursor.startCursor(this.tenantId, verified.incarnation);
    this.#carryOut(cursor.applyBatch(this.#cursor, { entries, head: verified }));
    return entries;
  }

  /** To be called before the nonce leaves: the lease counts from here. */
  nonceSent(nonce: string): void {
    this.#lease.sent(nonce, this.#clock());
  }

  /** Takes the answer to an acknowledgement of `acknowledged`. @throws Refusal `reset_required`, as `take`. */
  answered(verified: head.VerifiedHead, acknowledged: cursor.FeedPosition): void {
    if (!this.#cursor) return;
    this.#carryOut(cursor.checkAnswer(this.#cursor, verified, acknowledged));
    this.#lease.answered(verified, this.#clock());
  }

  /** Trusts nothing held any more. */
  reset(): void {
    this.#lease.end();
    this.#state = new RevocationState();
    this.#cursor = undefined;
    this.#lives++;
  }

  #carryOut(step: cursor.FeedStep): void {
    for (const effect of step.effects) {
      if (effect.type === 'reset') {
        this.reset();
        throw new Refusal('reset_required', `feed: ${effect.reason}`);
      }
      if (effect.type === 'apply') this.#apply(effect.entries);
    }
    this.#cursor = step.cursor;
  }

  #apply(entries: readonly chain.FeedEntry[]): void {
    try {
      for (const entry of entries) this.#state.apply(entry);
    } catch (cause) {
      // Half of a batch is applied; a consumer that cannot follow must not go on as if it could.
      this.reset();
      throw new Refusal('reset_required', 'feed: an entry is not understood', { cause });
    }
    this.#lease.applied(this.#state.seq);
  }

  #clock(): ClockReading {
    return { nowMs: this.#runtime.nowMs(), monotonicMs: this.#runtime.monotonicMs() };
  }
}
