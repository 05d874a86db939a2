import { createEphemeral } from '@mono-auth/cache';
import { newId, uuidOf } from '@mono-auth/core/ids';
import { systemRuntime } from '@mono-auth/core/runtime';
import type { Tenant } from '@mono-auth/tenants';
import { needRedis, openTestDatabase, sharedRedisUrl, type TestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { openBrowser } from './browser.ts';
import { openScene, type Scene } from './identity-scene.ts';
import { passwordHash } from './password-hash.ts';
import { accountAttemptsMax, addressAttemptsMax } from './session-policy.ts';

const baseUrl = 'http://127.0.0.1:8420';
const password = 'correct horse battery';
let db: TestDatabase;
let scene: Scene;
let ip = '192.0.2.7';

beforeAll(async () => {
  db = await openTestDatabase();
  const change = () => ({ originOf: () => ({ requestId: newId(systemRuntime, 'req'), ip }) });
  scene = openScene({ ...db, runtime: systemRuntime, baseUrl, kek: testKek, change });
});
afterAll(() => db.close());

async function openTenant(slug: string): Promise<Tenant> {
  ip = '192.0.2.7';
  const tenant = await scene.openTenant(slug);
  await scene.openUser(tenant, 'grace@example.com', password);
  return tenant;
}

async function attempt(tenant: Tenant, email: string, secret: string): Promise<number> {
  const browser = openBrowser(scene, baseUrl);
  const response = await browser.post(`/t/${tenant.slug}/auth/sign-in/email`, { email, password: secret });
  expect(response.headers.has('retry-after')).toBe(response.status === 429);
  return response.status;
}

/** One guess for each of many accounts, ten at a time: each costs a hash, and a machine under load is not what is tested. */
async function spread(tenant: Tenant, length: number): Promise<number[]> {
  const tried: number[] = [];
  while (tried.length < length) {
    const some = Array.from(
      { length: Math.min(10, length - tried.length) },
      (_, i) => `e${tried.length + i}@example.com`,
    );
    tried.push(...(await Promise.all(some.map((email) => attempt(tenant, email, 'x')))));
  }
  return tried;
}

const count = (statuses: number[], wanted: number) => statuses.filter((status) => status === wanted).length;

test('guessing at one account ends in 429, in whatever letters; another account goes on', async () => {
  const acme = await openTenant('acme');
  const guesses = Array.from({ length: accountAttemptsMax + 3 }, () => attempt(acme, 'eve@example.com', 'x'));
  const tried = await Promise.all(guesses);
  expect([count(tried, 401), count(tried, 429)]).toEqual([accountAttemptsMax, 3]);
  expect(await attempt(acme, 'EVE@example.com', 'x')).toBe(429);
  expect(await attempt(acme, 'grace@example.com', password)).toBe(200);
});

test('who signs in again and again is not locked out, and a success forgets the failures before it', async () => {
  const tenant = await openTenant('stark');
  for (let i = 0; i < 2 * accountAttemptsMax; i++) {
    if (i % 10 === 9) expect(await attempt(tenant, 'grace@example.com', 'wrong horse battery')).toBe(401);
    else expect(await attempt(tenant, 'Grace@example.com', password)).toBe(200);
  }
});

test('with Redis, too, who signs in again and again is not locked out', async (context) => {
  const redisUrl = needRedis(context, sharedRedisUrl());
  const ephemeral = await createEphemeral({ ...db, runtime: systemRuntime, redisUrl });
  const tenant = await openTenant('wayne');
  const change = () => ({ ephemeral, originOf: () => ({ requestId: newId(systemRuntime, 'req'), ip }) });
  const before = scene;
  try {
    scene = openScene({ ...db, runtime: systemRuntime, baseUrl, kek: testKek, change });
    for (let i = 0; i < accountAttemptsMax + 1; i++) {
      expect(await attempt(tenant, 'grace@example.com', password)).toBe(200);
    }
    const counted = await db.admin('select kind from mono.ephemeral where tenant_id = $1', [uuidOf(tenant.id)]);
    expect(counted).toEqual([]);
  } finally {
    scene = before;
    await ephemeral.close();
  }
});

test('guessing from one address ends in 429 for that address and that tenant alone', async () => {
  const [globex, initech] = [await openTenant('globex'), await openTenant('initech')];
  const tried = await spread(globex, addressAttemptsMax + 3);
  expect([count(tried, 401), count(tried, 429)]).toEqual([addressAttemptsMax, 3]);
  expect(await attempt(globex, 'grace@example.com', password)).toBe(429);
  expect(await attempt(initech, 'grace@example.com', password)).toBe(200);
  ip = '192.0.2.8';
  expect(await attempt(globex, 'grace@example.com', password)).toBe(200);
});

test('walking through an IPv6 network does not reset the count (CVE-2026-45364)', async () => {
  const umbrella = await openTenant('umbrella');
  ip = '2001:db8:1:2::1';
  await spread(umbrella, addressAttemptsMax - 1);
  const tried: number[] = [];
  for (const host of ['2', '3', 'ffff:1']) {
    ip = `2001:db8:1:2::${host}`;
    tried.push(await attempt(umbrella, `f${host}@example.com`, 'x'));
  }
  expect(tried).toEqual([401, 429, 429]);
  ip = '2001:db8:1:3::1';
  expect(await attempt(umbrella, 'grace@example.com', password)).toBe(200);
});

test('an unknown address costs a hash, as a wrong password does', async () => {
  const hash = vi.spyOn(passwordHash, 'hash');
  const verify = vi.spyOn(passwordHash, 'verify');
  const hooli = await openTenant('hooli');
  const costs = async (email: string) => {
    hash.mockClear();
    verify.mockClear();
    expect(await attempt(hooli, email, 'wrong horse battery')).toBe(401);
    return [hash.mock.calls.length, verify.mock.calls.length];
  };
  expect(await costs('grace@example.com')).toEqual([0, 1]);
  expect(await costs('nobody@example.com')).toEqual([1, 0]);
});
