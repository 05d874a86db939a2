import { systemRuntime } from '@mono-auth/core/runtime';
import { issuerOf, platformSlug } from '@mono-auth/core/tenant-slug';
import { FeedSubscriber } from '@mono-auth/sdk';
import { faultsOf, needRedis, readRedis, startTestRedis, type TestRedisPair } from '@mono-auth/testing';
import { accessOf } from '@mono-auth/transport';
import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readRpcs } from '../acceptance/rpc-methods.ts';
import { readFeed, verifyLog } from './evidence.ts';
import { createRandom, fire, type Life, lifeOf, planLives, prepare, strikeSealing } from './lives.ts';
import { harmOf, type RedisVictim, redisHarms } from './redis-harm.ts';
import { type CrashScene, isActive, makeHost, openScene, operatorPassword } from './scene.ts';
import { ServerProcess, type Victim, victims } from './server-process.ts';
import type { Step } from './shot.ts';
import { clientSteps } from './steps-client.ts';
import { delegationSteps } from './steps-delegation.ts';
import { federationSteps } from './steps-federation.ts';
import { grantSteps } from './steps-grants.ts';
import { machineSteps } from './steps-machine.ts';
import { roleSteps } from './steps-roles.ts';
import { tenantSteps } from './steps-tenant.ts';

const steps: readonly Step[] = [
  ...tenantSteps,
  ...clientSteps,
  ...federationSteps,
  ...grantSteps,
  ...machineSteps,
  ...delegationSteps,
  ...roleSteps,
];
/** Chooses victims and moments; set it to see the same again, as far as processes can be made to repeat themselves. */
const seed = Number(process.env.CRASH_SEED ?? Date.now() % 1_000_000);
/** How often every step is told; set it higher to look for what comes rarely. */
const rounds = Number(process.env.CRASH_ROUNDS ?? 2);
/** With Redis there are more victims, of which each has one life in a round. */
const redisRounds = Number(process.env.CRASH_REDIS_ROUNDS ?? 1);
const random = createRandom(seed);
/** A command on the way to Redis, or its death and its start. */
const harmMs = 40;
/** What an empty directory needs until the server serves. */
const firstStartMs = 1_500;

const redisVictims = Object.keys(redisHarms) as RedisVictim[];
const lives = planLives<Victim>(random, { steps, rounds, victims });
/** These use something up in Redis. */
const challenged = steps.filter(({ name }) => /RedeemInvite|RenewHost/.test(name));
const redisLives: Life<Victim | RedisVictim>[] = [
  ...planLives(random, { steps, rounds: redisRounds, victims: [...victims, ...redisVictims] }),
  ...redisVictims.map((victim) => lifeOf(victim, challenged)),
];
const tally = { answered: 0, cut: 0 };
let server: ServerProcess;
let scene: CrashScene;
let started: TestRedisPair | undefined;

beforeAll(async () => {
  process.stdout.write(`seed ${seed} (repeat with CRASH_SEED=${seed})\n`);
  started = await (await startTestRedis())?.openPair();
  server = await ServerProcess.create(operatorPassword);
  // A first start is a step as well: of the cluster, the schema, two tenants. Cut off, it is gone on with by the next one.
  for (const victim of ['server', 'machine'] as const) {
    const killAfterMs = random() * firstStartMs;
    server.begin();
    await systemRuntime.sleep(killAfterMs);
    server.strike(victim);
    process.stdout.write(`first start: ${victim} after ${killAfterMs.toFixed(0)} ms\n`);
  }
  await server.recover();
  scene = await openScene(server.baseUrl, 'acme');
});
afterAll(async () => {
  await server?.stop();
  await started?.close();
});

test('every step of the contract that leaves evidence has a row', async () => {
  expect(challenged).toHaveLength(2);
  const leavingEvidence = (await readRpcs()).filter(({ method }) => accessOf(method)?.auditEvent);
  const rows = new Set(steps.map(({ name }) => name));
  expect(leavingEvidence.map(({ name }) => name).filter((name) => !rows.has(name))).toEqual([]);
  expect(leavingEvidence.length).toBeGreaterThan(0);
});

describe('what was answered is there after a kill -9, and what was not can be asked again and is done once', () => {
  test.each(lives.map((life, at) => [at + 1, life.victim, life.names, life] as const))(
    'life %i: the %s, under %s',
    async (at, victim, _names, life) => {
      await live(life, `life-${at}`, () => strike(victim));
    },
  );
});

