import type { VerifiedHead } from './head.ts';
import { defaultLeaseMs } from './lease-limits.ts';

/** Both clocks of one moment, read together. */
export interface ClockReading {
  readonly nowMs: number;
  readonly monotonicMs: number;
}

/** Nonces under way at once: one a second for three times the longest lease would be 180; what is older is of no use. */
const pendingNoncesMax = 64;

interface Answer {
  /** The head's: the lease counts from `sentAt` once this much of the feed has been applied. */
  readonly seq: number;
  readonly sentAt: ClockReading;
}

/**
 * Whether a subscriber may still trust what it holds (law 8: stale means closed).
 *
 * The lease starts when the subscriber *sent* the nonce that a head answers: whatever was revoked later, the answer could
 * not know. Elapsed time is the larger of both clocks: the monotonic one may stand still while a machine sleeps, the wall
 * clock may be set back. A clock seen running backwards ends the lease at once.
 */
export class Lease {
  readonly #leaseMs: number;
  readonly #pending = new Map<string, ClockReading>();
  #answers: Answer[] = [];
  #appliedSeq = 0;
  #startedAt: ClockReading | undefined;
  #latest: ClockReading | undefined;

  constructor(leaseMs: number = defaultLeaseMs) {
    this.#leaseMs = leaseMs;
  }

  /** To be called before the nonce leaves. A nonce is used once. */
  sent(nonce: string, clock: ClockReading): void {
    this.#observe(clock);
    this.#pending.delete(nonce);
    this.#pending.set(nonce, clock);
    const [oldest] = this.#pending.keys();
    if (this.#pending.size > pendingNoncesMax && oldest !== undefined) this.#pending.delete(oldest);
  }

  /**
   * A verified head has come. True when it answers a nonce of ours; periodic heads and replayed ones do not.
   * The lease is renewed as soon as everything up to the head's seq is applied.
   */
  answered(head: VerifiedHead, clock: ClockReading): boolean {
    this.#observe(clock);
    const sentAt = head.nonce === undefined ? undefined : this.#pending.get(head.nonce);
    if (head.nonce === undefined || sentAt === undefined) return false;
    this.#pending.delete(head.nonce);
    this.#answers.push({ seq: head.seq, sentAt });
    this.#settle();
    return true;
  }

  /** Everything up to and including `seq` is applied. */
  applied(seq: number): void {
    this.#appliedSeq = Math.max(this.#appliedSeq, seq);
    this.#settle();
  }

  /** Ends the lease, as after a resync: nothing sent before counts any more, and nothing is applied. */
  end(): void {
    this.#pending.clear();
    this.#answers = [];
    this.#appliedSeq = 0;
    this.#startedAt = undefined;
  }

  /** To be asked before deciding and again after it. */
  isFresh(clock: ClockReading): boolean {
    return this.remainingMs(clock) > 0;
  }

  /** How much longer the lease lasts; 0 when it has ended. */
  remainingMs(clock: ClockReading): number {
    this.#observe(clock);
    if (this.#startedAt === undefined) return 0;
    return Math.max(0, this.#leaseMs - elapsedMs(this.#startedAt, clock));
  }

  #settle(): void {
    const reached = this.#answers.filter(({ seq }) => seq <= this.#appliedSeq);
    this.#answers = this.#answers.filter(({ seq }) => seq > this.#appliedSeq);
    for (const { sentAt } of reached) {
      // Answers may overtake each other: the lease never moves back.
      if (this.#startedAt === undefined || sentAt.monotonicMs > this.#startedAt.monotonicMs) this.#startedAt = sentAt;
    }
  }

  #observe(clock: ClockReading): void {
    const latest = this.#latest;
    this.#latest = clock;
    if (latest === undefined) return;
    if (clock.nowMs >= latest.nowMs && clock.monotonicMs >= latest.monotonicMs) return;
    // The time that really passed is unknown, so no nonce sent before says anything about now.
    this.#pending.clear();
    this.#answers = [];
    this.#startedAt = undefined;
  }
}

function elapsedMs(since: ClockReading, clock: ClockReading): number {
  return Math.max(clock.nowMs - since.nowMs, clock.monotonicMs - since.monotonicMs);
}
