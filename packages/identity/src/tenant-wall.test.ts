import { Refusal } from '@mono-auth/core/errors';
import { systemRuntime } from '@mono-auth/core/runtime';
import type { Tenant } from '@mono-auth/tenants';
import { openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sessionCookieName } from './auth-headers.ts';
import { type Browser, openBrowser } from './browser.ts';
import { openScene, type Scene } from './identity-scene.ts';

const baseUrl = 'http://127.0.0.1:8420';
const email = 'ada@example.com';
const passwords = { acme: 'acme horse battery', globex: 'globex horse battery' };
let db: TestDatabase;
let scene: Scene;
let acme: Tenant;
let globex: Tenant;

beforeAll(async () => {
  db = await openTestDatabase();
  // The test database has four connections for mono_identity: all tenants share them.
  scene = openScene({ ...db, runtime: systemRuntime, baseUrl, kek: testKek });
  acme = await scene.openTenant('acme');
  globex = await scene.openTenant('globex');
  await scene.openUser(acme, email, passwords.acme);
  await scene.openUser(globex, email, passwords.globex);
});
afterAll(() => db.close());

async function signedIn(tenant: Tenant, password: string): Promise<Browser> {
  const browser = openBrowser(scene, baseUrl);
  const response = await browser.post(`/t/${tenant.slug}/auth/sign-in/email`, { email, password });
  expect(response.status).toBe(200);
  return browser;
}

interface SessionAnswer {
  session: { id: string; userId: string };
  user: { email: string };
}

test('the same address is another person, with another password, in another tenant', async () => {
  const ids = await Promise.all([acme, globex].map((tenant) => scene.identity.findUser(tenant, email)));
  expect(new Set(ids).size).toBe(2);
  const verify = async () => {
    throw new Error('nobody may get as far as a token');
  };
  for (const [tenant, password] of [
    [acme, passwords.globex],
    [globex, passwords.acme],
  ] as const) {
    await expect(scene.identity.signInCheck(tenant, { email, password }, verify)).rejects.toThrow(Refusal);
  }
  await expect(
    scene.identity.createUser(acme, { email: email.toUpperCase(), password: 'another long one', name: 'Ada' }),
  ).rejects.toMatchObject({ reason: 'already_exists' });
});

test('a cookie of one tenant is nothing in another, also under that one’s name', async () => {
  const { jar } = await signedIn(acme, passwords.acme);
  const value = jar.get(sessionCookieName(acme)) as string;
  expect(value).toBeTruthy();
  const own = new Headers({ cookie: `${sessionCookieName(acme)}=${value}` });
  const renamed = new Headers({ cookie: `${sessionCookieName(globex)}=${value}` });
  expect(await scene.identity.session(acme, own)).toMatchObject({ email });
  expect(await scene.identity.session(globex, own)).toBeUndefined();
  expect(await scene.identity.session(globex, renamed)).toBeUndefined();
  const stranger = openBrowser(scene, baseUrl);
  for (const cookie of [own, renamed].map((headers) => headers.get('cookie') as string)) {
    const answer = await stranger.get('/t/globex/auth/get-session', { cookie });
    expect([answer.status, await answer.json()]).toEqual([200, null]);
    expect((await stranger.post('/t/globex/auth/token', {}, { cookie })).status).toBe(401);
  }
});

test('200 interleaved sign-ins and reads over four shared connections never show a row of another tenant', async () => {
  const people = [
    { tenant: acme, browser: await signedIn(acme, passwords.acme) },
    { tenant: globex, browser: await signedIn(globex, passwords.globex) },
  ];
  const expected = await Promise.all(
    people.map(async ({ tenant, browser }) => {
      const answer = await browser.get(`/t/${tenant.slug}/auth/get-session`);
      return ((await answer.json()) as SessionAnswer).session;
    }),
  );
  expect(expected[0]?.userId).not.toBe(expected[1]?.userId);
  const results = await Promise.all(
    Array.from({ length: 200 }, async (_, i) => {
      const person = people[i % 2] as (typeof people)[number];
      if (i % 25 === 0) {
        const browser = await signedIn(person.tenant, passwords[person.tenant.slug as keyof typeof passwords]);
        const answer = await browser.get(`/t/${person.tenant.slug}/auth/get-session`);
        return ((await answer.json()) as SessionAnswer).session.userId === expected[i % 2]?.userId;
      }
      const answer = await person.browser.get(`/t/${person.tenant.slug}/auth/get-session`);
      const { session } = (await answer.json()) as SessionAnswer;
      return session.id === expected[i % 2]?.id && session.userId === expected[i % 2]?.userId;
    }),
  );
  expect(results.filter((right) => !right)).toEqual([]);
  expect(results).toHaveLength(200);
});

test('a client handed back inside a transaction, or inside a failed one, leaks nothing and commits nothing', async () => {
  const insert = `insert into identity.verification (id, identifier, value, "expiresAt", "createdAt", "updatedAt")
    values ($1, 'x', 'x', '2027-01-01', '2026-01-01', '2026-01-01')`;
  const acmeId = await scene.identity.findUser(acme, email);
  const globexId = await scene.identity.findUser(globex, email);
  expect(globexId).not.toBe(acmeId);
  for (let round = 0; round < 8; round++) {
    const open = await db.database.identityPool(acme.id).connect();
    await open.query('begin');
    await open.query(insert, [`open-${round}`]);
    open.release();
    const aborted = await db.database.identityPool(acme.id).connect();
    await aborted.query('begin');
    await aborted.query(insert, [`aborted-${round}`]);
    await expect(aborted.query('select 1/0')).rejects.toThrow('division by zero');
    aborted.release();
    expect(await scene.identity.findUser(globex, email)).toBe(globexId);
    expect(await scene.identity.findUser(acme, email)).toBe(acmeId);
  }
  expect(await db.admin('select id from identity.verification')).toEqual([]);
});

test('without WHERE, the role of Better Auth sees one tenant and cannot write another one’s rows', async () => {
  const client = await db.database.identityPool(acme.id).connect();
  try {
    for (const table of ['user', 'session', 'account', 'verification']) {
      const { rows } = await client.query<{ tenant: string }>(
        `select distinct mono.current_tenant_id() = tenant_id as tenant from identity."${table}"`,
      );
      expect(rows.every(({ tenant }) => tenant)).toBe(true);
    }
    const { rows } = await client.query<{ count: string }>('select count(*) as count from identity."user"');
    expect(Number(rows[0]?.count)).toBe(1);
    const moved = client.query(`update identity."user" set tenant_id = '01890000-0000-7000-8000-000000000001'`);
    await expect(moved).rejects.toThrow('row-level security');
  } finally {
    client.release();
  }
});
