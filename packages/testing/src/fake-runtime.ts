import { type Runtime, systemRuntime } from '@mono-auth/core/runtime';
import { v7 } from 'uuid';

/** A runtime on virtual time: nothing passes until `advance` says so. Randomness stays real unless a test fixes it. */
export class FakeRuntime implements Runtime {
  #now: number;
  #monotonic = 0;
  #made = 0;
  #sleepers: { at: number; wake: () => void }[] = [];

  constructor(startMs = Date.UTC(2026, 0, 1)) {
    this.#now = startMs;
  }

  nowMs(): number {
    return this.#now;
  }

  monotonicMs(): number {
    return this.#monotonic;
  }

  uuid(): string {
    // The counter keeps ids of one millisecond in the order of their making, as the real runtime does.
    this.#made += 1;
    return v7({ msecs: this.#now, seq: this.#made });
  }

  randomBytes(length: number): Uint8Array {
    return systemRuntime.randomBytes(length);
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      this.#sleepers.push({ at: this.#monotonic + ms, wake: resolve });
      signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
  }

  /** Lets both clocks run and wakes who was sleeping until then. */
  advance(ms: number): void {
    this.#now += ms;
    this.#monotonic += ms;
    const due = this.#sleepers.filter((sleeper) => sleeper.at <= this.#monotonic);
    this.#sleepers = this.#sleepers.filter((sleeper) => sleeper.at > this.#monotonic);
    for (const sleeper of due) sleeper.wake();
  }

  /** Moves the wall clock alone, as an administrator or NTP would. */
  setWallClock(ms: number): void {
    this.#now = ms;
  }
}
