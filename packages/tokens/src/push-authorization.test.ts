import type { ClientId } from '@mono-auth/core/ids';
import { pushedRequests } from '@mono-auth/grants';
import { FakeRuntime, openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { TestClient } from './client-key.ts';
import { type Answer, type EndpointBench, type FormFields, openEndpointBench } from './endpoint-bench.ts';
import { appAudience, openPersonBench, redirectUri } from './person-bench.ts';
import { openTenantBench, type TenantBench } from './tenant-bench.ts';

const runtime = new FakeRuntime();
let db: TestDatabase;
let bench: TenantBench;
let endpoints: EndpointBench;
let app: TestClient;
let neighbour: TestClient;
let abroad: TestClient;

beforeAll(async () => {
  db = await openTestDatabase();
  bench = await openTenantBench({ ...db, slugs: ['acme', 'other'], runtime, kek: testKek });
  const people = openPersonBench(bench, db);
  endpoints = openEndpointBench(bench, { codes: people.codes });
  for (const tenant of [bench.home, bench.other]) await people.registerResource(tenant);
  app = await people.createApp(bench.home, 'app');
  neighbour = await people.createApp(bench.home, 'neighbour');
  abroad = await people.createApp(bench.other, 'abroad');
});
afterAll(() => db.close());

const good = {
  response_type: 'code',
  redirect_uri: redirectUri,
  code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
  code_challenge_method: 'S256',
  scope: 'openid files:read',
  state: 'xyz',
  resource: appAudience,
};
const push = (change: FormFields = {}, client = app) => endpoints.ask(client, '/oauth2/par', { ...good, ...change });
const take = (answer: Answer, client: TestClient) =>
  bench.database.forTenant(client.tenant.id, (tx) =>
    pushedRequests.takePushedRequest(tx, runtime, {
      requestUri: answer.body.request_uri as string,
      clientId: client.id as ClientId,
    }),
  );

test('a request is kept for its client under a reference of sixty seconds, without the client’s credentials', async () => {
  const answer = await push();
  expect(answer).toMatchObject({ status: 201, body: { expires_in: 60 } });
  expect(answer.headers.get('cache-control')).toBe('no-store');
  expect(Object.keys(answer.body)).toEqual(['request_uri', 'expires_in']);
  expect(answer.body.request_uri).toMatch(/^urn:ietf:params:oauth:request_uri:[A-Za-z0-9_-]{43}$/);
  expect(await take(answer, neighbour)).toBeUndefined();
  expect(await take(answer, abroad)).toBeUndefined();
  expect(await take(answer, app)).toEqual({ ...good, client_id: app.id });
  expect(await take(answer, app)).toBeUndefined();
});

test.each<[string, FormFields, string]>([
  ['a reference inside a pushed request (RFC 9126 §2.1)', { request_uri: 'urn:x' }, 'invalid_request'],
  ['no response type', { response_type: '' }, 'unsupported_response_type'],
  ['an implicit request', { response_type: 'token' }, 'unsupported_response_type'],
  ['a redirect URI of nobody', { redirect_uri: `${redirectUri}/` }, 'invalid_request'],
  ['no challenge', { code_challenge: '' }, 'invalid_request'],
  ['a plain challenge', { code_challenge_method: 'plain' }, 'invalid_request'],
  ['a scope that the client was not approved for', { scope: 'openid files:delete' }, 'invalid_scope'],
  ['a resource that the client may not reach', { resource: 'https://else.test' }, 'invalid_target'],
])('%s is refused and nothing is kept', async (_, change, error) => {
  const [before] = await db.admin<{ count: string }>('select count(*) as count from mono.pushed_requests');
  expect((await push(change)).body.error).toBe(error);
  expect(await db.admin('select count(*) as count from mono.pushed_requests')).toEqual([before]);
});

test('the authorization endpoint’s own check decides where there is one', async () => {
  const seen: string[] = [];
  const checked = openEndpointBench(bench, {
    checkAuthorization: async (tenant, client, parameters) => {
      seen.push(`${tenant.slug} ${client.id} ${parameters.get('state')} ${parameters.has('client_assertion')}`);
    },
  });
  expect((await checked.ask(app, '/oauth2/par', { ...good, resource: 'https://else.test' })).status).toBe(201);
  expect(seen).toEqual([`acme ${app.id} xyz false`]);
});

test('a client proves itself here as at the token endpoint, and was approved for the code grant', async () => {
  expect(await endpoints.post(bench.home, '/oauth2/par', good)).toMatchObject({
    status: 401,
    body: { error: 'invalid_client' },
  });
  expect(await push({}, { ...abroad, tenant: bench.home })).toMatchObject({
    status: 401,
    body: { error: 'invalid_client' },
  });
  const machine = await endpoints.createClient(bench.home, {
    kind: 'machine',
    name: 'builder',
    scopes: ['files:read'],
  });
  expect((await push({}, machine)).body.error).toBe('unauthorized_client');
});
