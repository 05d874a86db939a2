import type { ClientId } from '@mono-auth/core/ids';
import { systemRuntime } from '@mono-auth/core/runtime';
import type { Tenant } from '@mono-auth/tenants';
import { openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { actionIn, answerOf, authorizePathOf, decide, fieldIn, redirectUri } from '../authorize/authorize-scene.ts';
import { type Browser, openBrowser } from '../browser.ts';
import { openScene, type Scene } from '../identity-scene.ts';

const baseUrl = 'https://id.example';
const password = 'correct horse battery';
const authorizePath = authorizePathOf('acme');
let db: TestDatabase;
let scene: Scene;
let acme: Tenant;
const ended: unknown[] = [];

beforeAll(async () => {
  db = await openTestDatabase();
  scene = openScene({
    ...{ ...db, runtime: systemRuntime, baseUrl, kek: testKek },
    change: () => ({
      grants: {
        takePushedRequest: async () => undefined,
        requiresPushedRequests: async () => false,
        findDeviceRequest: async () => undefined,
        decideDevice: async () => {},
        listGrants: async () => [],
        endGrants: async (_tx, _call, of) => ended.push(of),
      },
    }),
  });
  acme = await scene.openTenant('acme');
  const globex = await scene.openTenant('globex');
  for (const email of ['ada@example.com', 'eve@example.com']) await scene.openUser(acme, email, password);
  await scene.openUser(globex, 'ada@example.com', password);
  await db.insertResource(acme, 'https://orders.example');
});
afterAll(() => db.close());

async function signedIn(email = 'ada@example.com', slug = 'acme'): Promise<Browser> {
  const browser = openBrowser(scene, baseUrl);
  expect((await browser.post(`/t/${slug}/auth/sign-in/email`, { email, password })).status).toBe(200);
  return browser;
}
const ask = async (browser: Browser, app: ClientId, changed: Record<string, string> = {}) =>
  (await browser.get(authorizePath(app, changed))).headers.get('location') ?? '';
const events = async (type: string) => db.admin(`select 1 from mono.audit_events where type = $1`, [type]);
const consents = async () => db.admin('select "clientId", "scopes" from identity."oauthConsent"');

test('the page says who asks, from where, what for, at what, for how long, and works without a script', async () => {
  const browser = await signedIn();
  const app = await db.insertApp(acme, { name: '<b>Orders</b>' });
  const location = await ask(browser, app, { scope: 'openid email offline_access orders:read' });
  const page = await browser.get(location);
  const text = await page.text();
  for (const shown of [
    ...['&lt;b&gt;Orders&lt;/b&gt;', 'www.app.example', '<dd>app.example</dd>', 'API https://orders.example'],
    ...['Know that it is you', 'See your e-mail address', 'Keep its access', 'orders:read', 'Until you take it back'],
  ]) {
    expect(text).toContain(shown);
  }
  expect(text).not.toMatch(/<script|<b>Orders|role="note"/);
  expect(page.headers.get('x-frame-options')).toBe('DENY');
  expect(page.headers.get('cache-control')).toBe('no-store');
  expect(page.headers.get('content-security-policy')).toMatch(
    /^default-src 'none'; style-src 'sha256-[^']+'; form-action 'self' https:\/\/app\.example; frame-ancestors 'none'; base-uri 'none'$/,
  );
  const native = await browser.get(await ask(browser, app, { redirect_uri: 'http://127.0.0.1:5000/cb' }));
  const nativeText = await native.text();
  expect(nativeText).toContain('127.0.0.1:5000');
  expect(nativeText).toContain('role="note"');
});

test('refusing reaches the client as access_denied with state and iss, and is asked again', async () => {
  const browser = await signedIn();
  const app = await db.insertApp(acme);
  const denied = (await events('consent.denied')).length;
  const answer = answerOf(await decide(browser, await browser.get(authorizePath(app)), 'deny'));
  expect(answer).toEqual({
    to: redirectUri,
    params: { error: 'access_denied', error_description: 'the person refused', state: 'st+a te%/', iss: acme.issuer },
  });
  expect((await events('consent.denied')).length).toBe(denied + 1);
  expect(await consents()).toEqual([]);
  expect(await ask(browser, app)).toMatch(/^\/t\/acme\/consent/);
});

test('a decision counts only from our page, in this browser, for this session and for this request', async () => {
  const browser = await signedIn();
  const app = await db.insertApp(acme);
  const other = await db.insertApp(acme);
  const asked = () => browser.get(authorizePath(app));
  const before = [(await consents()).length, (await events('consent.granted')).length];
  for (const origin of ['https://evil.test', 'null', 'https://app.example']) {
    expect((await decide(browser, await asked(), 'allow', {}, { origin })).status).toBe(403);
  }
  expect((await decide(browser, await asked(), 'allow', {}, { 'sec-fetch-site': 'cross-site' })).status).toBe(403);
  expect((await decide(browser, await asked(), 'allow', { form_token: '' })).status).toBe(403);
  expect((await decide(browser, await asked(), 'yes')).status).toBe(403);
  // The token of another request, of the account page, and of another person's page.
  const otherPage = await (await browser.get(await ask(browser, other))).text();
  const account = await (await browser.get('/t/acme/account')).text();
  const eve = await signedIn('eve@example.com');
  const evePage = await (await eve.get(await ask(eve, app))).text();
  for (const page of [otherPage, account, evePage]) {
    const form_token = fieldIn(page, 'form_token');
    expect((await decide(browser, await asked(), 'allow', { form_token })).status).toBe(403);
  }
  // A page that was shown to ada and is sent by eve.
  const page = await (await browser.get(await ask(browser, app))).text();
  const form = new URLSearchParams({ form_token: fieldIn(page, 'form_token'), decision: 'allow' }).toString();
  expect((await eve.post(actionIn(page), form)).status).toBe(403);
  expect([(await consents()).length, (await events('consent.granted')).length]).toEqual(before);
});

