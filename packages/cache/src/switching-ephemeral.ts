import { Refusal } from '@mono-auth/core/errors';
import type { TenantId } from '@mono-auth/core/ids';
import type { Runtime } from '@mono-auth/core/runtime';
import { checkHint, type Ephemeral } from './ephemeral.ts';
import type { RedisEphemeral } from './ephemeral-redis.ts';
import { RedisLost } from './redis-link.ts';

export interface EphemeralState {
  readonly serving: 'redis' | 'postgres';
  /** Why it is not Redis. */
  readonly cause?: unknown;
}

export interface SwitchingDeps {
  readonly redis: RedisEphemeral;
  readonly postgres: Ephemeral;
  readonly runtime: Runtime;
  readonly onStateChange: (state: EphemeralState) => void;
}

/** How often we look whether Redis is still the store that it was, and how often whether it is back. */
const lookMs = 1_000;
const lookAgainMs = 250;
/** How long after its return hints go both ways: other processes may find it again a little later than we. */
const doubtMs = 10_000;

/**
 * Redis while it answers, else Postgres, in each process by itself. What the switch may not do, and why it does not:
 *
 * - **Consume twice.** A consumption without an incarnation stands in Postgres always: one register, no switch. One with
 *   an incarnation counts in the store of that name alone: under any other it is false, also in a process that is still
 *   on the other store. An answer that was lost is false.
 * - **Bring back what was replaced or taken.** Values are kept under a term, the incarnation of Redis that we saw last. Whoever
 *   has written values to Postgres meanwhile renews the incarnation before it uses Redis again; so values from before the
 *   outage are out of reach in Redis, and values of the outage are so in Postgres at the next one. A value that may have reached Redis
 *   without our knowing is not written a second time: the caller is told to try again.
 * - **Count less.** Counters bear no term: each store goes on where it stood, so at most the sum of both is let through.
 */
export class SwitchingEphemeral implements Ephemeral {
  readonly #deps: SwitchingDeps;
  readonly #listeners = new Set<() => void>();
  readonly #ended = new AbortController();
  #serving: EphemeralState['serving'] = 'postgres';
  #said: string | undefined;
  #term = '';
  /** Values written to Postgres, and how many of those a renewal has put out of reach. */
  #written = 0;
  #renewedAfter = 0;
  #doubtUntilMs = 0;

  constructor(deps: SwitchingDeps) {
    this.#deps = deps;
  }

  /** Begins with the Redis that answers now, if it does, and looks after it from then on. */
  async start(): Promise<void> {
    try {
      await this.#deps.redis.open();
      await this.#enter();
    } catch (error) {
      if (!(error instanceof RedisLost)) throw error;
      this.#leave(error);
    }
    void this.#watch();
  }

  incarnation(): Promise<string> {
    return this.#either((store) => store.incarnation());
  }

