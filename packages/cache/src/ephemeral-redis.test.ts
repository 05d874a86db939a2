import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { newId } from '@mono-auth/core/ids';
import { systemRuntime } from '@mono-auth/core/runtime';
import {
  ageRedis,
  faultsOf,
  needRedis,
  readRedis,
  sharedRedisUrl,
  startTestRedis,
  type TestRedis,
} from '@mono-auth/testing';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { ephemeralContract } from './ephemeral-contract.ts';
import { createRedisEphemeral, type RedisEphemeral } from './ephemeral-redis.ts';

const runtime = systemRuntime;
const tenants = [newId(runtime, 'ten'), newId(runtime, 'ten')] as const;
const [acme] = tenants;
const soon = { timeout: 10_000, interval: 20 };
let started: TestRedis | undefined;
let opened: RedisEphemeral[] = [];

beforeAll(async () => {
  started = await startTestRedis();
});
afterEach(async () => {
  await Promise.all(opened.map((ephemeral) => ephemeral.close()));
  opened = [];
});
afterAll(() => started?.close());

async function open(redis: TestRedis): Promise<RedisEphemeral> {
  const ephemeral = createRedisEphemeral({ url: redis.url, runtime });
  opened.push(ephemeral);
  await ephemeral.open();
  return ephemeral;
}

test.for(ephemeralContract)('$guarantee', async ({ check }, context) => {
  const redis = needRedis(context, started);
  await check({
    ephemeral: await open(redis),
    other: await open(redis),
    tenants,
    pass: (ms) => ageRedis(redis, ms),
    dump: async () => JSON.stringify(await readRedis(redis)),
    lose: async () => void (await redis.command('flushall')),
  });
});

test('every key ends by itself, names its kind and tenant, and shows nothing of what it was given', async (context) => {
  const redis = needRedis(context, started);
  await redis.command('flushall');
  const ephemeral = await open(redis);
  const secret = 'eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl';
  await ephemeral.set(acme, 'hot', secret, 'ten_1:7', 60_000);
  await ephemeral.consumeOnce(acme, 'once', secret, 60_000, await ephemeral.incarnation());
  await ephemeral.count(acme, 'rate', secret, 60_000);
  await ephemeral.renew();
  await ephemeral.publish('feed_entries', acme);
  const entries = await readRedis(redis);
  expect(faultsOf(entries)).toEqual([]);
  const kinds = entries.map(({ key }) => key.replace(/:[0-9a-f]{64}$/, '')).sort();
  const ofAcme = ['hot', 'once', 'rate'].map((kind) => `${kind}:{${acme}}`);
  expect(kinds).toEqual([...ofAcme, ...['hints', 'incarnation'].map((kind) => `${kind}:{platform}`)].sort());
  const digest = entries.find(({ key }) => key.startsWith('hot:'))?.key.slice(-64);
  expect(digest).toBe(new Bun.CryptoHasher('sha256').update(secret).digest('hex'));
});

test('among processes of their own, one caller wins', async (context) => {
  const script = `
    import { createRedisEphemeral } from ${JSON.stringify(new URL('./ephemeral-redis.ts', import.meta.url).pathname)};
    import { systemRuntime } from ${JSON.stringify(fileURLToPath(import.meta.resolve('@mono-auth/core/runtime')))};
    const ephemeral = createRedisEphemeral({ url: process.env.STORE_URL, runtime: systemRuntime });
    await ephemeral.open();
    const calls = Array.from({ length: 50 }, () => ephemeral.consumeOnce(process.env.TENANT, 'once', 'shared', 60_000));
    process.stdout.write(String((await Promise.all(calls)).filter(Boolean).length));
    await ephemeral.close();`;
  const env = { PATH: process.env.PATH ?? '', STORE_URL: needRedis(context, sharedRedisUrl()), TENANT: acme };
  const wins = [1, 2, 3].map(async () => {
    const child = spawn(process.execPath, ['-e', script], { env, stdio: ['ignore', 'pipe', 'inherit'] });
    return Number(await text(child.stdout));
  });
  expect((await Promise.all(wins)).sort()).toEqual([0, 0, 1]);
});

test('a server that starts again from an old snapshot is another incarnation: what it has forgotten is not accepted', async (context) => {
  const redis = needRedis(context, await startTestRedis({ lines: ['save 3600 1'] }));
  try {
    const before = await open(redis);
    const issued = await before.incarnation();
    await redis.command('save');
    expect(await before.consumeOnce(acme, 'nonce', 'x', 60_000, issued)).toBe(true);
    await redis.kill();
    await redis.start();
    const after = await open(redis);
    const incarnation = await after.incarnation();
    // The random value has survived in the snapshot; the run of the server has not.
    expect(incarnation.split('.')[0]).toBe(issued.split('.')[0]);
    expect(incarnation).not.toBe(issued);
    expect(await after.consumeOnce(acme, 'nonce', 'x', 60_000, issued)).toBe(false);
  } finally {
    await redis.close();
  }
});

test('hints that were trimmed before they were read are told as an empty one', async (context) => {
  const redis = needRedis(context, started);
  const ephemeral = await open(redis);
  const heard: string[] = [];
  await ephemeral.subscribe('feed_entries', (payload) => heard.push(payload));
  await ephemeral.publish('feed_entries', 'first');
  await expect.poll(() => heard, soon).toEqual(['first']);
  // As a reader sees it that was away while the stream was cut: the numbers go on, the entries are gone.
  const key = (await readRedis(redis)).find((entry) => entry.key.startsWith('hints:'))?.key ?? '';
  const last = heard.length;
  const cut = `redis.call('XADD', KEYS[1], '*', 'number', 9000, 'channel', 'feed_entries', 'payload', 'later')`;
  await redis.command('eval', cut, '1', key);
  await expect.poll(() => heard.slice(last), soon).toEqual(['', 'later']);
  await ephemeral.publish('feed_entries', 'next');
  await expect.poll(() => heard.slice(last), soon).toEqual(['', 'later', 'next']);
});

test('a stream that was flushed away is told as an empty hint, also when no other hint comes', async (context) => {
  const redis = needRedis(context, started);
  const ephemeral = await open(redis);
  const heard: string[] = [];
  await ephemeral.subscribe('feed_entries', (payload) => heard.push(payload));
  await ephemeral.publish('feed_entries', 'first');
  await expect.poll(() => heard, soon).toEqual(['first']);
  await redis.command('flushall');
  await expect.poll(() => heard, soon).toEqual(['first', '']);
  await ephemeral.publish('feed_entries', 'second');
  await expect.poll(() => heard, soon).toEqual(['first', '', 'second']);
});

test('subscribers hear again after the server was killed and started, and are told to read again', async (context) => {
  const redis = needRedis(context, await startTestRedis());
  try {
    const ephemeral = await open(redis);
    const heard: string[] = [];
    await ephemeral.subscribe('feed_entries', (payload) => heard.push(payload));
    await redis.kill();
    await redis.start();
    await expect.poll(() => heard, soon).toContain('');
    const publish = () =>
      ephemeral.publish('feed_entries', 'after').then(
        () => 'sent',
        () => 'lost',
      );
    await expect.poll(publish, soon).toBe('sent');
    await expect.poll(() => heard.at(-1), soon).toBe('after');
  } finally {
    await redis.close();
  }
});