test('a request that Better Auth did not sign, or no more, is not shown and not decided', async () => {
  const browser = await signedIn();
  const app = await db.insertApp(acme);
  const location = await ask(browser, app);
  const page = await (await browser.get(location)).text();
  const form = new URLSearchParams({ form_token: fieldIn(page, 'form_token'), decision: 'allow' }).toString();
  for (const changed of [
    location.replace('orders%3Aread', 'orders%3Aread+email'),
    location.replace(/exp=\d+/, 'exp=9999999999'),
    location.replace(/sig=[^&]+/, 'sig=x'),
    location.replace(/&sig=[^&]+/, ''),
    `${location}&sig=x`,
    `/t/acme/consent?${authorizePath(app).split('?')[1]}`,
    '/t/acme/consent',
  ]) {
    expect((await browser.get(changed)).status, changed).toBe(400);
    expect((await browser.post(changed, form)).status, changed).toBe(400);
  }
});

test('another tenant’s session is nothing here, and nothing of one tenant’s request is known to the other', async () => {
  const app = await db.insertApp(acme);
  const location = await ask(await signedIn(), app);
  const stranger = await signedIn('ada@example.com', 'globex');
  expect((await stranger.get(location)).headers.get('location')).toMatch(/^\/t\/acme\/sign-in\?return_to=/);
  const posted = await stranger.post(location, 'decision=allow');
  expect(posted.headers.get('location')).toMatch(/^\/t\/acme\/sign-in/);
  expect((await stranger.get(location.replace('/t/acme/', '/t/globex/'))).status).toBe(400);
});

test('a client that was suspended while its page was open gets nothing', async () => {
  const browser = await signedIn();
  const app = await db.insertApp(acme);
  const asked = await browser.get(authorizePath(app));
  const page = await (await browser.get(asked.headers.get('location') ?? '')).text();
  await db.admin(`update mono.clients set status = 'suspended' where wire_id = $1`, [app]);
  const form = new URLSearchParams({ form_token: fieldIn(page, 'form_token'), decision: 'allow' }).toString();
  const answer = await browser.post(actionIn(page), form);
  expect([answer.status, answer.headers.get('location')]).toEqual([400, null]);
});

test('what was allowed is remembered for its client, scope and resource, shown, and taken back with its grants', async () => {
  const browser = await signedIn('eve@example.com');
  const app = await db.insertApp(acme, { name: 'Remembered' });
  await db.insertResource(acme, 'https://second.example');
  const both = ['https://orders.example', 'https://second.example'];
  const two = await db.insertApp(acme, { manifest: { audiences: both } });
  await decide(browser, await browser.get(authorizePath(app)), 'allow');
  expect(answerOf(await browser.get(authorizePath(app))).params.code).toBeTruthy();
  await decide(browser, await browser.get(authorizePath(two, { resource: both[0] as string })), 'allow');
  expect(answerOf(await browser.get(authorizePath(two, { resource: both[0] as string }))).params.code).toBeTruthy();
  expect(await ask(browser, two, { resource: both[1] as string })).toMatch(/^\/t\/acme\/consent/);
  expect(await ask(browser, app, { prompt: 'consent' })).toMatch(/^\/t\/acme\/consent/);
  const page = await (await browser.get('/t/acme/account')).text();
  expect(page).toContain('Remembered');
  const form = (fields: Record<string, string>) =>
    new URLSearchParams({ form_token: fieldIn(page, 'form_token'), client_id: app, ...fields }).toString();
  expect((await browser.post('/t/acme/account/revoke', form({ form_token: 'x' }))).status).toBe(403);
  expect((await browser.post('/t/acme/account/revoke', form({}), { origin: 'https://evil.test' })).status).toBe(403);
  expect(answerOf(await browser.get(authorizePath(app))).params.code).toBeTruthy();
  expect((await browser.post('/t/acme/account/revoke', form({}))).status).toBe(303);
  expect(ended).toEqual([{ userId: await scene.identity.findUser(acme, 'eve@example.com'), clientId: app }]);
  expect(await (await browser.get('/t/acme/account')).text()).not.toContain('Remembered');
  expect(await ask(browser, app)).toMatch(/^\/t\/acme\/consent/);
  expect(await events('consent.withdrawn')).toHaveLength(1);
});

test('who allows in several windows at the same moment gets a code in each, and one consent is kept', async () => {
  const browser = await signedIn();
  const before = (await consents()).length;
  for (let round = 1; round <= 5; round++) {
    const app = await db.insertApp(acme);
    const pages = await Promise.all(Array.from({ length: 5 }, () => browser.get(authorizePath(app))));
    const answers = await Promise.all(pages.map((page) => decide(browser, page, 'allow')));
    expect(new Set(answers.map((answer) => answerOf(answer).params.code)).size).toBe(5);
    expect(await consents()).toHaveLength(before + round);
  }
});