  async consumeOnce(tenantId: TenantId, kind: string, key: string, ttlMs: number, incarnation?: string) {
    const { redis, postgres } = this.#deps;
    if (incarnation === undefined) return postgres.consumeOnce(tenantId, kind, key, ttlMs);
    if (this.#serving === 'postgres') return postgres.consumeOnce(tenantId, kind, key, ttlMs, incarnation);
    try {
      return await redis.consumeOnce(tenantId, kind, key, ttlMs, incarnation);
    } catch (error) {
      this.#leaveOrThrow(error);
      return false;
    }
  }

  count(tenantId: TenantId, kind: string, key: string, windowMs: number): Promise<number> {
    return this.#either((store) => store.count(tenantId, kind, key, windowMs));
  }

  /** In the store that serves: what the other one may have counted counts on there. */
  uncount(tenantId: TenantId, kind: string, key: string): Promise<void> {
    return this.#either((store) => store.uncount(tenantId, kind, key));
  }

  get(tenantId: TenantId, kind: string, key: string): Promise<string | undefined> {
    return this.#either((store) => store.get(tenantId, kind, this.#underTerm(key)));
  }

  async set(tenantId: TenantId, kind: string, key: string, value: string, ttlMs: number): Promise<void> {
    const { redis, postgres } = this.#deps;
    if (this.#serving === 'redis') {
      try {
        return await redis.set(tenantId, kind, this.#underTerm(key), value, ttlMs);
      } catch (error) {
        this.#leaveOrThrow(error);
        if (error.sent) throw new Refusal('unavailable', 'try again', { cause: error, retryAfterMs: lookAgainMs });
      }
    }
    this.#written++;
    await postgres.set(tenantId, kind, this.#underTerm(key), value, ttlMs);
  }

  take(tenantId: TenantId, kind: string, key: string): Promise<string | undefined> {
    return this.#either((store) => store.take(tenantId, kind, this.#underTerm(key)));
  }

  async publish(channel: string, payload: string): Promise<void> {
    checkHint(channel, payload);
    const { redis, postgres, runtime } = this.#deps;
    const sure = this.#serving === 'redis' && runtime.monotonicMs() >= this.#doubtUntilMs;
    const sent = redis.publish(channel, payload).then(
      () => true,
      (error) => this.#leaveOrThrow(error),
    );
    if (sure && (await sent)) return;
    await Promise.all([sent, postgres.publish(channel, payload)]);
  }

  /** Hears both stores: another process may be on the other one. A hint that was sent both ways comes twice. */
  async subscribe(channel: string, heard: (payload: string) => void): Promise<() => void> {
    const { redis, postgres } = this.#deps;
    const stops = await Promise.all([redis.subscribe(channel, heard), postgres.subscribe(channel, heard)]);
    const readAgain = (): void => heard('');
    this.#listeners.add(readAgain);
    return () => {
      this.#listeners.delete(readAgain);
      for (const stop of stops) stop();
    };
  }

  async close(): Promise<void> {
    this.#ended.abort();
    await Promise.all([this.#deps.redis.close(), this.#deps.postgres.close()]);
  }

  async #either<T>(work: (store: Ephemeral) => Promise<T>): Promise<T> {
    if (this.#serving === 'redis') {
      try {
        return await work(this.#deps.redis);
      } catch (error) {
        this.#leaveOrThrow(error);
      }
    }
    return work(this.#deps.postgres);
  }

  #underTerm(key: string): string {
    return `${this.#term}\n${key}`;
  }

  async #watch(): Promise<void> {
    const { redis, runtime } = this.#deps;
    const { signal } = this.#ended;
    while (!signal.aborted) {
      try {
        await runtime.sleep(this.#serving === 'redis' ? lookMs : lookAgainMs, signal);
        if (this.#serving === 'postgres') await this.#enter();
        else {
          this.#keepTerm(await redis.incarnation());
        }
      } catch (error) {
        if (!signal.aborted) this.#leave(error);
      }
    }
  }

  async #enter(): Promise<void> {
    const { redis, runtime } = this.#deps;
    let term: string;
    do {
      const written = this.#written;
      if (written > this.#renewedAfter) await redis.renew();
      this.#renewedAfter = written;
      term = await redis.incarnation();
    } while (this.#written > this.#renewedAfter);
    if (this.#ended.signal.aborted) return;
    const returns = this.#said !== undefined;
    this.#term = term;
    this.#serving = 'redis';
    if (returns) this.#doubtUntilMs = runtime.monotonicMs() + doubtMs;
    this.#say({ serving: 'redis' });
  }

  /** Another incarnation while it served: the store was emptied, or another process has renewed it. */
  #keepTerm(term: string): void {
    if (term === this.#term) return;
    this.#term = term;
    this.#tellListeners();
  }

  #leaveOrThrow(error: unknown): asserts error is RedisLost {
    if (!(error instanceof RedisLost)) throw error;
    this.#leave(error);
  }

  #leave(error: unknown): void {
    if (this.#ended.signal.aborted) return;
    this.#serving = 'postgres';
    this.#say({ serving: 'postgres', cause: error instanceof RedisLost ? (error.cause ?? error) : error });
  }

  /** Says a state once, and once more when its reason becomes another. */
  #say(state: EphemeralState): void {
    const words = state.serving === 'redis' ? state.serving : `${state.serving}: ${String(state.cause)}`;
    if (words === this.#said) return;
    const switched = this.#said !== undefined && !this.#said.startsWith(state.serving);
    this.#said = words;
    if (switched) this.#tellListeners();
    this.#deps.onStateChange(state);
  }

  #tellListeners(): void {
    for (const listener of this.#listeners) queueMicrotask(listener);
  }
}
