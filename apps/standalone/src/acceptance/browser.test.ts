import { openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { type Chromium, openChromium, pressButton, submitSignIn } from '@mono-auth/testing/chromium';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Installation, openInstallation, ownerEmail, ownerPassword } from './installation.ts';

let db: TestDatabase;
let installation: Installation;
let browser: Chromium;
let issuer: string;

beforeAll(async () => {
  db = await openTestDatabase();
  installation = await openInstallation(db.database, testKek);
  issuer = (await installation.provision('alpha')).issuer;
  browser = await openChromium();
});
afterAll(async () => {
  await browser?.close();
  await installation?.close();
  await db?.close();
});

test('a person who asks for the account page signs in, lands there and signs out again', async (context) => {
  const { page, complaints } = await browser.visit(context);
  await page.goto(`${issuer}/account`);
  expect(new URL(page.url()).pathname).toBe('/t/alpha/sign-in');
  await submitSignIn(page, ownerEmail, ownerPassword);
  expect(page.url()).toBe(`${issuer}/account`);
  expect(await page.getByText('You are signed in.').isVisible()).toBe(true);
  expect(await page.getByText(ownerEmail).first().isVisible()).toBe(true);
  await page.goto(`${issuer}/sign-in`);
  expect(page.url()).toBe(`${issuer}/account`);

  await pressButton(page, 'Sign out');
  expect(page.url()).toBe(`${issuer}/sign-in`);
  await page.goto(`${issuer}/account`);
  expect(new URL(page.url()).pathname).toBe('/t/alpha/sign-in');
  expect(complaints).toEqual([]);
});

test('a wrong password shows an alert, keeps the address and signs nobody in', async (context) => {
  const { page, complaints } = await browser.visit(context);
  await page.goto(`${issuer}/sign-in`);
  expect(await page.getByRole('alert').count()).toBe(0);
  await submitSignIn(page, ownerEmail, 'not the password');
  const alert = page.getByRole('alert');
  expect(await alert.isVisible()).toBe(true);
  expect(await alert.textContent()).toBe('The e-mail address or the password is wrong.');
  expect(await page.title()).toMatch(/^Error: /);
  expect(await page.getByLabel('E-mail address').inputValue()).toBe(ownerEmail);
  expect(await page.getByLabel('Password').inputValue()).toBe('');
  expect((await page.context().cookies()).map(({ name }) => name)).toEqual([expect.stringMatching(/^mono-form\./)]);
  // The browser reports the 401 of the page itself, and nothing else.
  expect(complaints.filter((text) => !text.includes('401'))).toEqual([]);
  await submitSignIn(page, ownerEmail, ownerPassword);
  expect(page.url()).toBe(`${issuer}/account`);
});

test('the session cookie is out of the reach of scripts and of other sites', async (context) => {
  const { page } = await browser.visit(context);
  await page.goto(`${issuer}/sign-in`);
  await submitSignIn(page, ownerEmail, ownerPassword);
  const cookies = await page.context().cookies();
  expect(cookies.length).toBeGreaterThan(1);
  for (const { httpOnly, sameSite } of cookies) expect([httpOnly, sameSite]).toEqual([true, 'Lax']);
});

test('a style or script that is not the page’s own is refused by its policy, and the browser says so', async (context) => {
  const { page, complaints } = await browser.visit(context);
  await page.route('**/sign-in', async (route) => {
    const answer = await route.fetch();
    const body = `${await answer.text()}<style>body{display:none}</style>`;
    await route.fulfill({ response: answer, body });
  });
  await page.goto(`${issuer}/sign-in`);
  expect(await page.getByRole('button', { name: 'Sign in' }).isVisible()).toBe(true);
  expect(complaints.join('\n')).toMatch(/Content Security Policy/);
});
