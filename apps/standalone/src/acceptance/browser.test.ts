import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Tenant } from '@mono-auth/tenants';
import { openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, expect, type TestContext, test } from 'vitest';
import { type Installation, openInstallation, ownerEmail, ownerPassword } from './installation.ts';

/** Headless, as root in a container as well, and silent: it asks nobody but the server under test. */
const launchArgs = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

const executablePath = [process.env.MONO_CHROMIUM, Bun.which('chromium'), '/usr/bin/chromium'].find(
  (path) => path && existsSync(path),
);

let db: TestDatabase;
let installation: Installation;
let browser: Browser | undefined;
let issuer: string;
let tenant: Tenant;
let client: Server;
let site: string;
/** What the client's page at /frame shows inside itself. */
let framed = '';

beforeAll(async () => {
  db = await openTestDatabase();
  installation = await openInstallation(db.database, testKek);
  tenant = await installation.provision('alpha');
  issuer = tenant.issuer;
  client = createServer((request, response) => {
    response.setHeader('content-type', 'text/html');
    const frame = `<iframe src="${framed.replaceAll('&', '&amp;')}"></iframe>`;
    response.end(request.url === '/frame' ? frame : '<title>The client</title><h1>The client</h1>');
  });
  await new Promise<void>((resolve) => client.listen(0, '127.0.0.1', resolve));
  site = `http://127.0.0.1:${(client.address() as AddressInfo).port}`;
  if (executablePath) browser = await chromium.launch({ executablePath, args: launchArgs });
});
afterAll(async () => {
  client?.closeAllConnections();
  client?.close();
  await browser?.close();
  await installation?.close();
  await db?.close();
});

interface Visit {
  readonly page: Page;
  /** What the browser itself complained of: above all, violations of the page's own policy. */
  readonly complaints: readonly string[];
}

/** A new browser profile with JavaScript switched off: the hosted pages have to work without. */
async function visit(context: TestContext): Promise<Visit> {
  if (!browser) {
    const reason = 'no Chromium: install chromium or name one by MONO_CHROMIUM';
    if (process.env.CI === 'true') throw new Error(reason);
    process.stdout.write(`browser tests are skipped: ${reason}\n`);
    return context.skip(reason);
  }
  const profile = await browser.newContext({ javaScriptEnabled: false });
  const page = await profile.newPage();
  const complaints: string[] = [];
  page.on('console', (message) => complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(error.message));
  return { page, complaints };
}

async function submit(page: Page, password: string): Promise<void> {
  await page.getByLabel('E-mail address').fill(ownerEmail);
  await page.getByLabel('Password').fill(password);
  await press(page, 'Sign in');
}

/** Presses a button and waits for the page that it leads to. */
async function press(page: Page, name: string): Promise<void> {
  const loaded = page.waitForEvent('load');
  await page.getByRole('button', { name }).click();
  await loaded;
}

test('a person who asks for the account page signs in, lands there and signs out again', async (context) => {
  const { page, complaints } = await visit(context);
  await page.goto(`${issuer}/account`);
  expect(new URL(page.url()).pathname).toBe('/t/alpha/sign-in');
  await submit(page, ownerPassword);
  expect(page.url()).toBe(`${issuer}/account`);
  expect(await page.getByText('You are signed in.').isVisible()).toBe(true);
  expect(await page.getByText(ownerEmail).first().isVisible()).toBe(true);
  await page.goto(`${issuer}/sign-in`);
  expect(page.url()).toBe(`${issuer}/account`);

  await press(page, 'Sign out');
  expect(page.url()).toBe(`${issuer}/sign-in`);
  await page.goto(`${issuer}/account`);
  expect(new URL(page.url()).pathname).toBe('/t/alpha/sign-in');
  expect(complaints).toEqual([]);
});

test('a wrong password shows an alert, keeps the address and signs nobody in', async (context) => {
  const { page, complaints } = await visit(context);
  await page.goto(`${issuer}/sign-in`);
  expect(await page.getByRole('alert').count()).toBe(0);
  await submit(page, 'not the password');
  const alert = page.getByRole('alert');
  expect(await alert.isVisible()).toBe(true);
  expect(await alert.textContent()).toBe('The e-mail address or the password is wrong.');
  expect(await page.title()).toMatch(/^Error: /);
  expect(await page.getByLabel('E-mail address').inputValue()).toBe(ownerEmail);
  expect(await page.getByLabel('Password').inputValue()).toBe('');
  expect((await page.context().cookies()).map(({ name }) => name)).toEqual([expect.stringMatching(/^mono-form\./)]);
  // The browser reports the 401 of the page itself, and nothing else.
  expect(complaints.filter((text) => !text.includes('401'))).toEqual([]);
  await submit(page, ownerPassword);
  expect(page.url()).toBe(`${issuer}/account`);
});

