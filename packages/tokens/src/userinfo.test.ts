import { newId, type UserId } from '@mono-auth/core/ids';
import { FakeRuntime, openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeDpopKey } from './dpop-key.ts';
import { type EndpointBench, openEndpointBench } from './endpoint-bench.ts';
import { openTenantBench, type TenantBench } from './tenant-bench.ts';

const runtime = new FakeRuntime();
const userId = newId(runtime, 'usr') as UserId;
const sub = `user:${userId}` as const;
const person = {
  name: 'Ada',
  email: 'ada@example.test',
  emailVerified: true,
  picture: undefined,
  updatedAtMs: 1_700_000_000_999,
};
const profile = { name: 'Ada', updated_at: 1_700_000_000 };
const email = { email: 'ada@example.test', email_verified: true };
let db: TestDatabase;
let bench: TenantBench;
let endpoints: EndpointBench;

beforeAll(async () => {
  db = await openTestDatabase();
  bench = await openTenantBench({ ...db, slugs: ['acme', 'other'], runtime, kek: testKek });
  endpoints = openEndpointBench(bench, {
    readUser: async (tenantId, id) => (tenantId === bench.home.id && id === userId ? person : undefined),
  });
});
afterAll(() => db.close());

const url = (tenant = bench.home) => `${tenant.issuer}/oauth2/userinfo`;
const mint = async (scope: string[], change: Parameters<TenantBench['mint']>[1] = {}, tenant = bench.home) =>
  (await bench.mint(tenant, { subject: sub, audience: 'https://files.test', scope, ...change })).token;

async function ask(authorization?: string, init: RequestInit = {}, tenant = bench.home) {
  const headers = { ...(authorization !== undefined && { authorization }), ...(init.headers as object) };
  const response = await endpoints.app.request(url(tenant), { ...init, headers });
  return {
    status: response.status,
    body: await response.json(),
    challenge: response.headers.get('www-authenticate'),
    cache: response.headers.get('cache-control'),
  };
}

test.each<[string[], object]>([
  [['openid'], { sub }],
  [['openid', 'profile'], { sub, ...profile }],
  [['openid', 'email'], { sub, ...email }],
  [['openid', 'profile', 'email', 'files:read'], { sub, ...profile, ...email }],
])('the scope %s opens exactly its claims, by GET and by POST (OIDC Core §5.3)', async (scope, claims) => {
  const token = await mint(scope);
  for (const method of ['GET', 'POST']) {
    expect(await ask(`Bearer ${token}`, { method })).toEqual({
      status: 200,
      body: claims,
      challenge: null,
      cache: 'no-store',
    });
  }
});

test('a token without openid has too little scope, whatever else it has', async () => {
  const { status, body, challenge } = await ask(`Bearer ${await mint(['profile', 'email'])}`);
  expect({ status, body }).toMatchObject({ status: 403, body: { error: 'insufficient_scope' } });
  expect(challenge).toMatch(/^Bearer error="insufficient_scope", .*scope="openid"$/);
});

test('without a token it says only that one is needed (RFC 6750 §3)', async () => {
  expect(await ask()).toMatchObject({ status: 401, challenge: 'Bearer' });
});

test('a token in the form or in the query is none', async () => {
  const token = await mint(['openid']);
  const body = new URLSearchParams({ access_token: token });
  expect((await ask(undefined, { method: 'POST', body })).status).toBe(401);
  expect((await endpoints.app.request(`${url()}?access_token=${token}`)).status).toBe(401);
});

test('what is no good token, or speaks of no person here, is refused', async () => {
  const token = await mint(['openid']);
  const machine = await mint(['openid'], { subject: `client:${newId(runtime, 'cli')}` });
  const nobody = await mint(['openid'], { subject: `user:${newId(runtime, 'usr')}` });
  const { claims } = await bench.mint(bench.home, { subject: sub, scope: ['openid'] });
  const asIdToken = await bench.sign(bench.home, claims, 'JWT');
  for (const bad of [machine, nobody, asIdToken, `${token}=`, 'x.y.z', await mint(['openid'], {}, bench.other)]) {
    const { status, body, challenge } = await ask(`Bearer ${bad}`);
    expect({ status, body }).toMatchObject({ status: 401, body: { error: 'invalid_token' } });
    expect(challenge).toMatch(/^Bearer error="invalid_token"/);
  }
  expect((await ask(`Bearer ${token}`, {}, bench.other)).status).toBe(401);
});

test('a bound token needs its proof here as anywhere', async () => {
  const key = await makeDpopKey(runtime);
  const token = await mint(['openid'], { cnf: { jkt: key.jkt } });
  const refused = await ask(`Bearer ${token}`);
  expect(refused).toMatchObject({ status: 401, body: { error: 'invalid_token' } });
  expect(refused.challenge).toMatch(/^DPoP error="invalid_token", .*algs="ES256 EdDSA RS256"$/);
  const dpop = await key.prove('GET', url(), await bench.dpopNonces.current(bench.home.id), { accessToken: token });
  expect(await ask(`DPoP ${token}`, { headers: { dpop } })).toMatchObject({ status: 200, body: { sub } });
  const stale = await key.prove('GET', url(), undefined, { accessToken: token });
  expect(await ask(`DPoP ${token}`, { headers: { dpop: stale } })).toMatchObject({
    status: 401,
    body: { error: 'use_dpop_nonce' },
    challenge: expect.stringMatching(/^DPoP error="use_dpop_nonce"/),
  });
});
