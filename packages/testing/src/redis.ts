import { inject } from 'vitest';
import type { RedisBinary } from './redis-binary.ts';
import { type RedisSettings, startRedisServer, type TestRedis } from './redis-server.ts';

/** What the run has for tests that need Redis, or why it has nothing. */
export type RedisOffer = { readonly binary: RedisBinary; readonly url: string } | { readonly missing: string };

/** A server of this test file's own, to be killed and emptied; undefined where there is none. Close it in afterAll. */
export async function startTestRedis(settings?: RedisSettings): Promise<TestRedis | undefined> {
  const offer = inject('redis');
  return 'missing' in offer ? undefined : startRedisServer(offer.binary, settings);
}

/** URL of the server that the whole run shares, whose keys are looked at when the run ends. */
export function sharedRedisUrl(): string | undefined {
  const offer = inject('redis');
  return 'missing' in offer ? undefined : offer.url;
}

/**
 * The first line of a test on what `startTestRedis` or `sharedRedisUrl` has given: skips it, and says why, where that is nothing.
 * @throws Error instead where `CI=true`: there, nothing may be skipped.
 */
export function needRedis<T>(context: { skip(reason: string): never }, found: T | undefined): T {
  if (found !== undefined) return found;
  const offer = inject('redis');
  const reason = 'missing' in offer ? offer.missing : 'it was not started';
  if (process.env.CI === 'true') throw new Error(`CI=true needs Redis: ${reason}`);
  return context.skip(`no Redis: ${reason}`);
}

declare module 'vitest' {
  export interface ProvidedContext {
    redis: RedisOffer;
  }
}
