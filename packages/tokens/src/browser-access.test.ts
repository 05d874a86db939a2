import { FakeRuntime, openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type EndpointBench, openEndpointBench } from './endpoint-bench.ts';
import { openTenantBench, type TenantBench } from './tenant-bench.ts';

const runtime = new FakeRuntime();
const origin = 'https://app.example.com';
let db: TestDatabase;
let bench: TenantBench;
let endpoints: EndpointBench;

beforeAll(async () => {
  db = await openTestDatabase();
  bench = await openTenantBench({ ...db, slugs: ['acme', 'other'], runtime, kek: testKek });
  endpoints = openEndpointBench(bench);
});
afterAll(() => db.close());

const fetchFrom = (path: string, init: RequestInit) =>
  endpoints.app.request(`${bench.baseUrl}${path}`, { ...init, headers: { origin, ...(init.headers as object) } });
const preflight = (path: string, method: string) =>
  fetchFrom(path, {
    method: 'OPTIONS',
    headers: { 'access-control-request-method': method, 'access-control-request-headers': 'authorization,dpop' },
  });

const reachable: [string, string][] = [
  ['POST', '/t/acme/oauth2/token'],
  ['POST', '/t/acme/oauth2/revoke'],
  ['GET', '/t/acme/oauth2/userinfo'],
  ['POST', '/t/acme/oauth2/par'],
  ['POST', '/t/acme/oauth2/register'],
  ['GET', '/t/acme/jwks'],
  ['GET', '/t/acme/.well-known/openid-configuration'],
  ['GET', '/.well-known/openid-configuration/t/acme'],
  ['GET', '/.well-known/oauth-authorization-server/t/acme'],
];

test.each(reachable)('the code of a browser may %s %s from any origin, without cookies', async (method, path) => {
  const asked = await preflight(path, method);
  expect(asked.status).toBe(204);
  expect(asked.headers.get('access-control-allow-origin')).toBe('*');
  expect(asked.headers.get('access-control-allow-methods')).toContain(method);
  expect(asked.headers.get('access-control-allow-headers')).toMatch(/authorization.*dpop/);
  expect(asked.headers.has('access-control-allow-credentials')).toBe(false);
  // Also what is refused may be read: the browser's code has to know why.
  const answer = await fetchFrom(path, { method, ...(method === 'POST' && { body: new URLSearchParams({ a: 'b' }) }) });
  expect(answer.headers.get('access-control-allow-origin')).toBe('*');
  expect(answer.headers.get('access-control-expose-headers')).toMatch(/dpop-nonce.*www-authenticate/);
  expect(answer.headers.has('access-control-allow-credentials')).toBe(false);
});

test.each([
  ['GET', '/t/acme/oauth2/authorize'],
  ['GET', '/t/acme/oauth2/end-session'],
  ['POST', '/t/acme/oauth2/introspect'],
])('%s %s is none of theirs', async (method, path) => {
  expect((await preflight(path, method)).headers.has('access-control-allow-origin')).toBe(false);
  const answer = await fetchFrom(path, { method, ...(method === 'POST' && { body: new URLSearchParams({ a: 'b' }) }) });
  expect(answer.headers.has('access-control-allow-origin')).toBe(false);
});
