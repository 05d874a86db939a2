import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { deriveDatabaseSecrets, loginUrl } from '@mono-auth/database';
import {
  faultsOf,
  needRedis,
  openTestDatabase,
  readRedis,
  startTestRedis,
  type TestDatabase,
  type TestRedis,
  testKek,
} from '@mono-auth/testing';
import { afterAll, afterEach, beforeAll, describe, expect, type TestContext, test } from 'vitest';
import { type Job, type JobQueue, openJobQueue } from './index.ts';

let db: TestDatabase;
let url: string;
let redis: TestRedis | undefined;
let errors: unknown[] = [];
let opened: JobQueue[] = [];
let queues = 0;

beforeAll(async () => {
  db = await openTestDatabase();
  url = loginUrl({ url: db.url, secrets: deriveDatabaseSecrets(testKek) }, 'mono_app');
  redis = await startTestRedis();
});
afterEach(async () => {
  await Promise.all(opened.map((queue) => queue.close()));
  opened = [];
  errors = [];
});
afterAll(async () => {
  await redis?.close();
  await db.close();
});

interface Store {
  readonly redisUrl?: string;
  /** Ids of the jobs of this name in the store, whatever their state. */
  jobs(name: string): Promise<string[]>;
  cutConnections(): Promise<unknown>;
}

/** Both stores hold to the same contract. */
const stores = ['Postgres', 'Redis'] as const;

function storeOf(context: TestContext, name: (typeof stores)[number]): Store {
  if (name === 'Redis') return redisStore(needRedis(context, redis));
  return {
    jobs: async (jobName) =>
      (await db.admin<{ id: string }>('select id from bullmq.job where name = $1', [jobName])).map((row) => row.id),
    cutConnections: () =>
      db.admin(
        "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'mono_app' and datname = current_database()",
      ),
  };
}

function redisStore(server: TestRedis): Store {
  return {
    redisUrl: server.url,
    async jobs(jobName) {
      const entries = await readRedis(server);
      const job = entries.filter(
        ({ key, value }) => !/:(?:repeat|events)\b/.test(key) && value.split('\n').includes(jobName),
      );
      return job.map(({ key }) => key.split(':').at(-1) ?? '');
    },
    cutConnections: () => server.command('client', 'kill', 'user', 'mono'),
  };
}

async function open(store: Store, name: string): Promise<JobQueue> {
  const queue = await openJobQueue({ url, redisUrl: store.redisUrl, name, onError: (error) => errors.push(error) });
  opened.push(queue);
  return queue;
}
const newName = (): string => `test-${++queues}`;
const soon = { timeout: 10_000, interval: 20 };

