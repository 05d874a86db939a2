import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type ClientId, newId } from '@mono-auth/core/ids';
import { nowSeconds, systemRuntime } from '@mono-auth/core/runtime';
import { signJwt, verifyJwt } from '@mono-auth/keys';
import { createTenantDirectory, type Tenant } from '@mono-auth/tenants';
import { FakeRuntime, openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { actionIn, authorizePathOf, decide, fieldIn } from '../authorize/authorize-scene.ts';
import { type Browser, openBrowser } from '../browser.ts';
import { openScene, type Scene } from '../identity-scene.ts';
import { sessionParticipant } from '../session-participant.ts';
import { deliverLogouts, type LogoutDeps, sweepSessionClients, tenantsWithLogouts } from './deliver-logouts.ts';

const baseUrl = 'http://127.0.0.1:8420';
const email = 'ada@example.com';
const password = 'correct horse battery';
const bye = 'https://app.example/bye';
const path = '/t/acme/oauth2/end_session';
/** The clock of the worker alone, ahead of the others: pauses pass when a test says so. */
const runtime = new FakeRuntime(systemRuntime.nowMs() + 60_000);
const authorizePath = authorizePathOf('acme');
let db: TestDatabase;
let scene: Scene;
let acme: Tenant;
let app: ClientId;
let client: Server;
let deps: LogoutDeps;
let heard: { url: string; type: string; body: string }[] = [];
let answer = 200;

beforeAll(async () => {
  db = await openTestDatabase();
  scene = openScene({ ...db, runtime: systemRuntime, baseUrl, kek: testKek });
  acme = await scene.openTenant('acme');
  await scene.openTenant('globex');
  await scene.openUser(acme, email, password);
  client = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      heard.push({ url: request.url ?? '', type: request.headers['content-type'] ?? '', body });
      response.writeHead(answer, { location: '/elsewhere' }).end();
    });
  });
  await new Promise<void>((resolve) => client.listen(0, '127.0.0.1', resolve));
  const { port } = client.address() as AddressInfo;
  app = await db.insertApp(acme, { manifest: { backchannelLogoutUri: `http://127.0.0.1:${port}/logout` } });
  const tenants = createTenantDirectory({ database: db.database, runtime: systemRuntime, baseUrl });
  deps = { database: db.database, runtime, keys: scene.keys, tenants, baseUrl };
});
beforeEach(async () => {
  heard = [];
  answer = 200;
  await db.admin('delete from mono.logout_deliveries');
});
afterAll(async () => {
  client.closeAllConnections();
  client.close();
  await db.close();
});

async function signedIn(): Promise<Browser> {
  const browser = openBrowser(scene, baseUrl);
  expect((await browser.post('/t/acme/auth/sign-in/email', { email, password })).status).toBe(200);
  return browser;
}
/** Signs in and uses the session for a client. */
async function signedInTo(...clients: ClientId[]): Promise<Browser> {
  const browser = await signedIn();
  for (const id of clients) {
    const asked = await browser.get(authorizePath(id));
    if (!asked.headers.get('location')?.includes('code=')) await decide(browser, asked, 'allow');
  }
  return browser;
}
const sessionOf = async (browser: Browser) => {
  const cookie = [...browser.jar].map(([name, value]) => `${name}=${value}`).join('; ');
  return scene.identity.session(acme, new Headers({ cookie }));
};
async function idToken(browser: Browser, changed: object = {}, typ = 'JWT'): Promise<string> {
  const iat = nowSeconds(systemRuntime) - 1000;
  const session = await sessionOf(browser);
  const claims = { iss: acme.issuer, sub: `user:${session?.userId}`, aud: app, iat, exp: iat + 60, sid: session?.id };
  return signJwt(await scene.keys.signer(acme.id, 'token', 'RS256'), typ, { ...claims, ...changed });
}
const end = (browser: Browser, params: Record<string, string>) => browser.get(`${path}?${new URLSearchParams(params)}`);

