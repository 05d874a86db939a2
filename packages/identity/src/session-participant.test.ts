import { isId, newId, type SessionId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import { systemRuntime } from '@mono-auth/core/runtime';
import { type RevocationTarget, revoke } from '@mono-auth/revocation';
import { advanceEpoch, type Tenant } from '@mono-auth/tenants';
import { openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openBrowser } from './browser.ts';
import { callOfPerson } from './call.ts';
import { openScene, type Scene } from './identity-scene.ts';
import { sessionParticipant } from './session-participant.ts';

const baseUrl = 'http://127.0.0.1:8420';
const email = 'ada@example.com';
const password = 'correct horse battery';
const runtime = systemRuntime;
let db: TestDatabase;
let scene: Scene;
let acme: Tenant;
let globex: Tenant;

beforeAll(async () => {
  db = await openTestDatabase();
  scene = openScene({ ...db, runtime, baseUrl, kek: testKek });
  acme = await scene.openTenant('acme');
  globex = await scene.openTenant('globex');
  for (const tenant of [acme, globex]) await scene.openUser(tenant, email, password);
});
afterAll(() => db.close());

async function signIn(tenant: Tenant): Promise<{ id: SessionId; headers: Headers }> {
  const browser = openBrowser(scene, baseUrl);
  await browser.post(`/t/${tenant.slug}/auth/sign-in/email`, { email, password });
  const headers = new Headers({ cookie: [...browser.jar].map((pair) => pair.join('=')).join('; ') });
  const session = await scene.identity.session(tenant, headers);
  expect(isId('ses', session?.id)).toBe(true);
  return { id: session?.id as SessionId, headers };
}

function order(tenant: Tenant, target: RevocationTarget) {
  const participant = sessionParticipant({ database: db.database, runtime });
  const call: Call = callOfPerson(runtime, tenant, { requestId: newId(runtime, 'req'), ip: '' });
  const deps = { database: db.database, runtime, feed: scene.feed, participants: [participant], advanceEpoch };
  return revoke(deps, call, { target, reason: 'test', waitMs: 0 });
}

const rows = () => db.admin<{ id: string }>('select id from identity.session');

test('revoking a session ends it and deletes its row, and no other session', async () => {
  const [one, other] = [await signIn(acme), await signIn(acme)];
  const before = (await rows()).length;
  const { revocation } = await order(acme, { kind: 'session', id: one.id });
  expect(revocation.casualties).toEqual([{ kind: 'session', count: 1 }]);
  expect(await scene.identity.session(acme, one.headers)).toBeUndefined();
  expect(await scene.identity.session(acme, other.headers)).toBeDefined();
  expect(await rows()).toHaveLength(before - 1);
});

test('another tenant’s session, and one that never was, are not found alike', async () => {
  const { id, headers } = await signIn(globex);
  for (const target of [id, newId(runtime, 'ses')]) {
    await expect(order(acme, { kind: 'session', id: target })).rejects.toMatchObject({
      reason: 'not_found',
      detail: 'session not found',
    });
  }
  expect(await scene.identity.session(globex, headers)).toBeDefined();
});

test('revoking a tenant counts and ends its sessions, and none of another tenant', async () => {
  const [one, two, away] = [await signIn(acme), await signIn(acme), await signIn(globex)];
  const { revocation } = await order(acme, { kind: 'tenant' });
  const [casualty] = revocation.casualties;
  expect(casualty?.kind).toBe('session');
  expect(casualty?.count).toBeGreaterThanOrEqual(2);
  for (const { headers } of [one, two]) expect(await scene.identity.session(acme, headers)).toBeUndefined();
  expect(await scene.identity.session(globex, away.headers)).toBeDefined();
  const fresh = await signIn(acme);
  expect(await scene.identity.session(acme, fresh.headers)).toBeDefined();
});