describe.each(stores)('on %s', (storeName) => {
  test('an added job is worked once, with its ids, and leaves nothing behind', async (context) => {
    const store = storeOf(context, storeName);
    const queue = await open(store, newName());
    const done: Job[] = [];
    queue.work(async (job) => {
      done.push(job);
    });
    await queue.add('seal-audit', { tenantId: 'ten_1' });
    await expect.poll(() => done, soon).toEqual([{ name: 'seal-audit', ids: { tenantId: 'ten_1' } }]);
    await expect.poll(() => store.jobs('seal-audit'), soon).toEqual([]);
    expect(done).toHaveLength(1);
    expect(errors).toEqual([]);
  });

  test('two workers share the jobs and do none of them twice', async (context) => {
    const store = storeOf(context, storeName);
    const name = newName();
    const [one, two] = [await open(store, name), await open(store, name)];
    const done: string[] = [];
    for (const queue of [one, two]) {
      queue.work(async (job) => {
        done.push(job.ids.id as string);
      });
    }
    const ids = Array.from({ length: 40 }, (_, i) => `evt_${i}`);
    await Promise.all(ids.map((id) => one.add('share', { id })));
    await expect.poll(() => done.length, soon).toBe(40);
    expect([...done].sort()).toEqual([...ids].sort());
  });

  test('a handler that fails has its job again, and the failure is reported', async (context) => {
    const store = storeOf(context, storeName);
    const queue = await open(store, newName());
    let tries = 0;
    queue.work(async () => {
      if (++tries === 1) throw new Error('crash');
    });
    await queue.add('retry', { id: 'x' });
    await expect.poll(() => tries, soon).toBe(2);
    expect(errors).toMatchObject([{ message: 'crash' }]);
  });

  test('a repeated job comes every second from two processes as from one, also after a failure', async (context) => {
    const store = storeOf(context, storeName);
    const name = newName();
    const [one, two] = [await open(store, name), await open(store, name)];
    const at: number[] = [];
    for (const queue of [one, two]) {
      await queue.repeat('tick', 1_000);
      queue.work(async () => {
        at.push(performance.now());
        if (at.length === 2) throw new Error('once');
      });
    }
    await expect.poll(() => at.length, { timeout: 15_000, interval: 50 }).toBeGreaterThanOrEqual(4);
    const gaps = at.slice(2).map((time, i) => time - (at[i + 1] as number));
    for (const gap of gaps) expect(gap).toBeGreaterThan(500);
  });

  test('a job id is taken while its job waits and free again when it has ended', async (context) => {
    const store = storeOf(context, storeName);
    const queue = await open(store, newName());
    await queue.add('nudge', { id: 'a' }, { jobId: 'nudge-a' });
    await queue.add('nudge', { id: 'a' }, { jobId: 'nudge-a' });
    expect(await store.jobs('nudge')).toEqual(['nudge-a']);
    let done = 0;
    queue.work(async () => {
      done++;
    });
    await expect.poll(() => done, soon).toBe(1);
    await expect.poll(() => store.jobs('nudge'), soon).toEqual([]);
    await queue.add('nudge', { id: 'a' }, { jobId: 'nudge-a' });
    await expect.poll(() => done, soon).toBe(2);
  });

  test('a delayed job waits for its time', async (context) => {
    const store = storeOf(context, storeName);
    const queue = await open(store, newName());
    const started = performance.now();
    let after = 0;
    queue.work(async () => {
      after = performance.now() - started;
    });
    await queue.add('later', {}, { delayMs: 400 });
    await expect.poll(() => after, soon).toBeGreaterThanOrEqual(390);
  });

  test('work goes on when every connection was cut, and the cut is reported', async (context) => {
    const store = storeOf(context, storeName);
    const queue = await open(store, newName());
    let ticks = 0;
    queue.work(async () => {
      ticks++;
    });
    await queue.repeat('tick', 200);
    await expect.poll(() => ticks, soon).toBeGreaterThanOrEqual(2);
    await store.cutConnections();
    const before = ticks;
    await expect.poll(() => ticks, { ...soon, timeout: 20_000 }).toBeGreaterThanOrEqual(before + 3);
    await queue.add('after', {});
    expect(errors.length).toBeGreaterThan(0);
  });

  test('a process killed in the middle of a repeated job does not stop the repetition', async (context) => {
    const store = storeOf(context, storeName);
    const name = newName();
    const script = `
    import { openJobQueue } from ${JSON.stringify(new URL('./index.ts', import.meta.url).pathname)};
    const queue = await openJobQueue({
      url: process.env.QUEUE_URL, redisUrl: process.env.STORE_URL, name: process.env.QUEUE_NAME, onError: () => {} });
    await queue.repeat('tick', 1000);
    queue.work(() => new Promise(() => process.stdout.write('hangs')));`;
    const env = { PATH: process.env.PATH ?? '', QUEUE_URL: url, STORE_URL: store.redisUrl, QUEUE_NAME: name };
    const child = spawn(process.execPath, ['-e', script], { env, stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout, 'data');
    child.kill('SIGKILL');
    const queue = await open(store, name);
    let ticks = 0;
    await queue.repeat('tick', 1_000);
    queue.work(async () => {
      ticks++;
    });
    await expect.poll(() => ticks, soon).toBeGreaterThanOrEqual(3);
  });

  test('closing waits for the job that runs', async (context) => {
    const store = storeOf(context, storeName);
    const queue = await open(store, newName());
    let started = false;
    let ended = false;
    queue.work(async () => {
      started = true;
      await new Promise((resolve) => setTimeout(resolve, 300));
      ended = true;
    });
    await queue.add('slow', {});
    await expect.poll(() => started, soon).toBe(true);
    await queue.close();
    expect(ended).toBe(true);
  });

  test('a job that carries data is refused before it is stored', async (context) => {
    const store = storeOf(context, storeName);
    const queue = await open(store, newName());
    await expect(queue.add('leak', { email: 'a@example.com' })).rejects.toThrow('ids only');
    expect(await store.jobs('leak')).toEqual([]);
  });
});

test('opens while Redis is away, repeats once it is there, and again after it was killed and after it was emptied', async (context) => {
  const server = needRedis(context, redis);
  const store = redisStore(server);
  await server.kill();
  const queue = await open(store, newName());
  let ticks = 0;
  queue.work(async () => {
    ticks++;
  });
  await queue.repeat('tick', 200);
  await expect(queue.add('nudge', {})).rejects.toThrow();
  expect(ticks).toBe(0);
  await server.start();
  await expect.poll(() => ticks, soon).toBeGreaterThanOrEqual(3);
  for (const harm of [() => server.kill().then(server.start), () => server.command('flushall')]) {
    await harm();
    const before = ticks;
    await expect.poll(() => ticks, soon).toBeGreaterThanOrEqual(before + 5);
  }
  expect(errors.length).toBeGreaterThan(0);
  await queue.add('nudge', {});
});

test('closing while Redis is away waits for the job that runs, and not for Redis', async (context) => {
  const server = needRedis(context, redis);
  const queue = await open(redisStore(server), newName());
  let ended = false;
  const started = Promise.withResolvers<void>();
  queue.work(async () => {
    started.resolve();
    await new Promise((resolve) => setTimeout(resolve, 500));
    ended = true;
  });
  await queue.add('slow', {});
  await started.promise;
  try {
    await server.kill();
    const since = performance.now();
    await queue.close();
    expect(ended).toBe(true);
    expect(performance.now() - since).toBeLessThan(5_000);
  } finally {
    await server.start();
  }
});

test('a Redis that refuses the password stops the opening with one line', async (context) => {
  const server = needRedis(context, redis);
  const redisUrl = server.url.replace(/:[^:@]+@/, ':hunter2@');
  const opening = openJobQueue({ url, redisUrl, name: newName(), onError: (error) => errors.push(error) });
  await expect(opening).rejects.toThrow(/^MONO_REDIS_URL: the store refuses its user or password$/);
});

test('in Redis, everything of the queue stands under the platform, and no job holds more than ids', async (context) => {
  const server = needRedis(context, redis);
  await server.command('flushall');
  const queue = await open(redisStore(server), newName());
  await queue.add('seal-audit', { tenantId: 'ten_01kdvdna00eymb3g5kgr00h29r' }, { delayMs: 60_000 });
  await queue.repeat('tick', 1_000);
  queue.work(async () => {});
  const entries = await readRedis(server);
  expect(entries.length).toBeGreaterThan(3);
  expect(entries.every(({ key }) => key.startsWith('queue:{platform}:'))).toBe(true);
  expect(faultsOf(entries)).toEqual([]);
});
