import { type TenantId, uuidOf } from '@mono-auth/core/ids';
import { FakeRuntime, openTestDatabase, type TestDatabase } from '@mono-auth/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { selectProduct } from '../store/products.ts';
import type { RegisterProductInput } from './register-product.ts';
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

describe('a product says what its roles are', () => {
  test('once registered, it is there as it said, and its evidence says so', async () => {
    const place = await scene.openPlace();
    const product = await place.register({ displayName: 'Documents' });
    expect(product).toMatchObject({ name: 'docs', displayName: 'Documents', version: 1, resources: [docsAudience] });
    expect(product.roles.map(({ name, permissions }) => [name, permissions])).toEqual([
      ['editor', ['doc:read', 'doc:write']],
      ['viewer', ['doc:read']],
    ]);
    expect(await place.run((tx) => selectProduct(tx, 'docs'))).toEqual(product);
    expect(await eventsOf(place.tenantId, 'product.registered')).toBe(1);
  });

  test('a repetition changes nothing; a registration on another version than the current one is refused', async () => {
    const place = await scene.openRegistered();
    expect((await place.register()).version).toBe(1);
    expect(await reasonOf(place.register({ roles: [viewer] }))).toBe('stale_version');
    expect(await reasonOf(place.register({ roles: [viewer], basedOn: 2 }))).toBe('stale_version');
    expect(await reasonOf(place.register({ name: 'nobody', resources: [], basedOn: 1 }))).toBe('not_found');
    const changed = await place.register({ roles: [viewer], basedOn: 1 });
    expect(changed.version).toBe(2);
    expect(await place.register({ roles: [viewer], basedOn: 1 })).toEqual(changed);
    expect(await eventsOf(place.tenantId, 'product.registered')).toBe(2);
  });

  test('of several at once one is registered, and the others hear that it was', async () => {
    const place = await scene.openPlace();
    const roles = [viewer, editor];
    const asked = roles.map((role) => place.register({ roles: [role] }));
    expect((await Promise.all(asked.map(reasonOf))).sort()).toEqual(['granted', 'stale_version']);
    expect(await eventsOf(place.tenantId, 'product.registered')).toBe(1);
  });

  test.each<[string, Partial<RegisterProductInput>]>([
    ['a name that is no slug', { name: 'Docs' }],
    ['two roles of one name', { roles: [viewer, viewer] }],
    ['a role with a pattern for a permission', { roles: [{ ...viewer, permissions: ['doc:*'] }] }],
    ['a role that is a pattern', { roles: [{ ...viewer, name: '*' }] }],
    ['more permissions than a role has', { roles: [{ ...viewer, permissions: many(65, 'p') }] }],
    ['a role that no token could tell of', { roles: [{ ...viewer, permissions: many(64, 'p'.repeat(100)) }] }],
    ['more roles than anybody tells apart', { roles: many(65, 'r').map((name) => ({ ...viewer, name })) }],
    ['more resources than a product has', { resources: many(33, 'https://r') }],
  ])('%s is refused', async (_, input) => {
    expect(await reasonOf((await scene.openPlace()).register(input))).toBe('invalid_request');
  });

  test('a resource is one of the tenant, living, not labelled as of another product, and has one product', async () => {
    const place = await scene.openPlace();
    await place.addResource('https://labelled.test', { product: 'billing' });
    await place.addResource('https://retired.test', { retired: true });
    expect(await reasonOf(place.register({ resources: ['https://nobody.test'] }))).toBe('not_found');
    expect(await reasonOf(place.register({ resources: ['https://labelled.test'] }))).toBe('invalid_request');
    expect(await reasonOf(place.register({ resources: ['https://retired.test'] }))).toBe('invalid_request');
    await place.register({ name: 'billing', resources: ['https://labelled.test', otherAudience] });
    expect(await reasonOf(place.register({ resources: [docsAudience, otherAudience] }))).toBe('already_exists');
    expect(await place.run((tx) => selectProduct(tx, 'docs'))).toBeUndefined();
    await place.register();
  });
});

async function eventsOf(tenantId: TenantId, type: string): Promise<number> {
  const where = 'where tenant_id = $1 and type = $2';
  return (await db.admin(`select id from mono.audit_events ${where}`, [uuidOf(tenantId), type])).length;
}
