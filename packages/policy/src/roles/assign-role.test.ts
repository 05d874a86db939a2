import { newId, type TenantId, uuidOf } from '@mono-auth/core/ids';
import type { Principal } from '@mono-auth/core/principal';
import { FakeRuntime, openTestDatabase, type TestDatabase } from '@mono-auth/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { claimsOfAccess } from './access.ts';
import type { AssignRoleInput } from './assign-role.ts';
import { readTokenAccess } from './read-token-access.ts';
import { assignmentsMax } from './role-assignment.ts';
import {
  docsAudience,
  editor,
  many,
  otherAudience,
  type RoleScene,
  reasonOf,
  roleScene,
  viewer,
} from './role-scene.ts';

const runtime = new FakeRuntime();
let db: TestDatabase;
let scene: RoleScene;

beforeAll(async () => {
  db = await openTestDatabase();
  scene = roleScene({ ...db, runtime });
});
afterAll(() => db.close());

const person = (): Principal => `user:${newId(runtime, 'usr')}`;
const host = (): Principal => `host:${newId(runtime, 'hst')}`;

describe('somebody is given a role', () => {
  test('their tokens for the product’s resource tell of it, and for no other', async () => {
    const place = await scene.openRegistered();
    const ada = person();
    expect(await place.access(ada)).toMatchObject({ roles: [], permissions: [], handles: [] });
    const { id } = await place.assign({ principal: ada, role: 'editor' });
    const told = await place.access(ada);
    expect(told).toMatchObject({ roles: ['editor'], permissions: ['doc:read', 'doc:write'], on: {} });
    expect(told?.handles).toContain(id);
    const elsewhere = { audience: otherAudience, subject: ada };
    expect(await place.run((tx) => readTokenAccess(tx, elsewhere, runtime.nowMs()))).toBeUndefined();
    expect(await place.access(person())).toMatchObject({ roles: [], permissions: [] });
  });

  test('a role of the same name in another product is another one', async () => {
    const place = await scene.openRegistered();
    const ada = person();
    const roles = [{ ...viewer, permissions: ['invoice:read'] }];
    await place.register({ name: 'billing', roles, resources: [otherAudience] });
    await place.assign({ product: 'billing', principal: ada });
    expect(await place.access(ada)).toMatchObject({ roles: [], permissions: [] });
    const there = { audience: otherAudience, subject: ada };
    const told = await place.run((tx) => readTokenAccess(tx, there, runtime.nowMs()));
    expect([told?.product, told?.access.permissions]).toEqual(['billing', new Set(['invoice:read'])]);
  });

  test('on one thing alone, it counts there and nowhere else', async () => {
    const place = await scene.openRegistered();
    const ada = person();
    await place.assign({ principal: ada, resource: 'folder/7', role: 'editor' });
    await place.assign({ principal: ada });
    expect(await place.access(ada)).toMatchObject({
      ...{ roles: ['viewer'], permissions: ['doc:read'] },
      on: { 'folder/7': ['doc:write'] },
    });
  });

  test('until a time, tokens end with it, and afterwards it is as if it had been removed', async () => {
    const place = await scene.openRegistered();
    const ada = person();
    const expiresAtMs = runtime.nowMs() + 60_000;
    await place.assign({ principal: ada, role: 'editor', expiresAtMs });
    await place.assign({ principal: ada });
    expect((await place.access(ada))?.endsAtMs).toBe(expiresAtMs);
    runtime.advance(60_000);
    expect(await place.access(ada)).toMatchObject({ roles: ['viewer'], endsAtMs: undefined });
    await place.assign({ principal: ada, role: 'editor' });
    expect(await place.access(ada)).toMatchObject({ roles: ['editor', 'viewer'] });
    expect(await reasonOf(place.assign({ principal: ada, expiresAtMs: runtime.nowMs() }))).toBe('invalid_request');
  });

  test('the same key and request make one assignment, however often and at the same time; another request is refused', async () => {
    const place = await scene.openRegistered();
    const input = { principal: person(), idempotencyKey: 'key' };
    const all = await Promise.all(Array.from({ length: 5 }, () => place.assign(input)));
    expect(new Set(all.map(({ id }) => id)).size).toBe(1);
    expect(await eventsOf(place.tenantId, 'role.assigned')).toBe(1);
    expect(await reasonOf(place.assign({ ...input, role: 'editor' }))).toBe('invalid_request');
    expect(await reasonOf(place.assign({ ...input, idempotencyKey: undefined }))).toBe('already_exists');
  });

  test.each<[string, Partial<AssignRoleInput>, string]>([
    ['a product that is not there', { product: 'nobody' }, 'not_found'],
    ['a role that it does not have', { role: 'owner' }, 'not_found'],
    ['a host, which does nothing in a product', { principal: host() }, 'invalid_request'],
    ['everybody', { principal: 'user:*' }, 'invalid_request'],
    ['nobody', { principal: '' }, 'invalid_request'],
    ['the platform', { principal: 'system:platform' }, 'invalid_request'],
    ['a thing whose name has spaces', { resource: 'folder 7' }, 'invalid_request'],
    ['a thing whose name is too long', { resource: 'x'.repeat(201) }, 'invalid_request'],
  ])('%s is refused', async (_, input, reason) => {
    const place = await scene.openRegistered();
    expect(await reasonOf(place.assign({ principal: person(), ...input }))).toBe(reason);
  });

  test('a principal that is not in the tenant is not found', async () => {
    const place = await scene.openRegistered();
    const stranger = person();
    scene.strangers.add(stranger);
    expect(await reasonOf(place.assign({ principal: stranger }))).toBe('not_found');
  });

  test('nobody is given more than a token can tell of, however many ask at once', async () => {
    const place = await scene.openRegistered();
    const ada = person();
    const asked = many(assignmentsMax + 4, 'folder/').map((resource) => place.assign({ principal: ada, resource }));
    const answers = await Promise.all(asked.map(reasonOf));
    expect(answers.filter((answer) => answer === 'granted')).toHaveLength(assignmentsMax);
    expect(answers.filter((answer) => answer === 'invalid_request')).toHaveLength(4);
    const wide = { name: 'wide', description: '', permissions: many(60, 'permission:number:') };
    await place.register({ roles: [viewer, editor, wide], basedOn: 1 });
    const grace = person();
    await place.assign({ principal: grace, role: 'wide', resource: 'a' });
    expect(await reasonOf(place.assign({ principal: grace, role: 'wide', resource: 'b' }))).toBe('invalid_request');
  });

  test('a role that has grown too large since makes no token rather than a part of one', async () => {
    const place = await scene.openRegistered();
    const ada = person();
    for (const resource of many(10, 'folder/')) await place.assign({ principal: ada, resource });
    const grown = { ...viewer, permissions: many(60, 'permission:number:') };
    await place.register({
      roles: [{ ...grown, permissions: [...grown.permissions, 'doc:read'] }, editor],
      basedOn: 1,
    });
    const told = await place.run((tx) =>
      readTokenAccess(tx, { audience: docsAudience, subject: ada }, runtime.nowMs()),
    );
    expect(() => claimsOfAccess('docs', told?.access as never)).toThrow('more than 2048 bytes');
  });
});

test('another tenant’s product, role and assignment are not there', async () => {
  const [here, there] = [await scene.openRegistered(), await scene.openRegistered()];
  const { id } = await there.assign({ principal: person() });
  expect(await reasonOf(here.remove(id))).toBe('not_found');
  expect(await here.living()).toEqual([]);
  await there.register({ name: 'secret', resources: [] });
  expect(await reasonOf(here.assign({ product: 'secret', principal: person() }))).toBe('not_found');
});

async function eventsOf(tenantId: TenantId, type: string): Promise<number> {
  const where = 'where tenant_id = $1 and type = $2';
  return (await db.admin(`select id from mono.audit_events ${where}`, [uuidOf(tenantId), type])).length;
}
