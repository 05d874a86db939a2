import { createPostgresEphemeral } from '@mono-auth/cache';
import { Refusal } from '@mono-auth/core/errors';
import { newId } from '@mono-auth/core/ids';
import { FakeRuntime, openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  countUserCodeGuess,
  decideDeviceAuthorization,
  findDeviceAuthorization,
  pollDeviceAuthorization,
  startDeviceAuthorization,
  takeDeviceAuthorization,
} from './device-authorizations.ts';
import { type GrantScene, openGrantScene, type ScenePart } from './grant-scene.ts';
import { newUserCode, userCodeLetters } from './user-code.ts';

const runtime = new FakeRuntime();
const userCodeKey = new Uint8Array(32).fill(3);
let db: TestDatabase;
let scene: GrantScene;

beforeAll(async () => {
  db = await openTestDatabase();
  scene = await openGrantScene({ ...db, runtime, kek: testKek });
});
afterAll(() => db.close());

const start = ({ run, clientId }: ScenePart = scene.home) =>
  run((tx) =>
    startDeviceAuthorization(tx, runtime, { clientId, scopes: ['a'], resources: [], dpopJkt: undefined, userCodeKey }),
  );
const decide = (typed: string, granted = true, { run, call }: ScenePart = scene.home) =>
  run((tx) =>
    decideDeviceAuthorization(tx, call, {
      ...{ typed, userCodeKey, granted },
      userId: newId(runtime, 'usr'),
      sessionId: newId(runtime, 'ses'),
      authTimeMs: runtime.nowMs(),
    }),
  );
/** A poll as the token endpoint makes it: a refusal keeps what it has changed. */
const poll = ({ run, clientId }: ScenePart, deviceCode: string, asClient = clientId) =>
  run(async (tx) => {
    try {
      const device = await pollDeviceAuthorization(tx, runtime, { deviceCode, clientId: asClient });
      return (await takeDeviceAuthorization(tx, device, newId(runtime, 'gra'))) ? 'granted' : 'taken';
    } catch (error) {
      if (error instanceof Refusal) return error.reason;
      throw error;
    }
  });

