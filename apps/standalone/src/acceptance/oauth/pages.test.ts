import { openTestDatabase, testKek } from '@mono-auth/testing';
import { type Chromium, openChromium, type Page } from '@mono-auth/testing/chromium';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ownerEmail, ownerPassword } from '../installation.ts';
import { ask, send } from './negative/ask.ts';
import { authenticated, authorizationRequest } from './negative/lab.ts';
import { joinTenant, type OAuthScene, openOAuthScene, registerApp } from './oauth-scene.ts';

let scene: OAuthScene;
let other: OAuthScene;
let browser: Chromium;
/** Where the client listens: the browser really goes there. */
let clientSite: ReturnType<typeof Bun.serve>;
let callback: string;

beforeAll(async () => {
  const db = await openTestDatabase();
  scene = await openOAuthScene(db, testKek);
  other = await joinTenant(db, scene.installation, 'other');
  browser = await openChromium();
  clientSite = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    fetch: (request) => {
      const framed = new URL(request.url).searchParams.get('frame');
      const body = framed ? `<iframe src="${framed.replaceAll('&', '&amp;')}"></iframe>` : '<h1>Back at the app</h1>';
      return new Response(body, { headers: { 'content-type': 'text/html' } });
    },
  });
  callback = `http://127.0.0.1:${clientSite.port}/callback`;
});
afterAll(async () => {
  await clientSite?.stop(true);
  await browser?.close();
  await scene?.close();
});

async function authorizeUrl(at: OAuthScene = scene): Promise<string> {
  const app = await registerApp(at, { redirectUris: [callback], audiences: [] });
  const request = authorizationRequest(app, 'v'.repeat(43));
  request.set('redirect_uri', callback);
  request.set('scope', 'openid profile');
  request.delete('resource');
  return `${at.issuer}/oauth2/authorize?${request}`;
}

/** Signs in by the keyboard alone. */
async function signIn(page: Page): Promise<void> {
  await page.getByLabel('E-mail address').focus();
  await page.keyboard.type(ownerEmail);
  await page.keyboard.press('Tab');
  await page.keyboard.type(ownerPassword);
  await Promise.all([page.waitForEvent('load'), page.keyboard.press('Enter')]);
}

/** Tabs to the button of this name and presses it. */
async function pressByKeyboard(page: Page, name: RegExp): Promise<void> {
  const button = page.getByRole('button', { name });
  for (let stops = 0; stops < 20; stops++) {
    if (await button.evaluate((element) => element === element.ownerDocument.activeElement)) break;
    await page.keyboard.press('Tab');
  }
  await Promise.all([page.waitForEvent('load'), page.keyboard.press('Enter')]);
}

test('a person signs in, reads who asks for what, and allows it, by keyboard and without JavaScript', async (context) => {
  const { page, complaints } = await browser.visit(context);
  await page.goto(await authorizeUrl());
  await signIn(page);
  const text = await page.locator('main').textContent();
  expect(text).toMatch(/app-\d+/);
  expect(text).toContain('127.0.0.1');
  await pressByKeyboard(page, /allow/i);
  const landed = new URL(page.url());
  expect(`${landed.origin}${landed.pathname}`).toBe(callback);
  expect(Object.fromEntries(landed.searchParams)).toMatchObject({
    code: expect.any(String),
    state: 'kept',
    iss: scene.issuer,
  });
  expect(complaints).toEqual([]);
});

test('a denial reaches the client in the standard form', async (context) => {
  const { page } = await browser.visit(context);
  await page.goto(await authorizeUrl());
  await signIn(page);
  await pressByKeyboard(page, /refuse/i);
  expect(Object.fromEntries(new URL(page.url()).searchParams)).toMatchObject({ error: 'access_denied', state: 'kept' });
});

test('a session of another tenant is nobody here', async (context) => {
  const { page } = await browser.visit(context);
  await page.goto(`${other.issuer}/sign-in`);
  await signIn(page);
  await page.goto(await authorizeUrl());
  expect(new URL(page.url()).pathname).toBe('/t/home/sign-in');
});

test('no page of ours shows itself in a frame', async (context) => {
  const { page, complaints } = await browser.visit(context);
  await page.goto(`${scene.issuer}/sign-in`);
  await signIn(page);
  for (const path of [await authorizeUrl(), `${scene.issuer}/device`, `${scene.issuer}/account`]) {
    await page.goto(`${callback}?frame=${encodeURIComponent(path)}`);
    const frame = page.frames().find((one) => one !== page.mainFrame());
    expect(
      await frame
        ?.locator('button')
        .count()
        .catch(() => 0),
    ).toBe(0);
  }
  expect(complaints.join('\n')).toMatch(/frame/i);
});

test('a device is allowed on its page after signing in, by its code', async (context) => {
  const { page } = await browser.visit(context);
  const app = await registerApp(scene);
  const start = ask(scene.issuer, '/oauth2/device_authorization', { scope: 'openid' });
  const { body } = await send(authenticated(start, app));
  await page.goto(String(body.verification_uri));
  if (new URL(page.url()).pathname.endsWith('/sign-in')) await signIn(page);
  await page.getByRole('textbox').fill(String(body.user_code));
  await Promise.all([page.waitForEvent('load'), page.keyboard.press('Enter')]);
  expect(await page.locator('main').textContent()).toContain(String(body.user_code));
  await pressByKeyboard(page, /allow/i);
  const poll = ask(scene.issuer, '/oauth2/token', {
    grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
    device_code: String(body.device_code),
  });
  expect((await send(authenticated(poll, app))).status).toBe(200);
});
