import type { Runtime } from '@mono-auth/core/runtime';

/** A pause that can be cut short: by a ring, which is remembered when nobody waits, or by the end of the signal. */
export class WakeUp {
  readonly #runtime: Runtime;
  #rung = false;
  #wake: (() => void) | undefined;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  ring(): void {
    this.#rung = true;
    this.#wake?.();
  }

  async pause(ms: number, signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    if (!this.#rung) {
      const rung = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      const slept = this.#runtime.sleep(ms, AbortSignal.any([signal, over.signal])).catch(() => undefined);
      await Promise.race([rung, slept]);
    }
    over.abort();
    this.#rung = false;
    this.#wake = undefined;
  }
}