describe('the same with Redis, which is a victim as well', () => {
  beforeAll(async () => {
    if (!started) return;
    server.useRedis(started.url);
    server.strike('machine');
    await server.recover();
  });

  test.for(redisLives.map((life, at) => [at + 1, life.victim, life.names, life] as const))(
    'life %i: the %s, under %s',
    async ([at, victim, , life], context) => {
      const redis = needRedis(context, started);
      const harm = isRedisVictim(victim) ? harmOf(victim) : undefined;
      await harm?.before?.(redis);
      await live(life, `redis-${at}`, () => (isRedisVictim(victim) ? harm?.strike(redis) : strike(victim)));
      await harm?.after?.(redis);
    },
  );

  test('nobody had to bring it back: challenges are consumed in Redis, jobs stand there, and nothing raw', async (context) => {
    const { primary } = needRedis(context, started);
    const kinds = async () => {
      await makeHost(scene, systemRuntime.uuid());
      return (await readRedis(primary)).map(({ key }) => key.split(':')[0]);
    };
    // After the last harm the worker comes back with its next round.
    const back = expect.arrayContaining(['challenge_used', 'queue']);
    await expect.poll(kinds, { timeout: 15_000, interval: 100 }).toEqual(back);
    expect(faultsOf(await readRedis(primary))).toEqual([]);
  });
});

const isRedisVictim = (victim: string): victim is RedisVictim => victim in redisHarms;

function strike(victim: Victim): unknown {
  return victim === 'worker' ? strikeSealing(server, scene) : server.strike(victim);
}

/** One life: aims, fires, strikes, waits until it may be trusted again, and looks at what is there. */
async function live(life: Life<string>, label: string, strikeNow: () => unknown): Promise<void> {
  const { victim, names } = life;
  const shots = await prepare(scene, life, label);
  const strikeMs = random() * Math.max(...life.steps.map(({ windowMs }) => windowMs));
  // Redis takes nobody's request with it: those of after its end are as interesting as those of before.
  const firedMsMax = isRedisVictim(victim) ? strikeMs * 2 + harmMs : strikeMs / 2;
  await fire(random, shots, { firedMsMax, strikeMs }, strikeNow);
  const answered = shots.filter((shot) => shot.answered).length;
  process.stdout.write(
    `${label}: ${victim} after ${strikeMs.toFixed(1)} ms, ${answered} of ${shots.length} answered: ${names}\n`,
  );
  tally.answered += answered;
  tally.cut += shots.length - answered;
  await server.recover();
  await Promise.all(shots.map((shot) => shot.settle()));
}

describe('after all of it', () => {
  test('some steps were answered and some were cut off', () => {
    expect(tally.answered).toBeGreaterThan(0);
    expect(tally.cut).toBeGreaterThan(0);
  });

  test('every token that was answered verifies and is active, and every revoked one is not', async () => {
    const keys = createRemoteJWKSet(new URL(`${scene.issuer}/jwks`));
    for (const token of scene.live) {
      if (scene.dead.has(token)) continue;
      await jwtVerify(token, keys, { issuer: scene.issuer, typ: 'at+jwt' });
      expect(await isActive(scene, token), JSON.stringify(decodeJwt(token))).toBe(true);
    }
    expect(scene.live.size).toBeGreaterThan(0);
    for (const token of scene.dead) expect(await isActive(scene, token)).toBe(false);
    expect(scene.dead.size).toBeGreaterThan(0);
  });

  test('the feed is dense, its head proves it to a stock subscriber, and the snapshot is the same state', async () => {
    const entries = await readFeed(scene);
    // Without a snapshot a subscriber proves the whole chain, from the first entry to the head.
    const replaying = async (input: string | URL | Request, init?: RequestInit) =>
      String(input).endsWith('/GetSnapshot') ? new Response(null, { status: 404 }) : fetch(input, init);
    const states = [];
    for (const [name, by] of Object.entries({ replaying, following: fetch })) {
      const tokens = async () => scene.ownerToken;
      const subscriber = await FeedSubscriber.start({ issuer: scene.issuer, tokens, name, fetch: by });
      const heard: number[] = [];
      subscriber.onEntry(({ seq }) => heard.push(seq));
      try {
        await subscriber.whenFresh(5_000);
        states.push(subscriber.state.toSnapshot());
        expect(heard).toHaveLength(by === replaying ? entries.length : 0);
      } finally {
        await subscriber.close();
      }
    }
    expect(states[0]?.seq).toBe(entries.length);
    expect(states[1]).toEqual(states[0]);
  });

  test('every log is sealed without a gap, and its exported bundle verifies', async () => {
    const { baseUrl, issuer, ownerToken, operatorToken } = scene;
    expect(await verifyLog(issuer, ownerToken)).toBeGreaterThan(0);
    expect(await verifyLog(issuerOf(baseUrl, platformSlug), operatorToken)).toBeGreaterThan(0);
  });

  test('server and worker still stop in order', async () => {
    expect(await server.stop()).toEqual([0, 0]);
  });
});
