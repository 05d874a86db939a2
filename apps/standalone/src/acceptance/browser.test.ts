import { existsSync } from 'node:fs';
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

beforeAll(async () => {
  db = await openTestDatabase();
  installation = await openInstallation(db.database, testKek);
  issuer = (await installation.provision('alpha')).issuer;
  if (executablePath) browser = await chromium.launch({ executablePath, args: launchArgs });
});
afterAll(async () => {
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
