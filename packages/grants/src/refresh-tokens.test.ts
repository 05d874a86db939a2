import { createHash } from 'node:crypto';
import { FakeRuntime, openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { endGrant } from './end-grant.ts';
import { grantIdOf } from './grant.ts';
import { type GrantScene, openGrantScene, type ScenePart } from './grant-scene.ts';
import { findRefreshToken, rotateRefreshToken } from './refresh-tokens.ts';
import { sweepGrants } from './sweep-grants.ts';

const runtime = new FakeRuntime();
const day = 86_400_000;
let db: TestDatabase;
let scene: GrantScene;

beforeAll(async () => {
  db = await openTestDatabase();
  scene = await openGrantScene({ ...db, runtime, kek: testKek });
});
afterAll(() => db.close());

/** A use as the token endpoint makes it: who comes second ends the family. */
const use = ({ run, call }: ScenePart, token: string) =>
  run(async (tx) => {
    const found = await findRefreshToken(tx, token);
    if (!found || found.grant.endedAtMs !== undefined) return 'refused';
    const next = await rotateRefreshToken(tx, runtime, found, runtime.nowMs() + 90 * day);
    if (next !== undefined) return next;
    await endGrant(scene.feed, tx, call, { id: found.grant.id }, 'refresh token was used again');
    return 'refused';
  });
const isDead = ({ tenantId }: ScenePart, grantId: string) =>
  scene.feed
    .state(tenantId)
    .then((state) => state.isRevoked({ jti: 'x', sub: 'user:x', grants: [grantId], ep: 1, fs: 0 }).revoked);

describe('a refresh token', () => {
  test('is exchanged for the next one, once, and the family keeps its end', async () => {
    const { grant, refreshToken } = await scene.home.begin();
    const next = await use(scene.home, refreshToken);
    expect(next).toMatch(/^mono_rt_[A-Za-z0-9_-]{43}$/);
    const found = await scene.home.run((tx) => findRefreshToken(tx, next));
    expect(found).toMatchObject({ expiresAtMs: grant.expiresAtMs, spentAtMs: undefined, grant: { id: grant.id } });
    expect((await scene.home.run((tx) => findRefreshToken(tx, refreshToken)))?.spentAtMs).toBe(runtime.nowMs());
  });

  test('that was spent ends its family, its successor and every token of the grant by the feed', async () => {
    const { grant, refreshToken } = await scene.home.begin();
    const bystander = await scene.home.begin({ userId: grant.userId });
    const next = await use(scene.home, refreshToken);
    expect(await isDead(scene.home, grant.id)).toBe(false);
    expect(await use(scene.home, refreshToken)).toBe('refused');
    expect(await isDead(scene.home, grant.id)).toBe(true);
    expect(await use(scene.home, next)).toBe('refused');
    // RFC 9700 §4.14.2 speaks of one family: another grant of the same person and client goes on.
    expect(await isDead(scene.home, bystander.grant.id)).toBe(false);
    expect(await use(scene.home, bystander.refreshToken)).toMatch(/^mono_rt_/);
  });

  test('that is used fifty times at the same moment has one winner and a dead family, in ten rounds', async () => {
    for (let round = 0; round < 10; round++) {
      const { grant, refreshToken } = await scene.home.begin();
      const uses = await Promise.all(Array.from({ length: 50 }, () => use(scene.home, refreshToken)));
      expect(uses.filter((answer) => answer !== 'refused')).toHaveLength(1);
      expect(await isDead(scene.home, grant.id)).toBe(true);
      const ended = await db.admin(`select id from mono.audit_events where type = 'grant.ended' and object_id = $1`, [
        grant.id,
      ]);
      expect(ended).toHaveLength(1);
    }
  });

  test('of another tenant is unknown there, and stays good at home', async () => {
    const { refreshToken } = await scene.home.begin();
    expect(await use(scene.other, refreshToken)).toBe('refused');
    expect(await use(scene.home, refreshToken)).toMatch(/^mono_rt_/);
  });

  test('has one spelling', async () => {
    const { refreshToken } = await scene.home.begin();
    const last = refreshToken.at(-1) as string;
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    // The two unused bits of the last character, set.
    const twin = refreshToken.slice(0, -1) + alphabet[alphabet.indexOf(last) | 1];
    for (const bad of [
      twin,
      `${refreshToken}=`,
      ` ${refreshToken}`,
      refreshToken.slice(8),
      refreshToken.replace('mono_rt_', 'mono_dc_'),
    ]) {
      expect(await scene.home.run((tx) => findRefreshToken(tx, bad)), bad).toBeUndefined();
    }
  });

  test('stands in no table in a form that could be presented', async () => {
    const { refreshToken } = await scene.home.begin();
    const rows = await db.admin<{ text: string }>(`
      select t::text as text from mono.refresh_tokens t union all select g::text from mono.token_grants g
      union all select encode(envelope, 'escape') from mono.audit_events`);
    expect(rows.length).toBeGreaterThan(2);
    expect(rows.filter(({ text }) => text.includes(refreshToken.slice(8)))).toEqual([]);
    const digest = createHash('sha256').update(refreshToken).digest();
    expect(await db.admin('select 1 from mono.refresh_tokens where digest = $1', [digest])).toHaveLength(1);
  });
});

test('a transaction that fails leaves the refresh token as it was', async () => {
  const { refreshToken } = await scene.home.begin();
  const failed = scene.home.run(async (tx) => {
    const found = await findRefreshToken(tx, refreshToken);
    if (found) await rotateRefreshToken(tx, runtime, found, runtime.nowMs() + day);
    throw new Error('the process dies here');
  });
  await expect(failed).rejects.toThrow('dies here');
  expect(await use(scene.home, refreshToken)).toMatch(/^mono_rt_/);
});

test('the id of a grant follows from its code alone', () => {
  const digest = createHash('sha256').update('a code').digest();
  expect(grantIdOf(digest)).toBe(grantIdOf(new Uint8Array(digest)));
  expect(grantIdOf(digest)).toMatch(/^gra_/);
  expect(grantIdOf(createHash('sha256').update('another').digest())).not.toBe(grantIdOf(digest));
});

test('the sweep takes what has expired, with its refresh tokens, and nothing else', async () => {
  const short = await scene.home.begin({ expiresAtMs: runtime.nowMs() + 1000 });
  const long = await scene.home.begin({ expiresAtMs: runtime.nowMs() + day });
  await use(scene.home, short.refreshToken);
  runtime.advance(2000);
  expect(await sweepGrants({ database: db.database, runtime })).toBe(3);
  expect(await scene.home.run((tx) => findRefreshToken(tx, short.refreshToken))).toBeUndefined();
  expect(await use(scene.home, long.refreshToken)).toMatch(/^mono_rt_/);
});