test('a client that shows an ID token of this session, expired or not, ends it and gets the browser back', async () => {
  for (const post of [false, true]) {
    const browser = await signedInTo(app);
    const session = await sessionOf(browser);
    const params = { id_token_hint: await idToken(browser), post_logout_redirect_uri: bye, state: 's+1' };
    const done = post
      ? await browser.post(path, new URLSearchParams(params).toString(), { origin: 'https://app.example' })
      : await end(browser, params);
    expect([done.status, done.headers.get('location')]).toEqual([303, `${bye}?state=s%2B1`]);
    expect(await sessionOf(browser)).toBeUndefined();
    expect(await scene.identity.sessionFate(acme, session?.id as never)).toEqual({ lives: false });
  }
});

test('without a hint for this very session the person is asked, and only then signed out', async () => {
  const other = await signedIn();
  const stolen = await idToken(other);
  for (const [params, destination] of [
    [{}, '/t/acme/sign-in'],
    [{ client_id: app, post_logout_redirect_uri: bye }, bye],
    [{ id_token_hint: stolen, post_logout_redirect_uri: bye }, bye],
    [{ id_token_hint: 'x.y.z' }, '/t/acme/sign-in'],
  ] as [Record<string, string>, string][]) {
    const browser = await signedIn();
    const asked = await end(browser, params);
    expect([asked.status, asked.headers.get('x-frame-options')]).toEqual([200, 'DENY']);
    expect(await sessionOf(browser)).toBeDefined();
    const page = await asked.text();
    const form = new URLSearchParams({ form_token: fieldIn(page, 'form_token') }).toString();
    expect((await browser.post(actionIn(page), form, { origin: 'https://evil.test' })).status).toBe(403);
    expect((await browser.post(actionIn(page), 'form_token=x')).status).toBe(403);
    expect(await sessionOf(browser)).toBeDefined();
    const done = await browser.post(actionIn(page), form);
    expect([done.status, done.headers.get('location')]).toEqual([303, destination]);
    expect(await sessionOf(browser)).toBeUndefined();
  }
});

test('what is no ID token of this tenant, or of this session, ends nothing by itself', async () => {
  const browser = await signedInTo(app);
  for (const hint of [
    await idToken(browser, {}, 'at+jwt'),
    await idToken(browser, {}, 'logout+jwt'),
    await idToken(browser, { iss: `${acme.issuer}x` }),
    await idToken(browser, { sid: newId(systemRuntime, 'ses') }),
    await idToken(browser, { sid: undefined }),
    await idToken(browser, { aud: [app, 'x'] }),
    await idToken(browser, { iat: nowSeconds(systemRuntime) + 3600 }),
    `${(await idToken(browser)).slice(0, -4)}AAAA`,
  ]) {
    expect((await end(browser, { id_token_hint: hint })).status).toBe(200);
    expect(await sessionOf(browser)).toBeDefined();
  }
});

test('nobody is sent to an address that is not registered, character by character, for logout', async () => {
  const browser = await signedInTo(app);
  const hint = await idToken(browser);
  for (const uri of [
    'https://app.example/bye/',
    'https://app.example/cb',
    'https://evil.test',
    `${bye}?x=1`,
    '//evil.test',
  ]) {
    for (const who of [{ id_token_hint: hint }, { client_id: app }, {}]) {
      const response = await end(browser, { ...who, post_logout_redirect_uri: uri } as Record<string, string>);
      expect([response.status, response.headers.get('location')]).toEqual([400, null]);
    }
  }
  expect((await end(browser, { id_token_hint: hint, client_id: await db.insertApp(acme) })).status).toBe(400);
  expect((await browser.get(`${path}?state=1&state=2`)).status).toBe(400);
  expect(await sessionOf(browser)).toBeDefined();
});

