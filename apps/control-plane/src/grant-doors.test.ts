import { createClient } from '@mono-auth/clients';
import { type ClientId, newId, type TenantId, uuidOf } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import type { TenantTx } from '@mono-auth/database';
import { Feed } from '@mono-auth/feed';
import { beginGrant, deviceAuthorizations, pushedRequests } from '@mono-auth/grants';
import { createLocalKms, openKeyring } from '@mono-auth/keys';
import { systemCaller } from '@mono-auth/tenants';
import { FakeRuntime, openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { grantDoors } from './grant-doors.ts';

const runtime = new FakeRuntime();
const userCodeKey = () => new Uint8Array(32).fill(5);
let db: TestDatabase;
let feed: Feed;
let doors: ReturnType<typeof grantDoors>;
let tenantId: TenantId;
let call: Call;
let clientId: ClientId;

beforeAll(async () => {
  db = await openTestDatabase();
  const { database } = db;
  tenantId = await db.createTenantRow('acme');
  const kms = createLocalKms(testKek, runtime);
  const keys = openKeyring({
    database,
    runtime,
    kms,
    platformIssuer: 'https://id.test',
    rootTenant: async () => tenantId,
  });
  feed = new Feed({
    database,
    keys,
    runtime,
    ephemeral: { publish: async () => {}, subscribe: async () => async () => {} },
  });
  await database.forTenant(tenantId, (tx) => feed.provision(tx, 1));
  doors = grantDoors({ database, runtime, feed, userCodeKey });
  call = { runtime, caller: systemCaller({ id: tenantId, slug: 'acme' }, newId(runtime, 'req')) };
  const manifest = {
    scopes: ['files:read'],
    redirectUris: ['https://app.test/cb'],
    grantTypes: ['authorization_code'],
  };
  const input = {
    kind: 'app',
    name: 'Reader',
    scopes: [],
    audiences: [],
    manifest,
    baseUrl: 'https://id.test',
  } as const;
  clientId = (await run((tx) => createClient(tx, call, input as Parameters<typeof createClient>[2]))).client.id;
});
afterAll(() => db.close());

const run = <T>(work: (tx: TenantTx) => Promise<T>): Promise<T> => db.database.forTenant(tenantId, work);

test('a pushed request is taken once, with every value of a repeated name', async () => {
  const parameters = { scope: 'openid', resource: ['https://a.test', 'https://b.test'] };
  const { requestUri } = await run((tx) => pushedRequests.pushRequest(tx, runtime, { clientId, parameters }));
  expect(await doors.takePushedRequest(tenantId, newId(runtime, 'cli'), requestUri)).toBeUndefined();
  const taken = await doors.takePushedRequest(tenantId, clientId, requestUri);
  expect(taken?.toString()).toBe('scope=openid&resource=https%3A%2F%2Fa.test&resource=https%3A%2F%2Fb.test');
  expect(await doors.takePushedRequest(tenantId, clientId, requestUri)).toBeUndefined();
});

test('whether only pushed requests are taken is the tenant’s to say', async () => {
  expect(await doors.requiresPushedRequests(tenantId)).toBe(false);
  await db.admin(`insert into mono.security_policies (tenant_id, policy, version, updated_at) values ($1, $2, 1, $3)`, [
    uuidOf(tenantId),
    { pushedRequestsRequired: true },
    new Date(runtime.nowMs()),
  ]);
  expect(await doors.requiresPushedRequests(tenantId)).toBe(true);
});

test('a device is shown with the name of its client until somebody has decided', async () => {
  const asked = { clientId, scopes: ['files:read'], resources: [], dpopJkt: undefined, userCodeKey: userCodeKey() };
  const { userCode } = await run((tx) => deviceAuthorizations.startDeviceAuthorization(tx, runtime, asked));
  const find = () => run((tx) => doors.findDeviceRequest(tx, userCode.toLowerCase()));
  expect(await find()).toEqual({ clientId, clientName: 'Reader', scopes: ['files:read'], resources: [] });
  const decision = { userCode, granted: true, authTimeMs: runtime.nowMs() };
  const decide = () =>
    run((tx) =>
      doors.decideDevice(tx, call, { ...decision, userId: newId(runtime, 'usr'), sessionId: newId(runtime, 'ses') }),
    );
  await decide();
  expect(await find()).toBeUndefined();
  await expect(decide()).rejects.toMatchObject({ reason: 'not_found' });
});

test('a person sees what they allow by the name of the client, and takes it back', async () => {
  const userId = newId(runtime, 'usr');
  const id = newId(runtime, 'gra');
  await run((tx) =>
    beginGrant(tx, call, {
      ...{ id, clientId, userId, sessionId: undefined, scopes: ['files:read'], resources: [], dpopJkt: undefined },
      ...{
        authTimeMs: runtime.nowMs(),
        epoch: 1,
        feedSeq: 0,
        expiresAtMs: runtime.nowMs() + 60_000,
        refreshable: true,
      },
    }),
  );
  const list = () => run((tx) => doors.listGrants(tx, userId));
  expect(await list()).toEqual([
    { id, clientId, clientName: 'Reader', scopes: ['files:read'], createdAtMs: runtime.nowMs() },
  ]);
  expect(await run((tx) => doors.endGrants(tx, call, { userId, clientId }))).toBe(1);
  expect(await list()).toEqual([]);
  const handles = { jti: 'x', sub: `user:${userId}`, grants: [id], ep: 1, fs: 0 };
  expect((await feed.state(tenantId)).isRevoked(handles).revoked).toBe(true);
});
