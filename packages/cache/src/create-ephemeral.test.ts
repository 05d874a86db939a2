import type { TenantId } from '@mono-auth/core/ids';
import { systemRuntime } from '@mono-auth/core/runtime';
import {
  ageRedis,
  FakeRuntime,
  needRedis,
  openTestDatabase,
  readRedis,
  startTestRedis,
  type TestDatabase,
  type TestRedis,
} from '@mono-auth/testing';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { createEphemeral } from './create-ephemeral.ts';
import type { Ephemeral } from './ephemeral.ts';
import { ephemeralContract } from './ephemeral-contract.ts';
import type { EphemeralState } from './switching-ephemeral.ts';

const runtime = systemRuntime;
const soon = { timeout: 15_000, interval: 20 };
/** What a caller waits at most while Redis vanishes under it. */
const waitMsMax = 2_000;
let db: TestDatabase;
let tenants: readonly [TenantId, TenantId];
let acme: TenantId;
let started: TestRedis | undefined;
let opened: Ephemeral[] = [];

beforeAll(async () => {
  db = await openTestDatabase();
  tenants = [await db.createTenantRow('acme'), await db.createTenantRow('globex')];
  acme = tenants[0];
  started = await startTestRedis();
});
afterEach(async () => {
  await Promise.all(opened.map((ephemeral) => ephemeral.close()));
  opened = [];
  await db.admin('truncate mono.ephemeral, mono.ephemeral_incarnation');
});
afterAll(async () => {
  await started?.close();
  await db.close();
});

interface Process {
  readonly ephemeral: Ephemeral;
  readonly states: EphemeralState['serving'][];
  serving(): EphemeralState['serving'] | undefined;
}

async function open(redisUrl: string, clock: typeof runtime = runtime): Promise<Process> {
  const states: EphemeralState['serving'][] = [];
  const ephemeral = await createEphemeral({
    database: db.database,
    runtime: clock,
    redisUrl,
    onStateChange: ({ serving }) => states.push(serving),
  });
  opened.push(ephemeral);
  return { ephemeral, states, serving: () => states.at(-1) };
}

/** A Redis to be harmed, and put back in order for the next test. */
async function harmed(redis: TestRedis, story: () => Promise<void>): Promise<void> {
  try {
    await story();
  } finally {
    redis.wake();
    await redis.kill();
    await redis.start();
  }
}

test.for(ephemeralContract)('with Redis: $guarantee', async ({ check }, context) => {
  const redis = needRedis(context, started);
  const clock = new FakeRuntime();
  await check({
    ephemeral: (await open(redis.url, clock)).ephemeral,
    other: (await open(redis.url, clock)).ephemeral,
    tenants,
    async pass(ms) {
      clock.advance(ms);
      await ageRedis(redis, ms);
    },
    dump: async () => JSON.stringify([await readRedis(redis), await db.admin('select e::text from mono.ephemeral e')]),
    async lose() {
      await redis.command('flushall');
      await db.admin('truncate mono.ephemeral, mono.ephemeral_incarnation');
    },
  });
});

test('while Redis is dead the whole contract holds', async (context) => {
  const redis = needRedis(context, started);
  await harmed(redis, async () => {
    await redis.kill();
    for (const { check } of ephemeralContract) {
      const clock = new FakeRuntime();
      const [one, two] = [await open(redis.url, clock), await open(redis.url, clock)];
      expect(one.serving()).toBe('postgres');
      await check({
        ephemeral: one.ephemeral,
        other: two.ephemeral,
        tenants,
        pass: async (ms) => clock.advance(ms),
        dump: async () => JSON.stringify(await db.admin('select e::text from mono.ephemeral e')),
        lose: async () => void (await db.admin('truncate mono.ephemeral, mono.ephemeral_incarnation')),
      });
      await db.admin('truncate mono.ephemeral, mono.ephemeral_incarnation');
    }
  });
});

