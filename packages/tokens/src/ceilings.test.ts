import { uuidOf } from '@mono-auth/core/ids';
import { FakeRuntime, openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { decodeJwt } from 'jose';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { TestClient } from './client-key.ts';
import { type Answer, type EndpointBench, openEndpointBench } from './endpoint-bench.ts';
import type { AuthorizationCode } from './people.ts';
import { appAudience, appScopes, openPersonBench, type PersonBench } from './person-bench.ts';
import { openTenantBench, type TenantBench } from './tenant-bench.ts';

const tokenExchange = 'urn:ietf:params:oauth:grant-type:token-exchange';
const accessToken = 'urn:ietf:params:oauth:token-type:access_token';
const runtime = new FakeRuntime();
let db: TestDatabase;
let bench: TenantBench;
let people: PersonBench;
let endpoints: EndpointBench;
let app: TestClient;
let machine: TestClient;

beforeAll(async () => {
  db = await openTestDatabase();
  bench = await openTenantBench({ ...db, slugs: ['acme', 'other'], runtime, kek: testKek });
  people = openPersonBench(bench, db);
  endpoints = openEndpointBench(bench, { codes: people.codes });
  await people.registerResource(bench.home);
  app = await people.createApp(bench.home, 'app');
  const access = { scopes: ['files:read', 'files:write'], audiences: [appAudience] };
  machine = await endpoints.createClient(bench.home, { kind: 'machine', name: 'builder', ...access });
});
afterEach(() => db.admin('delete from mono.security_policies'));
afterAll(() => db.close());

const setPolicy = (policy: object) =>
  db.admin(
    `insert into mono.security_policies (tenant_id, policy, version, updated_at) values ($1, $2, 1, $3)
     on conflict (tenant_id) do update set policy = excluded.policy`,
    [uuidOf(bench.home.id), policy, new Date(runtime.nowMs())],
  );
const asPerson = async (change: Partial<AuthorizationCode> = {}, client = app, role?: 'owner' | 'member') =>
  endpoints.ask(client, '/oauth2/token', people.plantCode(client, await people.openPerson(bench.home, role), change));
const asMachine = (form: Record<string, string> = {}, client = machine) =>
  endpoints.ask(client, '/oauth2/token', { grant_type: 'client_credentials', resource: appAudience, ...form });
const exchange = async () => {
  const subject = await bench.mint(bench.home);
  const form = { subject_token: subject.token, subject_token_type: accessToken, resource: appAudience };
  return endpoints.ask(machine, '/oauth2/token', { grant_type: tokenExchange, ...form });
};
const refresh = (before: Answer) =>
  endpoints.ask(app, '/oauth2/token', {
    grant_type: 'refresh_token',
    refresh_token: before.body.refresh_token as string,
  });
/** Each grant, made ready: what is answered then is one token more. */
const everyGrant: [string, () => Promise<() => Promise<Answer>>][] = [
  ['code', async () => () => asPerson()],
  [
    'refresh token',
    async () => {
      const first = await asPerson();
      return () => refresh(first);
    },
  ],
  ['client credentials', async () => () => asMachine()],
  ['token exchange', async () => exchange],
];

describe('a ceiling of the tenant holds over every grant', () => {
  test.each(everyGrant)('%s: lifetime, from the next token on', async (_, ready) => {
    const before = await (await ready())();
    expect(before.status).toBe(200);
    expect(before.body.expires_in).toBeGreaterThan(90);
    const next = await ready();
    await setPolicy({ accessTokenTtlSecondsMax: 90 });
    expect((await next()).body.expires_in).toBe(90);
  });

  test.each(everyGrant)('%s: scope', async (_, ready) => {
    const next = await ready();
    await setPolicy({ scopes: ['files:read'] });
    const { status, body } = await next();
    expect(status).toBe(200);
    const own = ['openid', 'profile', 'email', 'offline_access'];
    expect((body.scope as string).split(' ').filter((value) => !own.includes(value))).toEqual(['files:read']);
  });

  test.each(everyGrant)('%s: bound tokens only, and a refusal uses nothing up', async (_, ready) => {
    const next = await ready();
    await setPolicy({ dpopRequired: true });
    expect(await next()).toMatchObject({ status: 400, body: { error: 'invalid_dpop_proof' } });
    await setPolicy({});
    expect((await next()).status).toBe(200);
  });

  test('a grant that the tenant bars is nobody’s: the refusal is unauthorized_client', async () => {
    const first = await asPerson();
    await setPolicy({ grantTypes: ['urn:ietf:params:oauth:grant-type:device_code'] });
    for (const answer of [await asPerson(), await refresh(first), await asMachine(), await exchange()]) {
      expect(answer).toMatchObject({ status: 400, body: { error: 'unauthorized_client' } });
    }
  });

  test('without refresh tokens in the tenant there is no access beyond the session', async () => {
    await setPolicy({ grantTypes: ['authorization_code'] });
    const { body } = await asPerson();
    expect(body).not.toHaveProperty('refresh_token');
    expect(body.scope).not.toContain('offline_access');
    expect(decodeJwt(body.access_token as string)).toHaveProperty('sid');
  });

  test('a shorter life of refresh tokens ends families that are older by now', async () => {
    const first = await asPerson();
    runtime.advance(3_600_000);
    await setPolicy({ refreshTokenTtlSecondsMax: 3_600 });
    expect((await refresh(first)).body.error).toBe('invalid_grant');
    await setPolicy({ refreshTokenTtlSecondsMax: 7_200 });
    expect((await refresh(first)).status).toBe(200);
  });
});

describe('a client', () => {
  test('that was approved for a lifetime gets it, up to what tenant and resource allow', async () => {
    const long = await people.createApp(bench.home, 'long', { accessTokenTtlSeconds: 3_000 });
    expect((await asPerson({}, long)).body.expires_in).toBe(3_000);
    await setPolicy({ accessTokenTtlSecondsMax: 1_000 });
    expect((await asPerson({}, long)).body.expires_in).toBe(1_000);
    await db.admin('update mono.resources set access_token_ttl_seconds = 120');
    expect((await asPerson({}, long)).body.expires_in).toBe(120);
    expect((await asMachine()).body.expires_in).toBe(120);
    await db.admin('update mono.resources set access_token_ttl_seconds = 0');
  });

  test('gets of a resource’s scopes what it has, and none for a resource that is retired', async () => {
    await db.admin(`update mono.resources set scopes = '{files:read}'`);
    expect((await asPerson()).body.scope).toBe('openid profile offline_access files:read');
    await db.admin(`update mono.resources set scopes = '{}', retired = true`);
    expect((await asPerson()).body.error).toBe('invalid_target');
    expect((await asMachine()).body.error).toBe('invalid_target');
    await db.admin('update mono.resources set retired = false');
  });

  test('reaches resources of its own environment alone, and the management API in production alone', async () => {
    await db.admin(`update mono.resources set environment = 'staging'`);
    expect((await asPerson()).body.error).toBe('invalid_target');
    expect((await asMachine()).body.error).toBe('invalid_target');
    await db.admin(`update mono.clients set environment = 'staging' where name in ('app', 'builder')`);
    expect((await asPerson()).status).toBe(200);
    expect((await asMachine()).status).toBe(200);
    expect((await asMachine({ resource: `${bench.home.issuer}/rpc` })).body.error).toBe('invalid_target');
    expect((await asPerson({ resources: [`${bench.home.issuer}/rpc`] })).body.error).toBe('invalid_target');
    await db.admin(`update mono.clients set environment = 'production' where name in ('app', 'builder')`);
    await db.admin(`update mono.resources set environment = 'production'`);
  });

  test('at the management API has of its scopes what the role of its person permits', async () => {
    const resources = [`${bench.home.issuer}/rpc`];
    const scopeOf = async (role: 'owner' | 'member') => (await asPerson({ resources }, app, role)).body.scope;
    expect(await scopeOf('owner')).toBe('openid profile offline_access tenants:read policy:publish');
    expect(await scopeOf('member')).toBe('openid profile offline_access tenants:read');
  });

  test('that names no resource gets the default of its environment, else its only one, else the management API', async () => {
    const audienceOf = async (client: TestClient) =>
      decodeJwt((await asPerson({ resources: [] }, client)).body.access_token as string).aud;
    const none = await people.createApp(bench.home, 'no-audience', { audiences: [], scopes: appScopes });
    expect(await audienceOf(app)).toBe(appAudience);
    expect(await audienceOf(none)).toBe(`${bench.home.issuer}/rpc`);
    await people.registerResource(bench.home, { identifier: 'https://default.test', isDefault: true });
    expect(await audienceOf(none)).toBe('https://default.test');
    // What it was not approved for stays out of reach, whatever the code says.
    expect((await asPerson({ resources: [appAudience] }, none)).body.error).toBe('invalid_target');
    expect((await asPerson({ resources: [bench.home.issuer] }, app)).body.error).toBe('invalid_target');
    expect(await audienceOf(app)).toBe(appAudience);
  });
});
