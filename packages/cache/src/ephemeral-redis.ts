import type { Runtime } from '@mono-auth/core/runtime';
import { checkEntry, checkValue, type Ephemeral } from './ephemeral.ts';
import { RedisHints } from './redis-hints.ts';
import { installationKey, redisKey } from './redis-key.ts';
import { type LinkDeps, RedisLink } from './redis-link.ts';

/** The driver on Redis or Valkey. Every failure of Redis is thrown as RedisLost. */
export interface RedisEphemeral extends Ephemeral {
  /**
   * Connects for the first time; later it connects again by itself.
   * @throws RedisSettingError when the store may never serve; RedisLost when it does not answer now.
   */
  open(): Promise<void>;
  /** Gives the store another incarnation, as if it had been lost. */
  renew(): Promise<void>;
}

const incarnationKey = installationKey('incarnation');
/** Outlives everything that was issued under it (an entry lives 31 days at most); renewed whenever somebody asks. */
const incarnationTtlMs = 62 * 24 * 3_600_000;

/** Keeps the first incarnation that anybody proposes. It writes, so it fails in a store that is full or a replica. */
const incarnationScript = `
redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return redis.call('GET', KEYS[1])`;

/** The window starts with its first call, so only that one sets its end. */
const countScript = `
local sum = redis.call('INCR', KEYS[1])
if sum == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return sum`;

export function createRedisEphemeral(deps: LinkDeps & { readonly runtime: Runtime }): RedisEphemeral {
  const link = new RedisLink(deps);
  const hints = new RedisHints(deps, link);
  // The run of the server belongs to it: one that starts again from an old snapshot has its random value and has
  // forgotten what was consumed since, and so has a replica that takes over.
  const incarnationOf = (value: string | null, run: string): string => `${value}.${run}`;

  return {
    open: () => link.open(),
    async renew() {
      await link.ask((client) => client.set(incarnationKey, deps.runtime.uuid(), 'PX', incarnationTtlMs));
    },
    incarnation: () =>
      link.ask(async (client, run) => {
        const value = await client.eval(incarnationScript, 1, incarnationKey, deps.runtime.uuid(), incarnationTtlMs);
        return incarnationOf(String(value), run);
      }),
    async consumeOnce(tenantId, kind, key, ttlMs, incarnation) {
      checkEntry(kind, ttlMs);
      return link.ask(async (client, run) => {
        const won = client.set(redisKey(kind, tenantId, key), '1', 'PX', ttlMs, 'NX');
        if (incarnation === undefined) return (await won) === 'OK';
        // Asked behind the consumption, on the same connection: a loss in between has changed it.
        const [first, value] = await Promise.all([won, client.get(incarnationKey)]);
        return first === 'OK' && incarnation === incarnationOf(value, run);
      });
    },
    async count(tenantId, kind, key, windowMs) {
      checkEntry(kind, windowMs);
      const sum = await link.ask((client) => client.eval(countScript, 1, redisKey(kind, tenantId, key), windowMs));
      return Number(sum);
    },
    async uncount(tenantId, kind, key) {
      checkEntry(kind);
      await link.ask((client) => client.del(redisKey(kind, tenantId, key)));
    },
    async get(tenantId, kind, key) {
      checkEntry(kind);
      return (await link.ask((client) => client.get(redisKey(kind, tenantId, key)))) ?? undefined;
    },
    async set(tenantId, kind, key, value, ttlMs) {
      checkValue(kind, value);
      checkEntry(kind, ttlMs);
      await link.ask((client) => client.set(redisKey(kind, tenantId, key), value, 'PX', ttlMs));
    },
    async take(tenantId, kind, key) {
      checkEntry(kind);
      return (await link.ask((client) => client.getdel(redisKey(kind, tenantId, key)))) ?? undefined;
    },
    publish: (channel, payload) => hints.publish(channel, payload),
    subscribe: (channel, heard) => hints.subscribe(channel, heard),
    async close() {
      hints.close();
      link.close();
    },
  };
}
