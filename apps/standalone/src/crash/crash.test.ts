import { systemRuntime } from '@mono-auth/core/runtime';
import { issuerOf, platformSlug } from '@mono-auth/core/tenant-slug';
import { FeedSubscriber } from '@mono-auth/sdk';
import { accessOf } from '@mono-auth/transport';
import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readRpcs } from '../acceptance/rpc-methods.ts';
import { readFeed, verifyLog } from './evidence.ts';
import { type CrashScene, isActive, openScene, operatorPassword } from './scene.ts';
import { ServerProcess, type Victim, victims } from './server-process.ts';
import type { Shot, Step } from './shot.ts';
import { machineSteps } from './steps-machine.ts';
import { tenantSteps } from './steps-tenant.ts';

const steps: readonly Step[] = [...tenantSteps, ...machineSteps];
/** Steps that are under way at the same kill. */
const stepsPerLife = 2;
/** Chooses victims and moments; set it to see the same again, as far as processes can be made to repeat themselves. */
const seed = Number(process.env.CRASH_SEED ?? Date.now() % 1_000_000);
/** How often every step is told; set it higher to look for what comes rarely. */
const rounds = Number(process.env.CRASH_ROUNDS ?? 2);

/** mulberry32: evenly spread, and the same for the same seed. */
function createRandom(start: number): () => number {
  let state = start;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
const random = createRandom(seed);
/** What an empty directory needs until the server serves. */
const firstStartMs = 1_500;

interface Life {
  readonly victim: Victim;
  readonly steps: readonly Step[];
  readonly names: string;
}

/** Every step once a round, in an order of this seed; the victims take turns. */
function planLives(): Life[] {
  const shuffled = Array.from({ length: rounds }, () => steps)
    .flat()
    .map((step) => ({ step, place: random() }))
    .sort((a, b) => a.place - b.place)
    .map(({ step }) => step);
  const turn = Math.floor(random() * victims.length);
  return Array.from({ length: Math.ceil(shuffled.length / stepsPerLife) }, (_, at) => {
    const together = shuffled.slice(at * stepsPerLife, (at + 1) * stepsPerLife);
    const victim = victims[(at + turn) % victims.length] as Victim;
    return { victim, steps: together, names: together.map(({ name }) => name.replace(/^.*\./, '')).join(' and ') };
  });
}

const lives = planLives();
const tally = { answered: 0, cut: 0 };
let server: ServerProcess;
let scene: CrashScene;

beforeAll(async () => {
  process.stdout.write(`seed ${seed} (repeat with CRASH_SEED=${seed})\n`);
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
afterAll(() => server?.stop());

test('every step of the contract that leaves evidence has a row', async () => {
  const leavingEvidence = (await readRpcs()).filter(({ method }) => accessOf(method)?.auditEvent);
  const rows = new Set(steps.map(({ name }) => name));
  expect(leavingEvidence.map(({ name }) => name).filter((name) => !rows.has(name))).toEqual([]);
  expect(leavingEvidence.length).toBeGreaterThan(0);
});

describe('what was answered is there after a kill -9, and what was not can be asked again and is done once', () => {
  test.each(lives.map((life, at) => [at + 1, life.victim, life.names, life] as const))(
    'life %i: the %s, under %s',
    async (at, victim, names, life) => {
      const prepared = life.steps.flatMap((step, row) =>
        Array.from({ length: step.shots }, (_, shot) => step.aim(scene, `life-${at}-${row}-${shot}`)),
      );
      const shots = await Promise.all(prepared);
      const killAfterMs = random() * Math.max(...life.steps.map(({ windowMs }) => windowMs));
      const fired = shots.map((shot) => fireAfter(shot, (random() * killAfterMs) / 2));
      await systemRuntime.sleep(killAfterMs);
      server.strike(victim);
      await Promise.all(fired);
      const answered = shots.filter((shot) => shot.answered).length;
      process.stdout.write(
        `${at}: ${victim} after ${killAfterMs.toFixed(1)} ms, ${answered} of ${shots.length} answered: ${names}\n`,
      );
      tally.answered += answered;
      tally.cut += shots.length - answered;
      await server.recover();
      await Promise.all(shots.map((shot) => shot.settle()));
    },
  );
});

async function fireAfter(shot: Shot, delayMs: number): Promise<void> {
  await systemRuntime.sleep(delayMs);
  await shot.fire();
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

  test('the server still stops in order', async () => {
    expect(await server.stop()).toBe(0);
  });
});
