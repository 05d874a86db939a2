import type { Runtime } from '@mono-auth/core/runtime';
import { sealAll, type WorkerJobs } from './jobs.ts';

/** Evidence is sealed at most one second after it was written. */
export const sealEveryMs = 1_000;
/** How often a process looks whether it has to go a round by itself: together with the round before, within the second. */
const lookMs = 250;

interface SealingDeps {
  readonly jobs: WorkerJobs;
  readonly runtime: Runtime;
  readonly log: { warn(details: object, message: string): void };
}

/**
 * The rounds of sealing in this process. The queue asks one worker of all for each; but the queue may vanish with Redis, so a
 * process that nobody has asked for a round's time goes one by itself. Two rounds at once, in two processes, do no harm.
 */
export class SealingRounds {
  readonly #deps: SealingDeps;
  readonly #ended = new AbortController();
  #round: Promise<unknown> | undefined;
  #lastMs: number;

  constructor(deps: SealingDeps) {
    this.#deps = deps;
    this.#lastMs = deps.runtime.monotonicMs();
  }

  /** A round that takes longer than its second is not overtaken by the next one. */
  async next(): Promise<void> {
    if (this.#round) return;
    this.#lastMs = this.#deps.runtime.monotonicMs();
    this.#round = sealAll(this.#deps.jobs).finally(() => {
      this.#round = undefined;
    });
    await this.#round;
  }

  /** Until the end, sees to it that there is a next round. */
  async keep(): Promise<void> {
    const { runtime, log } = this.#deps;
    const { signal } = this.#ended;
    while (!signal.aborted) {
      try {
        await runtime.sleep(lookMs, signal);
        // One look more than a round's time: where the queue asks, it comes first.
        if (runtime.monotonicMs() - this.#lastMs > sealEveryMs + lookMs) await this.next();
      } catch (err) {
        if (!signal.aborted) log.warn({ err }, 'a round of sealing failed');
      }
    }
  }

  async end(): Promise<void> {
    this.#ended.abort();
    await this.#round?.catch(() => undefined);
  }
}