/** Consumes the same keys over and over in both processes, and answers who won and what waited longest. */
function consumeUnderLoad(processes: readonly Process[], issued: string) {
  const wins = new Map<string, number>();
  const failures: unknown[] = [];
  let calls = 0;
  let longestMs = 0;
  let stopped = false;
  const lane = async (at: number): Promise<void> => {
    for (let i = at; !stopped; i++) {
      const { ephemeral } = processes[i % processes.length] as Process;
      const key = `key ${Math.floor(i / 3) % 100_000}`;
      const bound = i % 2 === 0;
      const since = runtime.monotonicMs();
      try {
        const won = await ephemeral.consumeOnce(
          acme,
          bound ? 'bound' : 'once',
          key,
          60_000,
          bound ? issued : undefined,
        );
        if (won) wins.set(`${bound} ${key}`, (wins.get(`${bound} ${key}`) ?? 0) + 1);
        await ephemeral.count(acme, 'rate', key, 60_000);
      } catch (error) {
        failures.push(error);
      }
      longestMs = Math.max(longestMs, runtime.monotonicMs() - since);
      calls++;
    }
  };
  // Every lane comes to the keys of the one before, in the other process.
  const lanes = Promise.all(Array.from({ length: 12 }, (_, at) => lane(at * 7)));
  return {
    calls: () => calls,
    async end() {
      stopped = true;
      await lanes;
      return { twice: [...wins].filter(([, times]) => times > 1), won: wins.size, failures, longestMs };
    },
  };
}

test('Redis killed under load: every call is answered within two seconds, nothing is consumed twice, and it comes back', async (context) => {
  const redis = needRedis(context, started);
  await harmed(redis, async () => {
    const processes = [await open(redis.url), await open(redis.url)];
    const issued = await (processes[0] as Process).ephemeral.incarnation();
    const load = consumeUnderLoad(processes, issued);
    await expect.poll(load.calls, soon).toBeGreaterThan(500);
    await redis.kill();
    const before = load.calls();
    await expect.poll(load.calls, soon).toBeGreaterThan(before + 100);
    expect(processes.map((process) => process.serving())).toEqual(['postgres', 'postgres']);
    await redis.start();
    await expect.poll(() => processes.map((process) => process.serving()), soon).toEqual(['redis', 'redis']);
    const after = load.calls();
    await expect.poll(load.calls, soon).toBeGreaterThan(after + 100);
    const { twice, won, failures, longestMs } = await load.end();
    expect(twice).toEqual([]);
    expect(won).toBeGreaterThan(0);
    expect(failures).toEqual([]);
    expect(longestMs).toBeLessThan(waitMsMax);
    expect(await (processes[1] as Process).ephemeral.incarnation()).not.toBe(issued);
  });
});

test('Redis emptied again and again under load: nothing is consumed twice', async (context) => {
  const redis = needRedis(context, started);
  const processes = [await open(redis.url), await open(redis.url)];
  for (let round = 0; round < 5; round++) {
    const load = consumeUnderLoad(processes, await (processes[0] as Process).ephemeral.incarnation());
    const before = load.calls();
    await expect.poll(load.calls, soon).toBeGreaterThan(before + 200);
    await redis.command('flushall');
    const then = load.calls();
    await expect.poll(load.calls, soon).toBeGreaterThan(then + 200);
    const { twice, failures } = await load.end();
    expect(twice).toEqual([]);
    expect(failures).toEqual([]);
    await db.admin('truncate mono.ephemeral');
    await redis.command('flushall');
  }
});

test('a Redis that takes connections and never answers is left within a second, and used again when it wakes', async (context) => {
  const redis = needRedis(context, started);
  await harmed(redis, async () => {
    const { ephemeral, states } = await open(redis.url);
    redis.freeze();
    const since = runtime.monotonicMs();
    expect(await Promise.all([1, 2, 3].map(() => ephemeral.count(acme, 'rate', 'frozen', 60_000)))).toHaveLength(3);
    expect(runtime.monotonicMs() - since).toBeLessThan(waitMsMax);
    expect(states).toEqual(['redis', 'postgres']);
    redis.wake();
    await expect.poll(() => states, soon).toEqual(['redis', 'postgres', 'redis']);
  });
});

