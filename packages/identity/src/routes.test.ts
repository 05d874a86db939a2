import { systemRuntime } from '@mono-auth/core/runtime';
import type { Tenant } from '@mono-auth/tenants';
import { openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Browser, openBrowser } from './browser.ts';
import { openScene, type Scene } from './identity-scene.ts';

const baseUrl = 'https://id.example';
const email = 'ada@example.com';
const password = 'correct horse battery';
let db: TestDatabase;
let scene: Scene;
let acme: Tenant;

beforeAll(async () => {
  db = await openTestDatabase();
  scene = openScene({ ...db, runtime: systemRuntime, baseUrl, kek: testKek });
  acme = await scene.openTenant('acme');
  await scene.openTenant('globex');
  await scene.openUser(acme, email, password);
});
afterAll(() => db.close());

const tokenIn = (page: string) => /name="form_token" value="([^"]+)"/.exec(page)?.[1] ?? '';

async function submit(browser: Browser, fields: Record<string, string>, query = ''): Promise<Response> {
  const page = await (await browser.get(`/t/acme/sign-in${query}`)).text();
  const action = (/action="([^"]+)"/.exec(page)?.[1] ?? '').replaceAll('&amp;', '&');
  return browser.post(action, new URLSearchParams({ form_token: tokenIn(page), ...fields }).toString());
}

test('a person signs in, sees the account, and signs out, without a script', async () => {
  const browser = openBrowser(scene, baseUrl);
  const away = await browser.get('/t/acme/account');
  expect([away.status, away.headers.get('location')]).toEqual([303, '/t/acme/sign-in?return_to=%2Ft%2Facme%2Faccount']);
  const done = await submit(browser, { email, password });
  expect([done.status, done.headers.get('location')]).toEqual([303, '/t/acme/account']);
  const account = await (await browser.get('/t/acme/account')).text();
  expect(account).toContain(email);
  expect(account).not.toContain('<script');
  const form = new URLSearchParams({ form_token: tokenIn(account) }).toString();
  const out = await browser.post('/t/acme/sign-out', form);
  expect([out.status, out.headers.get('location')]).toEqual([303, '/t/acme/sign-in']);
  expect((await browser.get('/t/acme/account')).status).toBe(303);
});

test('over https the session cookie is __Host-, Secure, HttpOnly, Lax, of this host alone, and named for the tenant', async () => {
  const browser = openBrowser(scene, baseUrl);
  const response = await submit(browser, { email, password });
  const cookies = response.headers.getSetCookie();
  const [cookie = ''] = cookies.filter((line) => line.startsWith(`__Host-mono.${acme.id}=`));
  const attributes = cookie
    .split('; ')
    .slice(1)
    .map((attribute) => attribute.toLowerCase());
  expect(attributes.sort()).toEqual(['httponly', 'max-age=604800', 'path=/', 'samesite=lax', 'secure']);
  expect(cookies.filter((line) => !line.startsWith('__Host-'))).toEqual([]);
});

test('every failure looks alike: 401, one text, no cookie, nothing about the address; the page stays usable', async () => {
  const texts = new Set<string>();
  for (const fields of [
    { email, password: 'wrong horse battery' },
    { email: 'nobody@example.com', password: 'wrong horse battery' },
    { email: 'not an address', password: 'x' },
    { email, password: 'x'.repeat(500) },
  ]) {
    const browser = openBrowser(scene, baseUrl);
    const response = await submit(browser, fields);
    expect(response.status).toBe(401);
    expect([...browser.jar.keys()]).toEqual([`__Host-mono-form.${acme.id}`]);
    const page = await response.text();
    expect(page).toContain('role="alert"');
    expect(page).not.toContain('wrong horse');
    texts.add(/role="alert"[^>]*>([^<]+)</.exec(page)?.[1] ?? '');
  }
  expect([...texts]).toEqual(['The e-mail address or the password is wrong.']);
});

test('what is typed comes back escaped', async () => {
  const page = await (
    await submit(openBrowser(scene, baseUrl), { email: '"><script>alert(1)</script>', password: 'x' })
  ).text();
  expect(page).toContain('&quot;&gt;&lt;script&gt;');
  expect(page).not.toContain('<script');
});