test('a logout reaches each client of the session that wants one: its own token, signed RS256, without a nonce', async () => {
  const silent = await db.insertApp(acme);
  const browser = await signedInTo(app, silent);
  const session = await sessionOf(browser);
  expect((await browser.post('/t/acme/auth/sign-out', {})).status).toBe(200);
  expect(await tenantsWithLogouts(deps)).toEqual([acme.id]);
  expect(await deliverLogouts(deps, acme.id)).toBe(1);
  expect(heard).toEqual([
    {
      url: '/logout',
      type: 'application/x-www-form-urlencoded',
      body: expect.stringMatching(/^logout_token=[\w.-]+$/),
    },
  ]);
  const token = new URLSearchParams(heard[0]?.body).get('logout_token') ?? '';
  const claims = await verifyJwt(token, await scene.keys.publicKeys(acme.id, 'token'), {
    typ: 'logout+jwt',
    nowMs: runtime.nowMs(),
  });
  expect(claims).toEqual({
    ...{ iss: acme.issuer, aud: app, sub: `user:${session?.userId}`, sid: session?.id, iat: expect.any(Number) },
    ...{ exp: (claims as { iat: number }).iat + 120, jti: expect.stringMatching(/^tok_/) },
    events: { 'http://schemas.openid.net/event/backchannel-logout': {} },
  });
  expect(JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString())).toMatchObject({ alg: 'RS256' });
  expect(await tenantsWithLogouts(deps)).toEqual([]);
  expect(await deliverLogouts(deps, acme.id)).toBe(0);
});

test('a client that does not answer well hears again later, six times, and no redirect is followed', async () => {
  const browser = await signedInTo(app);
  await browser.post('/t/acme/auth/sign-out', {});
  answer = 302;
  const failed = async () =>
    (await db.admin(`select 1 from mono.audit_events where type = 'logout.delivered' and outcome = 3`)).length;
  const before = await failed();
  for (let attempt = 1; attempt <= 6; attempt++) {
    // Two workers at once: one of them sends.
    const made = await Promise.all([deliverLogouts(deps, acme.id), deliverLogouts(deps, acme.id)]);
    expect(made.toSorted()).toEqual([0, 1]);
    expect(heard).toHaveLength(attempt);
    expect(await deliverLogouts(deps, acme.id)).toBe(0);
    runtime.advance(15_000 * 4 ** (attempt - 1));
  }
  expect(heard.map(({ url }) => url)).toEqual(Array(6).fill('/logout'));
  expect(await failed()).toBe(before + 1);
  expect(await deliverLogouts(deps, acme.id)).toBe(0);
});

test('a revoked session, and all those of a revoked person, reach the clients as well; who was suspended hears nothing', async () => {
  const participant = sessionParticipant({ database: db.database, runtime: systemRuntime });
  const [one, two] = [await signedInTo(app), await signedInTo(app)];
  const session = await sessionOf(one);
  const call = { runtime: systemRuntime } as never;
  await db.database.forTenant(acme.id, (tx) =>
    participant.apply(tx, call, { kind: 'session', id: session?.id as never }),
  );
  expect(await deliverLogouts(deps, acme.id)).toBe(1);
  await sessionOf(two);
  await db.database.forTenant(acme.id, (tx) =>
    participant.apply(tx, call, { kind: 'user', id: session?.userId as never }),
  );
  expect(await deliverLogouts(deps, acme.id)).toBeGreaterThanOrEqual(1);
  const three = await signedInTo(app);
  await db.admin(`update mono.clients set status = 'suspended' where wire_id = $1`, [app]);
  heard = [];
  await three.post('/t/acme/auth/sign-out', {});
  expect(await deliverLogouts(deps, acme.id)).toBe(0);
  expect(heard).toEqual([]);
  await db.admin(`update mono.clients set status = 'approved' where wire_id = $1`, [app]);
});

test('what was noted of a session goes when the session can live no more', async () => {
  await signedInTo(app);
  const noted = async () => (await db.admin('select 1 from mono.session_clients')).length;
  const before = await noted();
  expect(before).toBeGreaterThan(0);
  await sweepSessionClients(deps);
  expect(await noted()).toBe(before);
  runtime.advance(8 * 86_400_000);
  await sweepSessionClients(deps);
  expect(await noted()).toBe(0);
});