test('a value that was replaced or taken during an outage does not come back, in Redis or at the next outage', async (context) => {
  const redis = needRedis(context, started);
  await harmed(redis, async () => {
    const [one, two] = [await open(redis.url), await open(redis.url)];
    const serving = (state: string) => expect.poll(() => [one.serving(), two.serving()], soon).toEqual([state, state]);
    await one.ephemeral.set(acme, 'hot', 'session', 'alive', 60_000);
    redis.freeze();
    await serving('postgres');
    await one.ephemeral.set(acme, 'hot', 'session', 'ended', 60_000);
    expect(await two.ephemeral.get(acme, 'hot', 'session')).toBe('ended');
    await one.ephemeral.set(acme, 'challenge', 'nonce', 'taken once', 60_000);
    const takers = [one, two, one, two].map(({ ephemeral }) => ephemeral.take(acme, 'challenge', 'nonce'));
    expect((await Promise.all(takers)).filter(Boolean)).toEqual(['taken once']);
    redis.wake();
    await serving('redis');
    const seen = () => Promise.all([one, two].map(({ ephemeral }) => ephemeral.get(acme, 'hot', 'session')));
    await expect.poll(seen, soon).toEqual([undefined, undefined]);
    expect(await one.ephemeral.take(acme, 'challenge', 'nonce')).toBeUndefined();

    await one.ephemeral.set(acme, 'hot', 'session', 'alive again', 60_000);
    await expect.poll(() => two.ephemeral.get(acme, 'hot', 'session'), soon).toBe('alive again');
    redis.freeze();
    await serving('postgres');
    expect(await seen()).toEqual([undefined, undefined]);
  });
});

test('a value whose writing got no answer is not written again: the caller is told to try again', async (context) => {
  const redis = needRedis(context, started);
  await harmed(redis, async () => {
    const { ephemeral } = await open(redis.url);
    redis.freeze();
    const set = () => ephemeral.set(acme, 'challenge', 'doubt', 'v', 60_000);
    await expect(set()).rejects.toMatchObject({ reason: 'unavailable', retryAfterMs: 250 });
    expect(await ephemeral.take(acme, 'challenge', 'doubt')).toBeUndefined();
    await set();
    expect(await ephemeral.take(acme, 'challenge', 'doubt')).toBe('v');
  });
});

test('a process that cannot reach Redis accepts nothing that one that can has issued, and the other way round', async (context) => {
  const redis = needRedis(context, started);
  const near = await open(redis.url);
  const far = await open('redis://mono:secret@127.0.0.1:1');
  expect(far.states).toEqual(['postgres']);
  const issuers = [await near.ephemeral.incarnation(), await far.ephemeral.incarnation()];
  for (const [i, issued] of issuers.entries()) {
    const calls = [near, far, near, far].map(({ ephemeral }) =>
      ephemeral.consumeOnce(acme, 'split', `nonce ${i}`, 60_000, issued),
    );
    expect((await Promise.all(calls)).filter(Boolean)).toHaveLength(1);
    const free = [near, far, near, far].map(({ ephemeral }) => ephemeral.consumeOnce(acme, 'free', `key ${i}`, 60_000));
    expect((await Promise.all(free)).filter(Boolean)).toHaveLength(1);
  }
});

