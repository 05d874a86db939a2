import { createHash } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Tenant } from '@mono-auth/tenants';
import { openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { type Chromium, openChromium, pressButton, submitSignIn } from '@mono-auth/testing/chromium';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Installation, openInstallation, ownerEmail, ownerPassword } from './installation.ts';

let db: TestDatabase;
let installation: Installation;
let browser: Chromium;
let tenant: Tenant;
let client: Server;
let site: string;
let asked: string;

beforeAll(async () => {
  db = await openTestDatabase();
  installation = await openInstallation(db.database, testKek);
  tenant = await installation.provision('alpha');
  browser = await openChromium();
  // What the client shows: where it was called, and, at /frame, our page inside its own.
  client = createServer((request, response) => {
    response.setHeader('content-type', 'text/html');
    if (request.url === '/frame') return void response.end(`<iframe src="${asked.replaceAll('&', '&amp;')}"></iframe>`);
    response.end('<title>The client</title><h1>The client</h1>');
  });
  await new Promise<void>((resolve) => client.listen(0, '127.0.0.1', resolve));
  site = `http://127.0.0.1:${(client.address() as AddressInfo).port}`;
  asked = await authorizeUrl();
});
afterAll(async () => {
  client?.closeAllConnections();
  client?.close();
  await browser?.close();
  await installation?.close();
  await db?.close();
});

/** The request of a new client. */
async function authorizeUrl(): Promise<string> {
  const clientId = await db.insertApp(tenant, { manifest: { redirectUris: [`${site}/cb`], audiences: [] } });
  const query = new URLSearchParams({
    ...{ response_type: 'code', client_id: clientId, redirect_uri: `${site}/cb`, scope: 'openid', state: 'a b+c' },
    code_challenge: createHash('sha256').update('v'.repeat(43)).digest('base64url'),
    code_challenge_method: 'S256',
  });
  return `${tenant.issuer}/oauth2/authorize?${query}`;
}

const answer = (url: string) => Object.fromEntries(new URL(url).searchParams);

test('without a script a person signs in, allows the client and lands there; next time signing in leads there at once', async (context) => {
  const { page, complaints } = await browser.visit(context);
  await page.goto(asked);
  await submitSignIn(page, ownerEmail, ownerPassword);
  expect(new URL(page.url()).pathname).toBe('/t/alpha/consent');
  expect(await page.getByRole('heading', { level: 1 }).textContent()).toMatch(/^Allow /);
  await pressButton(page, 'Allow');
  expect(await page.title()).toBe('The client');
  expect(answer(page.url())).toEqual({ code: expect.any(String), state: 'a b+c', iss: tenant.issuer });
  expect(complaints.filter((text) => !text.includes('favicon'))).toEqual([]);

  // The redirects after the form end at another origin: the browser holds the whole chain to the page's policy.
  const again = await browser.visit(context);
  await again.page.goto(asked);
  await submitSignIn(again.page, ownerEmail, ownerPassword);
  expect(answer(again.page.url())).toMatchObject({ code: expect.any(String), iss: tenant.issuer });
  expect(again.complaints.filter((text) => !text.includes('favicon'))).toEqual([]);
});

test('the decision is made with the keyboard alone, refusing comes first, and the client hears access_denied', async (context) => {
  const { page } = await browser.visit(context);
  await page.goto(await authorizeUrl());
  await submitSignIn(page, ownerEmail, ownerPassword);
  await page.keyboard.press('Tab');
  expect(await page.locator(':focus').textContent()).toBe('Refuse');
  const loaded = page.waitForEvent('load');
  await page.keyboard.press('Enter');
  await loaded;
  expect(answer(page.url())).toMatchObject({ error: 'access_denied', state: 'a b+c', iss: tenant.issuer });
});

test('no page of a request is shown inside another site', async (context) => {
  const { page, complaints } = await browser.visit(context);
  await page.goto(await authorizeUrl());
  await submitSignIn(page, ownerEmail, ownerPassword);
  const consent = page.url();
  for (const framed of [
    consent,
    `${tenant.issuer}/sign-in`,
    `${tenant.issuer}/account`,
    `${tenant.issuer}/oauth2/end_session`,
  ]) {
    asked = framed;
    const told = complaints.length;
    await page.goto(`${site}/frame`);
    await expect.poll(() => complaints.slice(told).join()).toMatch(/frame-ancestors|X-Frame-Options/);
    expect(await page.frameLocator('iframe').locator('main').count()).toBe(0);
  }
});
