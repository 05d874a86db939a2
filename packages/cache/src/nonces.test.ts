import type { TenantId } from '@mono-auth/core/ids';
import { systemRuntime } from '@mono-auth/core/runtime';
import {
  ageRedis,
  FakeRuntime,
  faultsOf,
  needRedis,
  openTestDatabase,
  readRedis,
  startTestRedis,
  type TestDatabase,
  type TestRedisPair,
} from '@mono-auth/testing';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createEphemeral } from './create-ephemeral.ts';
import type { Ephemeral } from './ephemeral.ts';
import { createNonces, createNonceWindow } from './nonces.ts';

const secret = systemRuntime.randomBytes(32);
const soon = { timeout: 15_000, interval: 20 };
const lifeMs = 120_000;
let db: TestDatabase;
let started: TestRedisPair | undefined;
let tenants: readonly [TenantId, TenantId];
let opened: Ephemeral[] = [];

beforeAll(async () => {
  db = await openTestDatabase();
  tenants = [await db.createTenantRow('acme'), await db.createTenantRow('globex')];
  started = await (await startTestRedis())?.openPair();
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

/** Two processes on one store, and the clock that both go by. */
async function open(redis: TestRedisPair | undefined) {
  const clock = new FakeRuntime();
  const processes = await Promise.all(
    [1, 2].map(async () => {
      let serving = 'postgres';
      const ephemeral = await createEphemeral({
        ...{ database: db.database, runtime: redis ? systemRuntime : clock, redisUrl: redis?.url },
        onStateChange: (state) => {
          serving = state.serving;
        },
      });
      opened.push(ephemeral);
      const deps = { ephemeral, runtime: clock, secret };
      return {
        ...createNonces(deps, { kind: 'challenge', lifeMs }),
        ...createNonceWindow(deps, { kind: 'proof', windowMs: lifeMs }),
        serving: () => serving,
      };
    }),
  );
  const [one, two] = processes as [(typeof processes)[0], (typeof processes)[0]];
  const pass = async (ms: number) => {
    clock.advance(ms);
    if (redis) await ageRedis(redis.primary, ms);
  };
  const lose = async () => {
    if (redis) await redis.primary.command('flushall');
    else await db.admin('truncate mono.ephemeral, mono.ephemeral_incarnation');
  };
  return { one, two, pass, lose };
}

describe.each(['Postgres', 'Redis'] as const)('on %s', (driver) => {
  test('a nonce is consumed once, by one of fifty in two processes', async (context) => {
    const { one, two } = await open(driver === 'Redis' ? needRedis(context, started) : undefined);
    const [acme] = tenants;
    for (let round = 0; round < 5; round++) {
      const { nonce } = await one.issue(acme, 'credential');
      const calls = Array.from({ length: 50 }, (_, i) => (i % 2 ? one : two).consume(acme, 'credential', nonce));
      const answers = (await Promise.all(calls)).sort();
      expect(answers).toEqual(['ok', ...Array.from({ length: 49 }, () => 'refused')]);
    }
  });

  test('a nonce of another tenant, binding or use, a changed one and one of nobody are refused, and use nothing up', async (context) => {
    const { one, two } = await open(driver === 'Redis' ? needRedis(context, started) : undefined);
    const [acme, globex] = tenants;
    const { nonce } = await one.issue(acme, 'credential');
    const flipped = (at: number) => `${nonce.slice(0, at)}${nonce[at] === 'A' ? 'B' : 'A'}${nonce.slice(at + 1)}`;
    expect(await two.consume(globex, 'credential', nonce)).toBe('refused');
    expect(await two.consume(acme, 'another', nonce)).toBe('refused');
    const changed = Array.from({ length: nonce.length }, (_, at) => flipped(at));
    for (const text of [...changed, '', 'AAAA', `${nonce}A`, nonce.slice(1), `${nonce}=`, await one.current(acme)]) {
      expect(await two.consume(acme, 'credential', text), text).toBe('refused');
    }
    expect(await two.consume(acme, 'credential', nonce)).toBe('ok');
    for (const text of ['', 'AAAA', nonce, await one.current(globex)]) {
      expect(await two.consumeProof(acme, text, 'proof')).toBe('use_new');
    }
  });

  test('a nonce ends with its time, and its mark does not end before it', async (context) => {
    const { one, two, pass } = await open(driver === 'Redis' ? needRedis(context, started) : undefined);
    const [acme] = tenants;
    const [early, late, gone] = await Promise.all([1, 2, 3].map(() => one.issue(acme, 'x')));
    expect(await one.consume(acme, 'x', early?.nonce ?? '')).toBe('ok');
    await pass(lifeMs - 1);
    expect(await two.consume(acme, 'x', early?.nonce ?? '')).toBe('refused');
    expect(await two.consume(acme, 'x', late?.nonce ?? '')).toBe('ok');
    await pass(1);
    expect(await two.consume(acme, 'x', gone?.nonce ?? '')).toBe('use_new');
  });

  test('a nonce of the window serves many proofs, each once, in this window and the next', async (context) => {
    const { one, two, pass } = await open(driver === 'Redis' ? needRedis(context, started) : undefined);
    const [acme] = tenants;
    const nonce = await one.current(acme);
    expect(await two.current(acme)).toBe(nonce);
    const calls = Array.from({ length: 20 }, (_, i) => (i % 2 ? one : two).consumeProof(acme, nonce, 'jti-1'));
    expect((await Promise.all(calls)).sort()).toEqual(['ok', ...Array.from({ length: 19 }, () => 'refused')]);
    expect(await two.consumeProof(acme, nonce, 'jti-2')).toBe('ok');
    expect([await two.accepts(acme, nonce), await two.accepts(tenants[1], nonce)]).toEqual([true, false]);
    await pass(lifeMs);
    const next = await one.current(acme);
    expect(next).not.toBe(nonce);
    expect(await two.consumeProof(acme, nonce, 'jti-3')).toBe('ok');
    expect(await two.consumeProof(acme, next, 'jti-3')).toBe('refused');
    expect(await two.consumeProof(acme, next, 'jti-4')).toBe('ok');
    await pass(lifeMs);
    expect([await two.accepts(acme, nonce), await two.accepts(acme, next)]).toEqual([false, true]);
    expect(await two.consumeProof(acme, nonce, 'jti-5')).toBe('use_new');
    expect(await two.consumeProof(acme, next, 'jti-5')).toBe('ok');
  });

  test('a nonce of the window is none once the store that issued it was lost', async (context) => {
    const { one, two, lose } = await open(driver === 'Redis' ? needRedis(context, started) : undefined);
    const nonce = await one.current(tenants[0]);
    expect(await two.accepts(tenants[0], nonce)).toBe(true);
    await lose();
    expect(await two.accepts(tenants[0], nonce)).toBe(false);
    expect(await two.accepts(tenants[0], await one.current(tenants[0]))).toBe(true);
  });

  test('what was issued before the store was lost asks for a new one, used or not, and a new one works', async (context) => {
    const { one, two, lose } = await open(driver === 'Redis' ? needRedis(context, started) : undefined);
    await expectNothingOfBefore({ one, two }, lose);
  });
});

type Process = Awaited<ReturnType<typeof open>>['one'];

/** Whatever `harm` does to the store: what was issued before is not taken, used or not, and new ones are. */
async function expectNothingOfBefore({ one, two }: { one: Process; two: Process }, harm: () => Promise<unknown>) {
  const [acme] = tenants;
  const [used, unused] = [(await one.issue(acme, 'x')).nonce, (await two.issue(acme, 'x')).nonce];
  const [window, jti] = [await one.current(acme), systemRuntime.uuid()];
  expect(await two.consume(acme, 'x', used)).toBe('ok');
  expect(await two.consumeProof(acme, window, jti)).toBe('ok');
  await harm();
  for (const process of [one, two, one, two]) {
    for (const nonce of [used, unused]) expect(await process.consume(acme, 'x', nonce)).toBe('use_new');
    for (const proof of [jti, 'another']) expect(await process.consumeProof(acme, window, proof)).toBe('use_new');
  }
  const { nonce } = await one.issue(acme, 'x');
  expect([await two.consume(acme, 'x', nonce), await one.consume(acme, 'x', nonce)]).toEqual(['ok', 'refused']);
  expect(await two.consumeProof(acme, await one.current(acme), systemRuntime.uuid())).toBe('ok');
}

const back = ({ one, two }: { one: Process; two: Process }) =>
  expect.poll(() => [one.serving(), two.serving()], soon).toEqual(['redis', 'redis']);

test('a dead Redis that comes back from an old snapshot does not take what it had not seen used', async (context) => {
  const redis = needRedis(context, started);
  const processes = await open(redis);
  await expectNothingOfBefore(processes, async () => {
    await redis.primary.kill();
    await redis.primary.start();
    await back(processes);
  });
  // The snapshot has what was issued, and not that it was consumed.
  await redis.primary.command('save');
  await expectNothingOfBefore(processes, async () => {
    await redis.primary.kill();
    await redis.primary.start();
    await back(processes);
  });
});

test('while Redis is dead and when it is back, what the other store has issued is not taken', async (context) => {
  const redis = needRedis(context, started);
  const processes = await open(redis);
  await expectNothingOfBefore(processes, () => redis.primary.kill());
  await expectNothingOfBefore(processes, async () => {
    await redis.primary.start();
    await back(processes);
  });
});

test('a replica that takes over is another store, also one that had not heard what was consumed', async (context) => {
  const redis = needRedis(context, started);
  const processes = await open(redis);
  await expectNothingOfBefore(processes, async () => {
    await redis.failOver();
    await back(processes);
  });
  await redis.replica.command('replicaof', 'no', 'one');
  await expectNothingOfBefore(processes, async () => {
    await redis.failOver();
    await back(processes);
  });
});

test('a process that is cut off from Redis takes nothing that another has issued there, and the other way round', async (context) => {
  const redis = needRedis(context, started);
  const [near, far] = [await open(redis), await open(undefined)];
  const [acme] = tenants;
  for (const [here, there] of [
    [near.one, far.one],
    [far.one, near.one],
  ] as const) {
    const { nonce } = await here.issue(acme, 'x');
    expect(await there.consume(acme, 'x', nonce)).toBe('use_new');
    expect(await there.consumeProof(acme, await here.current(acme), 'jti')).toBe('use_new');
    expect(await here.consume(acme, 'x', nonce)).toBe('ok');
  }
});

test('issuing stores nothing, and consuming no nonce', async (context) => {
  const redis = needRedis(context, started);
  const { one } = await open(redis);
  const [acme] = tenants;
  await redis.primary.command('flushall');
  const { nonce } = await one.issue(acme, 'x');
  const window = await one.current(acme);
  const marks = async () => (await readRedis(redis.primary)).filter(({ key }) => key.includes(acme));
  expect(await marks()).toEqual([]);
  await one.consume(acme, 'x', nonce);
  await one.consumeProof(acme, window, 'jti');
  const entries = await marks();
  expect(entries.map(({ key }) => key.replace(/:[0-9a-f]{64}$/, '')).sort()).toEqual([
    `challenge:{${acme}}`,
    `proof:{${acme}}`,
  ]);
  expect(faultsOf(entries)).toEqual([]);
  expect(JSON.stringify(entries)).not.toContain(nonce);
});
