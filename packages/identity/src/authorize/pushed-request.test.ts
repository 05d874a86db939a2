import type { ClientId } from '@mono-auth/core/ids';
import { systemRuntime } from '@mono-auth/core/runtime';
import type { Tenant } from '@mono-auth/tenants';
import { openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Browser, openBrowser } from '../browser.ts';
import { openScene, type Scene } from '../identity-scene.ts';
import { actionIn, answerOf, authorizePathOf, decide, fieldIn, redirectUri } from './authorize-scene.ts';

const baseUrl = 'https://id.example';
const email = 'ada@example.com';
const password = 'correct horse battery';
const requestUri = 'urn:ietf:params:oauth:request_uri:one';
const authorizePath = authorizePathOf('acme');
let db: TestDatabase;
let scene: Scene;
let acme: Tenant;
let app: ClientId;
let neighbour: ClientId;
/** The door of pushed requests, as the one request that waits: how they are kept is shown in the package of grants. */
let waiting: { clientId: ClientId; query: URLSearchParams } | undefined;
let required = false;

beforeAll(async () => {
  db = await openTestDatabase();
  scene = openScene({
    ...{ ...db, runtime: systemRuntime, baseUrl, kek: testKek },
    change: () => ({
      grants: {
        async takePushedRequest(_tenantId, clientId, uri) {
          if (uri !== requestUri || waiting?.clientId !== clientId) return undefined;
          const { query } = waiting;
          waiting = undefined;
          return query;
        },
        requiresPushedRequests: async () => required,
        findDeviceRequest: async () => undefined,
        decideDevice: async () => {},
        listGrants: async () => [],
        endGrants: async () => 0,
      },
    }),
  });
  acme = await scene.openTenant('acme');
  await scene.openUser(acme, email, password);
  app = await db.insertApp(acme);
  neighbour = await db.insertApp(acme);
});
beforeEach(() => {
  required = false;
  waiting = { clientId: app, query: queryOf(app) };
});
afterAll(() => db.close());

const queryOf = (clientId: string, changed: Record<string, string | undefined> = {}) =>
  new URL(authorizePath(clientId, changed), baseUrl).searchParams;
const byReference = (clientId: string, more: Record<string, string> = {}) =>
  `/t/acme/oauth2/authorize?${new URLSearchParams({ client_id: clientId, request_uri: requestUri, ...more })}`;
async function signedIn(): Promise<Browser> {
  const browser = openBrowser(scene, baseUrl);
  expect((await browser.post('/t/acme/auth/sign-in/email', { email, password })).status).toBe(200);
  return browser;
}

test('a pushed request is used once, and nothing of the front channel counts beside it', async () => {
  const browser = await signedIn();
  const more = { redirect_uri: 'https://evil.test', scope: 'admin', state: 'other', response_type: 'token' };
  const asked = await browser.get(byReference(app, more));
  const done = answerOf(await decide(browser, asked, 'allow'));
  expect(done).toMatchObject({ to: redirectUri, params: { state: 'st+a te%/' } });
  const read = await scene.identity.readAuthorizationCode(acme, done.params.code ?? '');
  expect(read?.scopes).toEqual(['openid', 'orders:read']);
  const again = await browser.get(byReference(app));
  expect([again.status, again.headers.get('location')]).toEqual([400, null]);
});

test('another client’s reference, a guess and a URL are one answer, and use nothing up', async () => {
  const browser = await signedIn();
  for (const path of [
    byReference(neighbour),
    byReference('x'),
    byReference(app, { request_uri: 'urn:ietf:params:oauth:request_uri:two' }),
    byReference(app, { request_uri: 'https://evil.test/request.jwt' }),
  ]) {
    expect((await browser.get(path)).status).toBe(400);
  }
  expect(waiting).toBeDefined();
});

test('a tenant that takes pushed requests only refuses others, but goes on with one after its person has signed in', async () => {
  required = true;
  const signedInAlready = await signedIn();
  expect(answerOf(await signedInAlready.get(authorizePath(app))).params.error).toBe('invalid_request');
  const browser = openBrowser(scene, baseUrl);
  const away = (await browser.get(byReference(app))).headers.get('location') ?? '';
  const page = await (await browser.get(away)).text();
  const form = new URLSearchParams({ form_token: fieldIn(page, 'form_token'), email, password });
  const back = (await browser.post(actionIn(page), form.toString())).headers.get('location') ?? '';
  expect(answerOf(await browser.get(back)).params.error).toBeUndefined();
  const changed = back.replace('orders%3Aread', 'profile');
  expect(answerOf(await browser.get(changed)).params.error).toBe('invalid_request');
});

test('what a client pushes is held to the rules of the endpoint, for the client that pushes it', async () => {
  const validate = (id: ClientId, query: URLSearchParams) =>
    scene.identity.validateAuthorizationParams(acme, id, query);
  await validate(app, queryOf(app));
  for (const [reason, query] of [
    ['invalid_request', queryOf(neighbour)],
    ['invalid_request', queryOf(app, { redirect_uri: 'https://evil.test' })],
    ['invalid_request', queryOf(app, { code_challenge: undefined })],
    ['invalid_request', queryOf(app, { request_uri: requestUri })],
    ['invalid_scope', queryOf(app, { scope: 'admin' })],
    ['invalid_target', queryOf(app, { resource: 'https://never.example' })],
    ['unsupported_response_type', queryOf(app, { response_type: 'token' })],
    ['request_not_supported', queryOf(app, { request: 'e30.e30.' })],
  ] as const) {
    await expect(validate(app, query)).rejects.toMatchObject({ reason });
  }
});
