import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loopbackTls, needRedis, startTestRedis, type TestRedis } from '@mono-auth/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { RedisLink, RedisLost, RedisSettingError } from './redis-link.ts';

let started: TestRedis | undefined;
let tls: TestRedis | undefined;

beforeAll(async () => {
  started = await startTestRedis();
  tls = await startTestRedis({ tls: loopbackTls });
});
afterAll(async () => {
  await started?.close();
  await tls?.close();
});

/** What opening ends with, undefined when it opens. */
async function failureOf(url: string): Promise<unknown> {
  let link: RedisLink | undefined;
  try {
    link = new RedisLink({ url });
    await link.open();
    return undefined;
  } catch (error) {
    return error;
  } finally {
    link?.close();
  }
}

function withPassword(redis: TestRedis, password: string): string {
  const url = new URL(redis.url);
  url.password = password;
  return url.toString();
}

test.each([
  'localhost:6379',
  'http://mono:hunter2@localhost',
  'redis://',
  'redis://mono:hunter2%@localhost',
  'redis://mono:hunter2@localhost/db',
  'redis://mono:hunter2@localhost/0?family=6',
  'redis://mono:hunter2@localhost/0#x',
])('the URL %s is refused with one line that names the variable and repeats no password', async (url) => {
  const error = await failureOf(url);
  expect(error).toBeInstanceOf(RedisSettingError);
  expect((error as Error).message).toMatch(
    /^MONO_REDIS_URL: .*; allowed: redis:\/\/user:password@host:port\/db, or rediss:\/\/ for TLS/,
  );
  expect((error as Error).message).not.toMatch(/\n|hunter2/);
});

test('a wrong password, an unknown user and a missing login are each refused with one line', async (context) => {
  const redis = needRedis(context, started);
  const urls = [
    withPassword(redis, 'hunter2'),
    `redis://nobody:hunter2@127.0.0.1:${redis.port}`,
    `redis://127.0.0.1:${redis.port}`,
  ];
  for (const url of urls) {
    const error = await failureOf(url);
    expect(error).toBeInstanceOf(RedisSettingError);
    expect((error as Error).message).toMatch(/^MONO_REDIS_URL: the store refuses .*user, password/);
    expect((error as Error).message).not.toMatch(/\n|hunter2/);
  }
});

test('a store that may throw keys away is refused, and taken once it may not', async (context) => {
  const redis = needRedis(context, started);
  for (const policy of ['allkeys-lru', 'volatile-ttl']) {
    await redis.command('config', 'set', 'maxmemory-policy', policy);
    const error = await failureOf(redis.url);
    expect(error).toBeInstanceOf(RedisSettingError);
    expect((error as Error).message).toBe(
      `MONO_REDIS_URL: the store has maxmemory-policy ${policy}; allowed: noeviction`,
    );
  }
  await redis.command('config', 'set', 'maxmemory-policy', 'noeviction');
  expect(await failureOf(redis.url)).toBeUndefined();
});

test('a store that does not tell its policy to this login is taken', async (context) => {
  const redis = needRedis(context, started);
  await redis.command('acl', 'setuser', 'quiet', 'on', '>pass', '~*', '&*', '+@all', '-info', '-config');
  expect(await failureOf(`redis://quiet:pass@127.0.0.1:${redis.port}`)).toBeUndefined();
});

test('nothing that answers is no fault of the setting', async () => {
  expect(await failureOf('redis://mono:hunter2@127.0.0.1:1')).toBeInstanceOf(RedisLost);
});

test('a command that got no answer in time fails, as one that may have been carried out, and is not sent again', async (context) => {
  const redis = needRedis(context, started);
  const link = new RedisLink({ url: redis.url });
  await link.open();
  try {
    redis.freeze();
    const lost = link.ask((client) => client.incr('counted'));
    await expect(lost).rejects.toMatchObject({ name: 'RedisLost', sent: true });
    await expect(link.ask((client) => client.incr('counted'))).rejects.toMatchObject({ sent: false });
    redis.wake();
    const value = () => link.ask((client) => client.get('counted')).catch(() => 'lost');
    await expect.poll(value, { timeout: 10_000, interval: 20 }).toBe('1');
  } finally {
    redis.wake();
    link.close();
  }
});

test('rediss:// is refused while the CA is unknown, and serves once NODE_EXTRA_CA_CERTS names it', async (context) => {
  const redis = needRedis(context, tls);
  const error = await failureOf(redis.url);
  expect(error).toBeInstanceOf(RedisSettingError);
  expect((error as Error).message).toMatch(
    /^MONO_REDIS_URL: no TLS with the store \(\w+\); allowed: .*NODE_EXTRA_CA_CERTS$/,
  );

  const dir = mkdtempSync(join(tmpdir(), 'mono-ca-'));
  try {
    writeFileSync(join(dir, 'ca.pem'), loopbackTls.cert);
    const script = `
      import { RedisLink } from ${JSON.stringify(new URL('./redis-link.ts', import.meta.url).pathname)};
      const link = new RedisLink({ url: process.env.STORE_URL });
      await link.open();
      process.stdout.write(await link.ask((client) => client.ping()));
      link.close();`;
    const env = { PATH: process.env.PATH ?? '', STORE_URL: redis.url, NODE_EXTRA_CA_CERTS: join(dir, 'ca.pem') };
    const child = spawn(process.execPath, ['-e', script], { env, stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    child.stdout.on('data', (chunk) => {
      text += String(chunk);
    });
    await new Promise((resolve) => child.on('close', resolve));
    expect(text).toBe('PONG');
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