test('hints go on through an outage, to processes on either store, and every switch is told as an empty one', async (context) => {
  const redis = needRedis(context, started);
  await harmed(redis, async () => {
    const near = await open(redis.url);
    const far = await open('redis://mono:secret@127.0.0.1:1');
    const heard: string[][] = [[], []];
    for (const [i, { ephemeral }] of [near, far].entries()) {
      await ephemeral.subscribe('feed_entries', (payload) => heard[i]?.push(payload));
    }
    await far.ephemeral.publish('feed_entries', 'from-far');
    await expect.poll(() => heard.every((payloads) => payloads.includes('from-far')), soon).toBe(true);
    heard[0]?.splice(0);
    await redis.kill();
    await expect.poll(near.serving, soon).toBe('postgres');
    await expect.poll(() => heard[0], soon).toContain('');
    await near.ephemeral.publish('feed_entries', 'without-redis');
    await expect.poll(() => heard.every((payloads) => payloads.includes('without-redis')), soon).toBe(true);
    heard[0]?.splice(0);
    await redis.start();
    await expect.poll(near.serving, soon).toBe('redis');
    await expect.poll(() => heard[0], soon).toContain('');
    // Others may not be back yet: for a while hints go both ways.
    await near.ephemeral.publish('feed_entries', 'just-back');
    await expect.poll(() => heard.every((payloads) => payloads.includes('just-back')), soon).toBe(true);
  });
});

test('a start without Redis is served by Postgres and uses Redis once it is there', async (context) => {
  const redis = needRedis(context, started);
  await harmed(redis, async () => {
    await redis.kill();
    const { ephemeral, states } = await open(redis.url);
    expect(await ephemeral.count(acme, 'rate', 'early', 60_000)).toBe(1);
    await redis.start();
    await expect.poll(() => states, soon).toEqual(['postgres', 'redis']);
  });
});

test('a store that is full is left to Postgres until it has room', async (context) => {
  const redis = needRedis(context, started);
  const { ephemeral, states } = await open(redis.url);
  await redis.command('config', 'set', 'maxmemory', '1');
  await ephemeral.set(acme, 'hot', 'x', 'kept', 60_000);
  expect(await ephemeral.get(acme, 'hot', 'x')).toBe('kept');
  expect(states).toEqual(['redis', 'postgres']);
  await redis.command('config', 'set', 'maxmemory', '0');
  await expect.poll(() => states, soon).toEqual(['redis', 'postgres', 'redis']);
});

test('a store that may never serve stops the start with one line, and leaves nothing open', async (context) => {
  const redis = needRedis(context, started);
  await redis.command('config', 'set', 'maxmemory-policy', 'allkeys-lru');
  try {
    await expect(open(redis.url)).rejects.toThrow(
      /^MONO_REDIS_URL: the store has maxmemory-policy allkeys-lru; allowed: noeviction$/,
    );
    await expect(open(redis.url.replace(/:[^:@]+@/, ':hunter2@'))).rejects.toThrow(
      /^MONO_REDIS_URL: the store refuses/,
    );
  } finally {
    await redis.command('config', 'set', 'maxmemory-policy', 'noeviction');
  }
  const ours = async () =>
    (await redis.command('client', 'list')).split('\n').filter((line) => line.includes('user=mono'));
  await expect.poll(ours, soon).toEqual([]);
});

test('a store that turns unfit while it is away is not used again, and why is said', async (context) => {
  const redis = needRedis(context, started);
  await harmed(redis, async () => {
    const causes: string[] = [];
    const ephemeral = await createEphemeral({
      ...{ database: db.database, runtime, redisUrl: redis.url },
      onStateChange: ({ serving, cause }) => causes.push(`${serving} ${cause ?? ''}`),
    });
    opened.push(ephemeral);
    await redis.command('config', 'set', 'maxmemory-policy', 'allkeys-lru');
    await redis.command('client', 'kill', 'user', 'mono');
    await expect.poll(() => causes.at(-1), soon).toContain('maxmemory-policy allkeys-lru');
    expect(await ephemeral.count(acme, 'rate', 'unfit', 60_000)).toBe(1);
    expect(causes.filter((cause) => cause.startsWith('redis'))).toHaveLength(1);
  });
});
