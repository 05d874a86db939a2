import { v7 } from 'uuid';

/**
 * Everything a use case may not take from the air: time, randomness, ids and waiting.
 * Protocol tests hand in a virtual one; see `FakeRuntime` in `testing`.
 */
export interface Runtime {
  /** Wall clock, milliseconds since the Unix epoch. */
  nowMs(): number;
  /** A clock that never goes backwards, milliseconds since an arbitrary origin. */
  monotonicMs(): number;
  /** A fresh UUIDv7 in canonical lower-case text form. */
  uuid(): string;
  /** `length` bytes from a cryptographically secure source. */
  randomBytes(length: number): Uint8Array;
  /** Resolves after `ms` milliseconds; rejects with the signal's reason when it aborts first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** The real clock and the real random source of this process. */
export const systemRuntime: Runtime = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  uuid: () => v7(),
  randomBytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const stop = () => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', stop);
        resolve();
      }, ms);
      signal?.addEventListener('abort', stop, { once: true });
    }),
};

/** Wall clock in whole seconds, the unit of every JWT time claim (RFC 7519 §2, NumericDate). */
export function nowSeconds(runtime: Runtime): number {
  return Math.floor(runtime.nowMs() / 1000);
}
