import { newId } from '@mono-auth/core/ids';
import { FakeRuntime, openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { endGrant } from './end-grant.ts';
import { grantParticipant } from './grant-participant.ts';
import { type GrantScene, openGrantScene } from './grant-scene.ts';
import { listGrants } from './list-grants.ts';
import { selectGrant } from './store/grants.ts';

const runtime = new FakeRuntime();
let db: TestDatabase;
let scene: GrantScene;

beforeAll(async () => {
  db = await openTestDatabase();
  scene = await openGrantScene({ ...db, runtime, kek: testKek });
});
afterAll(() => db.close());

test('a revocation ends the grants of its target and no others', async () => {
  const { run, begin, call, clientId, neighbourId } = scene.home;
  const participant = grantParticipant({ runtime, isOther: async () => false });
  const userId = newId(runtime, 'usr');
  const sessionId = newId(runtime, 'ses');
  const make = async () => ({
    plain: (await begin({ userId: newId(runtime, 'usr') })).grant.id,
    ofUser: (await begin({ userId })).grant.id,
    ofSession: (await begin({ userId: newId(runtime, 'usr'), sessionId })).grant.id,
    ofNeighbour: (await begin({ userId: newId(runtime, 'usr'), clientId: neighbourId })).grant.id,
  });
  type Name = keyof Awaited<ReturnType<typeof make>>;
  const first = await make();
  const rows: [Parameters<typeof participant.apply>[2], Name[]][] = [
    [{ kind: 'grant', id: first.plain }, ['plain']],
    [{ kind: 'user', id: userId }, ['ofUser']],
    [{ kind: 'session', id: sessionId }, ['ofSession']],
    [{ kind: 'client', id: neighbourId }, ['ofNeighbour']],
    [{ kind: 'token', id: newId(runtime, 'tok') }, []],
  ];
  for (const [target, expected] of rows) {
    const ids = target.kind === 'grant' ? first : await make();
    const count = (await run((tx) => participant.preview(tx, target)))[0]?.count ?? 0;
    expect(count).toBeGreaterThanOrEqual(expected.length);
    const [casualty] = await run((tx) => participant.apply(tx, call, target));
    expect(casualty?.count ?? 0).toBe(count);
    for (const [name, id] of Object.entries(ids)) {
      const ended = (await run((tx) => selectGrant(tx, id)))?.endedAtMs !== undefined;
      expect(ended, `${target.kind}: ${name}`).toBe(expected.includes(name as Name));
    }
  }
  expect(clientId).not.toBe(neighbourId);
  const living = await make();
  await run((tx) => participant.apply(tx, call, { kind: 'tenant' }));
  for (const id of Object.values(living)) expect((await run((tx) => selectGrant(tx, id)))?.endedAtMs).toBeDefined();
});

test('a grant of another tenant cannot be revoked, and is not told from one that never was', async () => {
  const { grant } = await scene.other.begin();
  const participant = grantParticipant({ runtime, isOther: async () => false });
  for (const id of [grant.id, newId(runtime, 'gra')]) {
    const apply = scene.home.run((tx) => participant.apply(tx, scene.home.call, { kind: 'grant', id }));
    await expect(apply).rejects.toMatchObject({ reason: 'not_found', detail: 'grant not found' });
  }
  expect((await scene.other.run((tx) => selectGrant(tx, grant.id)))?.endedAtMs).toBeUndefined();
});

test('a person sees what lives: newest first, nothing of others, nothing that has ended', async () => {
  const { run, begin, call } = scene.home;
  const userId = newId(runtime, 'usr');
  const older = await begin({ userId });
  runtime.advance(1000);
  const newer = await begin({ userId });
  const ended = await begin({ userId });
  await begin({ userId: newId(runtime, 'usr') });
  await scene.other.begin({ userId });
  await run((tx) =>
    grantParticipant({ runtime, isOther: async () => false }).apply(tx, call, { kind: 'grant', id: ended.grant.id }),
  );
  const shown = await run((tx) => listGrants(tx, runtime, userId));
  expect(shown.map(({ id }) => id)).toEqual([newer.grant.id, older.grant.id]);
});

test('a consent that is withdrawn ends every grant of that person to that client, by the feed and with evidence', async () => {
  const { run, begin, call, clientId, neighbourId, tenantId } = scene.home;
  const userId = newId(runtime, 'usr');
  const ended = [(await begin({ userId })).grant.id, (await begin({ userId })).grant.id];
  const kept = [(await begin({ userId, clientId: neighbourId })).grant.id, (await begin()).grant.id];
  const withdraw = () => run((tx) => endGrant(scene.feed, tx, call, { userId, clientId }, 'consent was withdrawn'));
  expect(await withdraw()).toBe(2);
  expect(await withdraw()).toBe(0);
  const state = await scene.feed.state(tenantId);
  const isDead = (grant: string) =>
    state.isRevoked({ jti: 'x', sub: `user:${userId}`, grants: [grant], ep: 1, fs: 0 }).revoked;
  expect(ended.map(isDead)).toEqual([true, true]);
  expect(kept.map(isDead)).toEqual([false, false]);
  const events = await db.admin(
    `select id from mono.audit_events where type = 'grant.ended' and object_id = any ($1)`,
    [ended],
  );
  expect(events).toHaveLength(2);
});