test('the pages allow no script, no frame, no foreign form, are not stored, and keep the Origin of their posts', async () => {
  const browser = openBrowser(scene, baseUrl);
  for (const [path, status] of [
    ['/t/acme/sign-in', 200],
    ['/t/nobody/sign-in', 404],
  ] as const) {
    const { headers, status: got } = await browser.get(path);
    expect(got).toBe(status);
    expect(headers.get('content-security-policy')).toMatch(
      /^default-src 'none'; style-src 'sha256-[A-Za-z0-9+/=]+'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'$/,
    );
    expect(headers.get('x-frame-options')).toBe('DENY');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('referrer-policy')).toBe('same-origin');
    expect(headers.get('cache-control')).toBe('no-store');
  }
});

test('the sign-in form names its fields to password managers and to screen readers', async () => {
  const page = await (await openBrowser(scene, baseUrl).get('/t/acme/sign-in')).text();
  expect(page).toContain('<html lang="en">');
  for (const [id, complete] of [
    ['email', 'username'],
    ['password', 'current-password'],
  ]) {
    expect(page).toContain(`<label for="${id}">`);
    expect(page).toMatch(new RegExp(`<input id="${id}" name="${id}"[^>]*autocomplete="${complete}"[^>]*required`));
  }
  expect(page).toContain('name="viewport"');
  expect(page).toContain('acme');
});

test('only a path of this tenant is returned to', async () => {
  for (const [target, expected] of [
    ['/t/acme/consent?x=1&y=2', '/t/acme/consent?x=1&y=2'],
    ['https://evil.test/', '/t/acme/account'],
    ['//evil.test/t/acme/', '/t/acme/account'],
    ['/t/globex/account', '/t/acme/account'],
    ['/t/acme/%2e%2e/globex', '/t/acme/account'],
  ] as const) {
    const query = `?return_to=${encodeURIComponent(target)}`;
    const browser = openBrowser(scene, baseUrl);
    const response = await submit(browser, { email, password }, query);
    expect([response.status, response.headers.get('location')]).toEqual([303, expected]);
    expect((await browser.get(`/t/acme/sign-in${query}`)).headers.get('location')).toBe(expected);
  }
});

test('a form is taken from this origin, this tenant, this browser and this session only', async () => {
  const browser = openBrowser(scene, baseUrl);
  const page = await (await browser.get('/t/acme/sign-in')).text();
  const fields = { email, password, form_token: tokenIn(page) };
  const post = (target: Browser, path: string, changed: Record<string, string>, headers?: Record<string, string>) =>
    target.post(path, new URLSearchParams({ ...fields, ...changed }).toString(), headers);
  for (const origin of ['https://evil.test', 'null', 'http://id.example', 'https://id.example.evil.test']) {
    expect((await post(browser, '/t/acme/sign-in', {}, { origin })).status).toBe(403);
  }
  expect((await post(browser, '/t/acme/sign-in', {}, { 'sec-fetch-site': 'cross-site' })).status).toBe(403);
  expect((await post(browser, '/t/acme/sign-in', { form_token: '' })).status).toBe(403);
  expect((await post(browser, '/t/globex/sign-in', {})).status).toBe(403);
  const other = openBrowser(scene, baseUrl);
  expect((await post(other, '/t/acme/sign-in', {})).status).toBe(403);
  await other.get('/t/acme/sign-in');
  expect((await post(other, '/t/acme/sign-in', {})).status).toBe(403);
  expect([...browser.jar.keys(), ...other.jar.keys()].filter((name) => name.startsWith(`__Host-mono.`))).toEqual([]);
  expect((await post(browser, '/t/acme/sign-in', {})).status).toBe(303);
  // The token that was shown before signing in does not sign out.
  expect((await post(browser, '/t/acme/sign-out', {})).status).toBe(403);
  expect((await browser.get('/t/acme/account')).status).toBe(200);
});

test('a post without Origin, or of JSON, is no form of ours', async () => {
  const browser = openBrowser(scene, baseUrl);
  const page = await (await browser.get('/t/acme/sign-in')).text();
  const body = { email, password, form_token: tokenIn(page) };
  expect((await browser.post('/t/acme/sign-in', body)).status).toBe(400);
  const cookie = [...browser.jar].map((pair) => pair.join('=')).join('; ');
  const bare = await scene.fetch('/t/acme/sign-in', {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', cookie },
    body: new URLSearchParams(body).toString(),
  });
  expect(bare.status).toBe(403);
});
