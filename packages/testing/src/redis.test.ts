import { afterAll, beforeAll, expect, test } from 'vitest';
import { needRedis, startTestRedis } from './redis.ts';
import { faultsOf, readRedis } from './redis-keys.ts';
import type { TestRedis } from './redis-server.ts';

let started: TestRedis | undefined;

beforeAll(async () => {
  started = await startTestRedis();
});
afterAll(() => started?.close());

const digest = 'ab'.repeat(32);
const good = `hot:{ten_01kdvdna00eymb3g5kgr00h29r}:${digest}`;

test('a store that holds what it may is found faultless, and each fault is found', async (context) => {
  const redis = needRedis(context, started);
  const faults = async () => faultsOf(await readRedis(redis));
  await redis.command('set', good, 'ten_1:7', 'px', '60000');
  await redis.command('set', `hot:{platform}:${digest}`, 'x', 'px', '60000');
  await redis.command('hset', 'queue:{platform}:worker:meta', 'version', 'bullmq');
  expect(await faults()).toEqual([]);

  const planted: [string[], string][] = [
    [['set', 'session:acme', 'x', 'px', '60000'], 'session:acme is no <kind>:{<tenant>}:<full digest>'],
    [['set', `${good}0`, 'x', 'px', '60000'], `${good}0 is no <kind>:{<tenant>}:<full digest>`],
    [['set', good, 'x'], `${good} never ends`],
    [['set', good, 'Bearer abcdefgh12345678', 'px', '60000'], `${good} holds a raw credential`],
    [
      ['hset', 'queue:{platform}:worker:1', 'data', 'eyJhbGciOiJFUzI1NiJ9.e30'],
      'queue:{platform}:worker:1 holds a raw credential',
    ],
  ];
  for (const [command, fault] of planted) {
    await redis.command('flushall');
    await redis.command(...command);
    expect(await faults()).toEqual([fault]);
  }
});

test('where CI=true, a test that lacks Redis fails instead of being skipped', () => {
  const before = process.env.CI;
  const skipped: string[] = [];
  const skip = (reason: string): never => {
    skipped.push(reason);
    throw new Error('skipped');
  };
  try {
    process.env.CI = 'true';
    expect(() => needRedis({ skip }, undefined)).toThrow('CI=true needs Redis');
    expect(skipped).toEqual([]);
    process.env.CI = '';
    expect(() => needRedis({ skip }, undefined)).toThrow('skipped');
    expect(skipped).toHaveLength(1);
  } finally {
    if (before === undefined) delete process.env.CI;
    else process.env.CI = before;
  }
});

test('the login of the tests may do what is dangerous as little as that of an installation', async (context) => {
  const redis = needRedis(context, started);
  const { username, password } = new URL(redis.url);
  const asLogin = (...args: string[]) => redis.command('--user', username, '--pass', password, ...args);
  expect(await asLogin('flushall')).toContain('NOPERM');
  expect(await asLogin('ping')).toBe('PONG');
});
