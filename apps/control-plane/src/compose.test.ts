import { newId } from '@mono-auth/core/ids';
import { systemRuntime } from '@mono-auth/core/runtime';
import { platformSlug } from '@mono-auth/core/tenant-slug';
import { openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import pino from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ControlPlane, createControlPlane } from './index.ts';

const baseUrl = 'http://mono.test';
const owner = { ownerEmail: 'owner@example.test', ownerPassword: 'correct horse battery staple' };
const log = pino({ level: 'silent' });
/** What interfaces promise for provisioning, milliseconds. */
const provisionMsMax = 5_000;

let db: TestDatabase;
let plane: ControlPlane;

beforeAll(async () => {
  db = await openTestDatabase();
  plane = await createControlPlane({ database: db.database, runtime: systemRuntime, kek: testKek, baseUrl, log });
  await plane.provision({ slug: platformSlug, displayName: 'Platform', ...owner });
});
afterAll(async () => {
  await plane?.close();
  await db?.close();
});

async function ask(path: string, init?: RequestInit): Promise<{ status: number; body: Record<string, unknown> }> {
  const ingress = { requestId: newId(systemRuntime, 'req'), ip: '', tenant: undefined, refusal: undefined };
  const answer = await plane.fetch(new Request(`${baseUrl}${path}`, init), ingress);
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
}

test('a tenant is made in one call, each step checked, within five seconds', async () => {
  const { tenant, steps } = await plane.provision({ slug: 'acme', displayName: 'Acme', ...owner });
  expect(tenant).toMatchObject({ slug: 'acme', status: 'active', issuer: `${baseUrl}/t/acme` });
  const names = steps.map(({ step }) => step);
  expect(names).toEqual(['keys', expect.stringContaining('audit'), 'feed', 'policy', 'owner', 'self-check']);
  expect(steps.reduce((sum, { durationMs }) => sum + durationMs, 0)).toBeLessThan(provisionMsMax);
});

test('a tenant that is there is not made again', async () => {
  const again = plane.provision({ slug: platformSlug, displayName: 'Another', ...owner });
  await expect(again).rejects.toMatchObject({ reason: 'already_exists' });
});

test('another key-encryption key is refused at the start', async () => {
  const kek = new Uint8Array(32).fill(8);
  const start = createControlPlane({ database: db.database, runtime: systemRuntime, kek, baseUrl, log });
  await expect(start).rejects.toThrow(/key/i);
});

test('the three forms of discovery name the issuer of their path', async () => {
  const issuer = `${baseUrl}/t/${platformSlug}`;
  for (const path of [
    `/t/${platformSlug}/.well-known/openid-configuration`,
    `/.well-known/openid-configuration/t/${platformSlug}`,
    `/.well-known/oauth-authorization-server/t/${platformSlug}`,
  ]) {
    expect(await ask(path)).toMatchObject({ status: 200, body: { issuer, jwks_uri: `${issuer}/jwks` } });
  }
});

test.each([
  '/.well-known/openid-configuration/t/nobody',
  '/.well-known/oauth-authorization-server/t/nobody',
  '/t/nobody/jwks',
  '/t/nobody/.well-known/openid-configuration',
])('a tenant that is not there has no document: %s', async (path) => {
  expect(await ask(path)).toMatchObject({ status: 404, body: { reason: 'not_found' } });
});

test.each([
  '/',
  '/monoauth.tenants.v1.TenantService',
  '/monoauth.tenants.v1.TenantService/Nothing',
  '/t/platform/rpc/monoauth.tenants.v1.Nobody/GetTenant',
  '/t/platform/auth/oauth2/token',
  '/t/platform/auth/sign-up/email',
])('what is not served is not found: %s', async (path) => {
  expect(await ask(path, { method: 'POST', body: '{}' })).toMatchObject({ status: 404 });
});
