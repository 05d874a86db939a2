import { systemRuntime } from '@mono-auth/core/runtime';
import type { AccessTokenClaims } from '@mono-auth/core/token-claims';
import { verifyJwt } from '@mono-auth/keys';
import type { Tenant } from '@mono-auth/tenants';
import { openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { getMigrations } from 'better-auth/db/migration';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { betterAuthOptions } from './better-auth-options.ts';
import { openScene, type Scene } from './identity-scene.ts';

const baseUrl = 'http://127.0.0.1:8420';
const password = 'correct horse battery';
let db: TestDatabase;
let scene: Scene;
let acme: Tenant;

beforeAll(async () => {
  db = await openTestDatabase();
  scene = openScene({ ...db, createTenantRow: db.createTenantRow, runtime: systemRuntime, baseUrl, kek: testKek });
  acme = await scene.openTenant('acme');
});
afterAll(() => db.close());

test('Better Auth finds nothing to change in the schema that is checked in', async () => {
  const warned: string[] = [];
  const options = betterAuthOptions(acme, {
    runtime: systemRuntime,
    pool: db.database.identityPool(acme.id),
    cookieSecret: 'x'.repeat(43),
    count: async () => 1,
    birthOf: async () => ({ epoch: 1, feedSeq: 0 }),
    log: (message) => warned.push(message),
  });
  const plan = await getMigrations(
    { ...options, logger: { level: 'warn', log: (_level, message) => warned.push(message) } },
    { throwOnUnsafe: false },
  );
  expect(await plan.compileMigrations()).toBe(';');
  expect([plan.toBeCreated, plan.toBeAdded, plan.toBeAddedIndexes]).toEqual([[], [], []]);
  expect([plan.unsafeChanges, plan.schemaProblems]).toEqual([[], []]);
  expect(warned).toEqual([]);
});

test('a person who was made signs in, gets a token that verifies, and signs out', async () => {
  await scene.openUser(acme, 'Ada@Example.com', password);
  const checked = Promise.withResolvers<string>();
  await scene.identity.signInCheck(acme, { email: 'ada@example.com', password }, async (accessToken) =>
    checked.resolve(accessToken),
  );
  const token = await checked.promise;
  const claims = await verifyJwt<AccessTokenClaims>(token, (await scene.keys.jwks(acme.id)).keys, {
    typ: 'at+jwt',
    issuer: acme.issuer,
    audience: `${acme.issuer}/rpc`,
    nowMs: systemRuntime.nowMs(),
  });
  expect(claims).toMatchObject({ tenant_id: acme.id, tenant_role: 'owner', ep: 1, fs: 0 });
  expect(claims.sub).toMatch(/^user:usr_/);
  expect(claims.sid).toMatch(/^ses_/);
  expect(claims.exp - claims.iat).toBe(600);
  expect(scene.logged).toEqual([]);
  const ids = await db.admin<{ id: string }>(
    'select id from identity."user" union all select id from identity.account',
  );
  expect(ids.map(({ id }) => id[14])).toEqual(['7', '7']);
});
