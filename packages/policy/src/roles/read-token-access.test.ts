import { type GrantId, newId } from '@mono-auth/core/ids';
import type { Principal } from '@mono-auth/core/principal';
import { FakeRuntime, openTestDatabase, type TestDatabase } from '@mono-auth/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { assignmentsMax } from './role-assignment.ts';
import { many, type RoleScene, reasonOf, roleScene } from './role-scene.ts';

const runtime = new FakeRuntime();
let db: TestDatabase;
let scene: RoleScene;

beforeAll(async () => {
  db = await openTestDatabase();
  scene = roleScene({ ...db, runtime });
});
afterAll(() => db.close());

const person = (): Principal => `user:${newId(runtime, 'usr')}`;
const agent = (): Principal => `agent:${newId(runtime, 'agt')}`;
const service = (): Principal => `service:${newId(runtime, 'cli')}`;
const host = (): Principal => `host:${newId(runtime, 'hst')}`;

describe('who acts for somebody', () => {
  test('is bounded by its own roles in the product, everywhere and on single things, whoever else acts', async () => {
    const place = await scene.openRegistered();
    const [ada, helper, shop] = [person(), agent(), service()];
    await place.assign({ principal: ada, role: 'editor' });
    await place.assign({ principal: helper, role: 'viewer' });
    await place.assign({ principal: helper, role: 'editor', resource: 'folder/7' });
    const byHelper = { roles: [], permissions: ['doc:read'], on: { 'folder/7': ['doc:write'] } };
    expect(await place.access(ada, helper, host())).toMatchObject(byHelper);
    expect(await place.access(ada, shop, helper, host())).toMatchObject(byHelper);
    expect(await place.access(ada, shop)).toMatchObject({ roles: ['editor'] });
    await place.assign({ principal: shop, role: 'viewer' });
    expect(await place.access(ada, shop, helper)).toMatchObject({ roles: [], permissions: ['doc:read'], on: {} });
  });

  test('never does more than the person, and nothing where the person may do nothing', async () => {
    const place = await scene.openRegistered();
    const [ada, helper] = [person(), agent()];
    await place.assign({ principal: helper, role: 'editor' });
    expect(await place.access(ada, helper)).toMatchObject({ roles: [], permissions: [], on: {} });
    await place.assign({ principal: ada });
    expect(await place.access(ada, helper)).toMatchObject({ roles: [], permissions: ['doc:read'] });
  });

  test('once bounded stays so: who has lost its last role does nothing for anybody, by removal or by the clock', async () => {
    const place = await scene.openRegistered();
    const [ada, helper, other] = [person(), agent(), agent()];
    await place.assign({ principal: ada, role: 'editor' });
    const { id } = await place.assign({ principal: helper });
    await place.assign({ principal: other, expiresAtMs: runtime.nowMs() + 1_000 });
    await place.remove(id);
    runtime.advance(1_000);
    for (const actor of [helper, other]) {
      expect(await place.access(ada, actor)).toMatchObject({ roles: [], permissions: [], on: {} });
    }
  });

  test('the first role of an actor ends the tokens in which it acted unbounded, and no others', async () => {
    const place = await scene.openRegistered();
    const [ada, helper, other] = [person(), agent(), agent()];
    await place.assign({ principal: ada, role: 'editor' });
    const unbounded = (await place.access(ada, helper))?.handles ?? [];
    const byOther = (await place.access(ada, other))?.handles ?? [];
    const ended = await scene.fed(() => place.assign({ principal: helper }));
    expect(ended).toHaveLength(1);
    const handle = ended[0]?.[2] as GrantId;
    expect(unbounded).toContain(handle);
    expect(byOther).not.toContain(handle);
    expect((await place.access(ada))?.handles).not.toContain(handle);
    expect((await place.access(ada, helper))?.handles).not.toContain(handle);
    expect(await scene.fed(() => place.assign({ principal: helper, role: 'editor' }))).toEqual([]);
    expect(await scene.fed(() => place.assign({ principal: person() }))).toEqual([]);
  });

  test('a token that would hang on more than it may carry is refused', async () => {
    const place = await scene.openRegistered();
    const all = [person(), agent(), service(), agent()];
    for (const principal of all) {
      for (const resource of many(assignmentsMax, 'folder/')) await place.assign({ principal, resource });
    }
    const [ada, ...actors] = all as [Principal, ...Principal[]];
    expect((await place.access(ada, ...actors.slice(0, 1)))?.handles).toHaveLength(1 + 2 * assignmentsMax);
    expect(await reasonOf(place.access(ada, ...actors))).toBe('denied');
  });
});
