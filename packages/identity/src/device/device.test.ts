import { notFound } from '@mono-auth/core/errors';
import { type ClientId, newId } from '@mono-auth/core/ids';
import { systemRuntime } from '@mono-auth/core/runtime';
import type { Tenant } from '@mono-auth/tenants';
import { openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { actionIn, fieldIn } from '../authorize/authorize-scene.ts';
import type { DeviceDecision } from '../authorize/grant-doors.ts';
import { type Browser, openBrowser } from '../browser.ts';
import { openScene, type Scene } from '../identity-scene.ts';
import { normalUserCode } from './user-code.ts';

const baseUrl = 'https://id.example';
const password = 'correct horse battery';
let db: TestDatabase;
let scene: Scene;
let acme: Tenant;
let tv: ClientId;
/** The doors of grants as a record of what the pages ask of them: what grants do is shown in their own package. */
let waiting = new Map<string, string>();
let decided: DeviceDecision[] = [];

beforeAll(async () => {
  db = await openTestDatabase();
  scene = openScene({
    ...{ ...db, runtime: systemRuntime, baseUrl, kek: testKek },
    change: () => ({
      grants: {
        takePushedRequest: async () => undefined,
        requiresPushedRequests: async () => false,
        listGrants: async () => [],
        endGrants: async () => 0,
        async findDeviceRequest(_tx, code) {
          const clientName = waiting.get(code);
          return clientName ? { clientId: tv, clientName, scopes: ['openid', 'films:play'], resources: [] } : undefined;
        },
        async decideDevice(_tx, _call, decision) {
          if (!waiting.delete(decision.userCode)) throw notFound('code');
          decided.push(decision);
        },
      },
    }),
  });
  acme = await scene.openTenant('acme');
  const globex = await scene.openTenant('globex');
  for (const email of ['ada@example.com', 'eve@example.com', 'mal@example.com']) {
    await scene.openUser(acme, email, password);
  }
  await scene.openUser(globex, 'ada@example.com', password);
  tv = await db.insertApp(acme, { name: 'TV' });
});
beforeEach(() => {
  waiting = new Map([['BCDFGHJK', 'TV <in the kitchen>']]);
  decided = [];
});
afterAll(() => db.close());

async function signedIn(email = 'ada@example.com', slug = 'acme'): Promise<Browser> {
  const browser = openBrowser(scene, baseUrl);
  expect((await browser.post(`/t/${slug}/auth/sign-in/email`, { email, password })).status).toBe(200);
  return browser;
}
const send = (browser: Browser, page: string, fields: Record<string, string>, headers?: Record<string, string>) => {
  const form = { form_token: fieldIn(page, 'form_token'), ...fields };
  return browser.post(actionIn(page), new URLSearchParams(form).toString(), headers);
};
const codePage = async (browser: Browser) => (await browser.get('/t/acme/device')).text();
const confirmPage = async (browser: Browser, code = 'bcdf ghjk') =>
  (await send(browser, await codePage(browser), { user_code: code })).text();

test('a person signs in, types the code, sees who asks and which code, and allows it', async () => {
  const stranger = openBrowser(scene, baseUrl);
  const away = await stranger.get('/t/acme/device?user_code=BCDF-GHJK');
  expect(away.headers.get('location')).toBe(
    `/t/acme/sign-in?return_to=${encodeURIComponent('/t/acme/device?user_code=BCDF-GHJK')}`,
  );
  const browser = await signedIn();
  const page = await browser.get('/t/acme/device?user_code=bcdfghjk');
  expect([page.headers.get('x-frame-options'), page.headers.get('cache-control')]).toEqual(['DENY', 'no-store']);
  const linked = await page.text();
  for (const shown of ['BCDF-GHJK', 'value="allow"', 'value="deny"']) expect(linked).toContain(shown);
  const confirm = await confirmPage(browser);
  for (const shown of ['TV &lt;in the kitchen&gt;', 'BCDF-GHJK', 'Know that it is you', 'films:play', 'role="note"']) {
    expect(confirm).toContain(shown);
  }
  expect(confirm).not.toContain('<script');
  expect(decided).toEqual([]);
  const done = await send(browser, confirm, { user_code: 'BCDF-GHJK', decision: 'allow' });
  expect([done.status, await done.text()]).toEqual([200, expect.stringContaining('Connected')]);
  const userId = await scene.identity.findUser(acme, 'ada@example.com');
  const sessionId = expect.stringMatching(/^ses_/);
  expect(decided).toEqual([{ userCode: 'BCDFGHJK', userId, sessionId, granted: true, authTimeMs: expect.any(Number) }]);
  expect(await db.admin('select 1 from mono.session_clients')).toHaveLength(1);
  // Decided once: the page that is still open does nothing more.
  expect((await send(browser, confirm, { user_code: 'BCDF-GHJK', decision: 'deny' })).status).toBe(404);
});

test('refusing is an answer too, and a code without a decision is none', async () => {
  const browser = await signedIn();
  const confirm = await confirmPage(browser);
  const done = await send(browser, confirm, { user_code: 'BCDF-GHJK', decision: 'deny' });
  expect(await done.text()).toContain('Refused');
  expect(decided).toMatchObject([{ granted: false }]);
});

test('a decision counts only from the page that showed this code to this person', async () => {
  const browser = await signedIn();
  waiting.set('ZZZZZZZZ', 'Another');
  const confirm = await confirmPage(browser);
  const allow = { user_code: 'BCDF-GHJK', decision: 'allow' };
  const eve = await signedIn('eve@example.com');
  const attempts = [
    send(browser, confirm, { ...allow, user_code: 'ZZZZ-ZZZZ' }),
    send(browser, await codePage(browser), allow),
    send(browser, confirm, { ...allow, form_token: 'x' }),
    send(browser, confirm, allow, { origin: 'https://evil.test' }),
    send(browser, confirm, allow, { 'sec-fetch-site': 'cross-site' }),
    send(eve, confirm, allow),
    send(eve, await confirmPage(eve), { ...allow, form_token: fieldIn(confirm, 'form_token') }),
  ];
  for (const attempt of attempts) expect((await attempt).status).toBe(403);
  const stranger = await signedIn('ada@example.com', 'globex');
  expect((await send(stranger, confirm, allow)).headers.get('location')).toMatch(/^\/t\/acme\/sign-in/);
  expect(decided).toEqual([]);
});

test('ten codes may be tried in ten minutes; wrong ones, and none, are not told apart', async () => {
  const browser = await signedIn('mal@example.com');
  for (let tried = 0; tried < 10; tried++) {
    const code = ['XXXX-XXXX', '', '<b>', 'A'.repeat(500)][tried % 4] as string;
    const answer = await send(browser, await codePage(browser), { user_code: code });
    expect([answer.status, (await answer.text()).includes('No device waits with this code.')]).toEqual([404, true]);
  }
  const answer = await send(browser, await codePage(browser), { user_code: 'BCDF-GHJK' });
  expect([answer.status, answer.headers.get('retry-after')]).toEqual([429, '600']);
});

test('where nothing is handed over for grants there is no device page', async () => {
  const bare = openScene({ ...db, runtime: systemRuntime, baseUrl, kek: testKek });
  expect((await bare.fetch('/t/acme/device')).status).toBe(404);
});

test('a code is read however it is typed', () => {
  for (const typed of ['BCDF-GHJK', 'bcdfghjk', ' bcdf ghjk ', 'b-c.d_f ghjk']) {
    expect(normalUserCode(typed)).toBe('BCDFGHJK');
  }
  for (const typed of ['', 'abc', 'BCDF GHJK!', 'x'.repeat(33), 7, undefined, newId(systemRuntime, 'usr')]) {
    expect(normalUserCode(typed)).toBeUndefined();
  }
});