describe('RFC 8628', () => {
  test('a device waits, is allowed, and is granted once', async () => {
    const { deviceCode, userCode, expiresInSeconds, intervalSeconds } = await start();
    expect({ expiresInSeconds, intervalSeconds }).toEqual({ expiresInSeconds: 600, intervalSeconds: 5 });
    expect(await poll(scene.home, deviceCode)).toBe('authorization_pending');
    await decide(userCode.toLowerCase().replace('-', ' '));
    runtime.advance(5000);
    expect(await poll(scene.home, deviceCode)).toBe('granted');
    expect(await poll(scene.home, deviceCode)).toBe('invalid_grant');
  });

  test('each poll that comes too early makes the interval five seconds longer', async () => {
    const { deviceCode } = await start();
    expect(await poll(scene.home, deviceCode)).toBe('authorization_pending');
    runtime.advance(4999);
    expect(await poll(scene.home, deviceCode)).toBe('slow_down');
    runtime.advance(9999);
    expect(await poll(scene.home, deviceCode)).toBe('slow_down');
    runtime.advance(15_000);
    expect(await poll(scene.home, deviceCode)).toBe('authorization_pending');
  });

  test('a denial, an end and a code that never was are told apart as the RFC does', async () => {
    const denied = await start();
    await decide(denied.userCode, false);
    expect(await poll(scene.home, denied.deviceCode)).toBe('authorization_denied');
    const late = await start();
    runtime.advance(600_000);
    expect(await poll(scene.home, late.deviceCode)).toBe('expired_token');
    await expect(decide(late.userCode)).rejects.toMatchObject({ reason: 'not_found' });
    for (const text of ['', 'mono_dc_', `mono_dc_${'A'.repeat(43)}`, late.userCode]) {
      expect(await poll(scene.home, text)).toBe('invalid_grant');
    }
  });

  test('another client or tenant learns nothing and changes nothing', async () => {
    const { deviceCode, userCode } = await start();
    await expect(decide(userCode, true, scene.other)).rejects.toMatchObject({ reason: 'not_found' });
    await decide(userCode);
    expect(await poll(scene.home, deviceCode, scene.home.neighbourId)).toBe('invalid_grant');
    expect(await poll(scene.other, deviceCode)).toBe('invalid_grant');
    expect(await poll(scene.home, deviceCode)).toBe('granted');
  });

  test('a person decides once, also against somebody at the same moment', async () => {
    const { userCode } = await start();
    const decisions = await Promise.allSettled(Array.from({ length: 10 }, (_, i) => decide(userCode, i % 2 === 0)));
    expect(decisions.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    const waits = await scene.home.run((tx) => findDeviceAuthorization(tx, runtime, { typed: userCode, userCodeKey }));
    expect(waits).toBeUndefined();
  });

  test('fifty polls of an allowed code at the same moment have one winner, in ten rounds', async () => {
    for (let round = 0; round < 10; round++) {
      const { deviceCode, userCode } = await start();
      await decide(userCode);
      const polls = await Promise.all(Array.from({ length: 50 }, () => poll(scene.home, deviceCode)));
      expect(polls.filter((answer) => answer === 'granted')).toHaveLength(1);
      expect(polls.filter((answer) => answer === 'invalid_grant')).toHaveLength(49);
    }
  });
});

describe('user codes', () => {
  test('are eight letters of twenty, shown in two groups, each as likely as any other', () => {
    const counts = new Map<string, number>();
    for (let i = 0; i < 5000; i++) {
      const code = newUserCode(runtime);
      expect(code).toMatch(/^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$/);
      for (const letter of code.replace('-', '')) counts.set(letter, (counts.get(letter) ?? 0) + 1);
    }
    expect(counts.size).toBe(20);
    // 2,000 expected of each; eight standard deviations are 350.
    for (const count of counts.values()) expect(Math.abs(count - 2000)).toBeLessThan(350);
  });

  test('are read however they are typed, and nothing else is', () => {
    for (const typed of ['BCDF-GHJK', 'bcdfghjk', ' bcdf ghjk ', 'b-c-d-f-g-h-j-k']) {
      expect(userCodeLetters(typed)).toBe('BCDFGHJK');
    }
    for (const typed of ['', 'BCDF', 'BCDF-GHJA', 'BCDF-GHJ1', 'BCDF-GHJKL', 'BCDF_GHJK']) {
      expect(userCodeLetters(typed)).toBeUndefined();
    }
  });

  test('are stored under the tenant’s key: their plain digest finds nothing', async () => {
    const { userCode, deviceCode } = await start();
    const wrongKey = new Uint8Array(32).fill(4);
    const found = (key: Uint8Array) =>
      scene.home.run((tx) => findDeviceAuthorization(tx, runtime, { typed: userCode, userCodeKey: key }));
    expect(await found(wrongKey)).toBeUndefined();
    expect(await found(userCodeKey)).toBeDefined();
    const plain = `select 1 from mono.device_codes where user_code_digest in (sha256($1::bytea), sha256($2::bytea))`;
    expect(await db.admin(plain, [userCode, userCode.replace('-', '')])).toEqual([]);
    const rows = await db.admin<{ text: string }>('select d::text as text from mono.device_codes d');
    expect(rows.filter(({ text }) => text.includes(userCode) || text.includes(deviceCode.slice(8)))).toEqual([]);
  });

  test('may be guessed ten times in ten minutes by one person, and then not again until the window has passed', async () => {
    const ephemeral = createPostgresEphemeral({ database: db.database, runtime });
    const guess = (who: string) => countUserCodeGuess(ephemeral, scene.home.tenantId, who);
    for (let i = 0; i < 10; i++) await guess('usr_1');
    await expect(guess('usr_1')).rejects.toMatchObject({ reason: 'rate_limited' });
    await guess('usr_2');
    runtime.advance(600_001);
    await guess('usr_1');
  });
});