test('the session cookie is out of the reach of scripts and of other sites', async (context) => {
  const { page } = await visit(context);
  await page.goto(`${issuer}/sign-in`);
  await submit(page, ownerPassword);
  const cookies = await page.context().cookies();
  expect(cookies.length).toBeGreaterThan(1);
  for (const { httpOnly, sameSite } of cookies) expect([httpOnly, sameSite]).toEqual([true, 'Lax']);
});

test('a style or script that is not the page’s own is refused by its policy, and the browser says so', async (context) => {
  const { page, complaints } = await visit(context);
  await page.route('**/sign-in', async (route) => {
    const answer = await route.fetch();
    const body = `${await answer.text()}<style>body{display:none}</style>`;
    await route.fulfill({ response: answer, body });
  });
  await page.goto(`${issuer}/sign-in`);
  expect(await page.getByRole('button', { name: 'Sign in' }).isVisible()).toBe(true);
  expect(complaints.join('\n')).toMatch(/Content Security Policy/);
});

/** The request of a new client. */
async function authorizeUrl(): Promise<string> {
  const clientId = await db.insertApp(tenant, { manifest: { redirectUris: [`${site}/cb`], audiences: [] } });
  const query = new URLSearchParams({
    ...{ response_type: 'code', client_id: clientId, redirect_uri: `${site}/cb`, scope: 'openid', state: 'a b+c' },
    code_challenge: createHash('sha256').update('v'.repeat(43)).digest('base64url'),
    code_challenge_method: 'S256',
  });
  return `${issuer}/oauth2/authorize?${query}`;
}

const answer = (url: string) => Object.fromEntries(new URL(url).searchParams);

test('without a script a person signs in, allows the client and lands there; next time signing in leads there at once', async (context) => {
  const { page, complaints } = await visit(context);
  const asked = await authorizeUrl();
  await page.goto(asked);
  await submit(page, ownerPassword);
  expect(new URL(page.url()).pathname).toBe('/t/alpha/consent');
  expect(await page.getByRole('heading', { level: 1 }).textContent()).toMatch(/^Allow /);
  await press(page, 'Allow');
  expect(await page.title()).toBe('The client');
  expect(answer(page.url())).toEqual({ code: expect.any(String), state: 'a b+c', iss: issuer });
  expect(complaints.filter((text) => !text.includes('favicon'))).toEqual([]);

  // The redirects after the form end at another origin: the browser holds the whole chain to the page's policy.
  const again = await visit(context);
  await again.page.goto(asked);
  await submit(again.page, ownerPassword);
  expect(answer(again.page.url())).toMatchObject({ code: expect.any(String), iss: issuer });
  expect(again.complaints.filter((text) => !text.includes('favicon'))).toEqual([]);
});

test('the decision is made with the keyboard alone, refusing comes first, and the client hears access_denied', async (context) => {
  const { page } = await visit(context);
  await page.goto(await authorizeUrl());
  await submit(page, ownerPassword);
  await page.keyboard.press('Tab');
  expect(await page.locator(':focus').textContent()).toBe('Refuse');
  const loaded = page.waitForEvent('load');
  await page.keyboard.press('Enter');
  await loaded;
  expect(answer(page.url())).toMatchObject({ error: 'access_denied', state: 'a b+c', iss: issuer });
});

test('no page of a request is shown inside another site', async (context) => {
  const { page, complaints } = await visit(context);
  await page.goto(await authorizeUrl());
  await submit(page, ownerPassword);
  const consent = page.url();
  for (framed of [consent, `${issuer}/sign-in`, `${issuer}/account`, `${issuer}/oauth2/end_session`]) {
    const told = complaints.length;
    await page.goto(`${site}/frame`);
    await expect.poll(() => complaints.slice(told).join()).toMatch(/frame-ancestors|X-Frame-Options/);
    expect(await page.frameLocator('iframe').locator('main').count()).toBe(0);
  }
});
