import { systemRuntime } from '@mono-auth/core/runtime';
import type { Tenant } from '@mono-auth/tenants';
import { openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { betterAuth } from 'better-auth';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { betterAuthOptions } from './better-auth-options.ts';
import { openBrowser } from './browser.ts';
import { openScene, type Scene } from './identity-scene.ts';

const baseUrl = 'http://127.0.0.1:8420';
const evil = 'https://evil.test';
const email = 'ada@example.com';
const password = 'correct horse battery';
let db: TestDatabase;
let scene: Scene;
let acme: Tenant;

beforeAll(async () => {
  db = await openTestDatabase();
  scene = openScene({ ...db, runtime: systemRuntime, baseUrl, kek: testKek });
  acme = await scene.openTenant('acme');
  await scene.openUser(acme, email, password);
});
afterAll(() => db.close());

const signIn = async () => {
  const browser = openBrowser(scene, baseUrl);
  expect((await browser.post('/t/acme/auth/sign-in/email', { email, password })).status).toBe(200);
  return browser;
};
const rows = async (table: string) =>
  (await db.admin<{ n: string }>(`select count(*) as n from identity."${table}"`))[0]?.n;

/** Every endpoint that Better Auth has under our options, whatever its version adds. */
function endpoints(): { path: string; method: string }[] {
  const auth = betterAuth(
    betterAuthOptions(acme, {
      runtime: systemRuntime,
      pool: db.database.identityPool(acme.id),
      cookieSecret: 'x'.repeat(43),
      count: async () => 1,
      birthOf: async () => ({ epoch: 1, feedSeq: 0 }),
      log: () => {},
    }),
  );
  return Object.values(auth.api).flatMap(({ path, options }) => {
    const methods = [options.method].flat();
    return typeof path === 'string' ? methods.map((method) => ({ path, method: String(method) })) : [];
  });
}

test('of all that Better Auth serves, only sign-in, sign-out and get-session are reachable', async () => {
  const all = endpoints();
  expect(all.length).toBeGreaterThan(25);
  const browser = await signIn();
  const before = [await rows('user'), await rows('account')];
  const open: string[] = [];
  for (const { path, method } of all) {
    const target = `/t/acme/auth${path.replaceAll(/:\w+/g, 'x')}`;
    const body = {
      userId: 'x',
      email: 'eve@example.com',
      password,
      newPassword: password,
      name: 'Eve',
      newEmail: 'e@e.test',
    };
    const response = method === 'GET' ? await browser.get(target) : await browser.post(target, body);
    if (response.status !== 404) open.push(`${method} ${path}`);
  }
  expect(open.sort()).toEqual(['GET /get-session', 'POST /sign-in/email', 'POST /sign-out']);
  expect([await rows('user'), await rows('account')]).toEqual(before);
});

test('Better Auth’s own list of closed paths holds behind ours', async () => {
  const paths = new Set(endpoints().map(({ path }) => path));
  const { disabledPaths, emailAndPassword } = betterAuthOptions(acme, {
    runtime: systemRuntime,
    pool: db.database.identityPool(acme.id),
    cookieSecret: 'x'.repeat(43),
    count: async () => 1,
    birthOf: async () => ({ epoch: 1, feedSeq: 0 }),
    log: () => {},
  });
  const left = [...paths].filter((path) => !path.includes(':') && !disabledPaths.includes(path));
  expect(left.sort()).toEqual(['/get-session', '/sign-in/email', '/sign-out']);
  expect(emailAndPassword.disableSignUp).toBe(true);
});

test('another spelling of a path opens nothing (GHSA-x732-6j76-qmhm)', async () => {
  const body = { email: 'eve@example.com', password, name: 'Eve' };
  const browser = openBrowser(scene, baseUrl);
  const spellings = [
    '/t/acme/auth//sign-up/email',
    '/t/acme//auth/sign-up/email',
    '/t/acme/auth/sign-up//email',
    '/t/acme/auth/sign-up/email/',
    '/t/acme/auth/%73ign-up/email',
    '/t/acme/auth/x/../sign-up/email',
    '/t/acme/auth/sign-in/email/../../sign-up/email',
    '/t/acme/auth//sign-in/email',
    '/t/acme/auth/sign-in/email/',
    '/t/acme/auth/constructor',
    '/t/acme/auth/oauth2/token',
    '/t/acme/auth/jwks',
    '/t/acme/auth/.well-known/openid-configuration',
  ];
  for (const path of spellings) expect((await browser.post(path, body)).status, path).toBe(404);
  expect(await scene.identity.findUser(acme, 'eve@example.com')).toBeUndefined();
});

test('a forged Host or forwarded header changes nothing, neither for this nor for the next request', async () => {
  const headers = { host: 'evil.test', 'x-forwarded-host': 'evil.test', 'x-forwarded-proto': 'https' };
  const browser = openBrowser(scene, baseUrl);
  const first = await browser.post('/t/acme/auth/sign-in/email', { email, password, callbackURL: '/' }, headers);
  expect(first.status).toBe(200);
  expect(JSON.stringify([...first.headers]) + (await first.text())).not.toContain('evil.test');
  const poisoned = await browser.post('/t/acme/auth/sign-out', {}, { ...headers, origin: 'https://evil.test' });
  expect(poisoned.status).toBe(403);
  expect((await browser.post('/t/acme/auth/token', {}, headers)).status).toBe(200);
});

test('no answer redirects to what a body names (CVE-2024-56734 and its successors)', async () => {
  const browser = openBrowser(scene, baseUrl);
  for (const target of [evil, '//evil.test', '/\\evil.test', 'javascript:alert(1)']) {
    const body = { email, password, callbackURL: target, redirectTo: target, errorCallbackURL: target };
    const response = await browser.post('/t/acme/auth/sign-in/email', body);
    expect([response.status, response.headers.get('location')]).toEqual([200, null]);
    expect(await response.text()).not.toContain('evil');
  }
});

test('a user id in a body is no identity (CVE-2025-61928)', async () => {
  const userId = await scene.identity.findUser(acme, email);
  const stranger = openBrowser(scene, baseUrl);
  for (const path of ['/token', '/sign-out', '/get-session', '/update-user', '/delete-user', '/revoke-sessions']) {
    const response = await stranger.post(`/t/acme/auth${path}`, { userId, user_id: userId, user: { id: userId } });
    const text = await response.text();
    expect([path, text.includes('access_token'), text.includes(email)]).toEqual([path, false, false]);
    expect(path === '/sign-out' ? 200 : [401, 404]).toEqual(
      path === '/sign-out' ? response.status : expect.arrayContaining([response.status]),
    );
  }
});

test('a write from another origin is refused, with and without a cookie', async () => {
  const browser = await signIn();
  const foreign: Record<string, string>[] = [
    { origin: evil },
    { origin: 'null' },
    { origin: 'http://127.0.0.1:8421' },
    { origin: 'http://localhost:8420' },
    { origin: `${baseUrl}.evil.test` },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
  ];
  for (const headers of foreign) {
    for (const path of ['/sign-in/email', '/sign-out', '/token']) {
      const response = await browser.post(`/t/acme/auth${path}`, { email, password }, headers);
      expect(response.status, `${path} ${JSON.stringify(headers)}`).toBe(403);
      expect(response.headers.get('access-control-allow-origin')).toBeNull();
    }
  }
  expect((await browser.post('/t/acme/auth/sign-in/email', `email=${email}&password=${password}`)).status).toBe(400);
  expect((await browser.post('/t/acme/auth/token', {})).status).toBe(200);
});

test('a client cannot choose the address it is counted under', async () => {
  const browser = openBrowser(scene, baseUrl);
  const headers = {
    'x-forwarded-for': '203.0.113.9',
    'x-mono-peer-address': '203.0.113.9',
    'cf-connecting-ip': '203.0.113.9',
  };
  await browser.post('/t/acme/auth/sign-in/email', { email, password }, headers);
  const stored = await db.admin<{ ip: string }>('select distinct "ipAddress" as ip from identity.session');
  expect(stored).toEqual([{ ip: '192.0.2.7' }]);
});
