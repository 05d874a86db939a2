import { generateKeyPairSync } from 'node:crypto';
import { newId, type TenantId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import { FakeRuntime, openTestDatabase, type TestDatabase } from '@mono-auth/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Client } from './client.ts';
import { type CreateClientInput, createClient } from './create-client.ts';
import { selectLivingResource } from './store/resources.ts';
import { selectClient, selectClients } from './store.ts';

const baseUrl = 'https://id.example.com';
const runtime = new FakeRuntime();
const jwk = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' });
const jwks = { keys: [{ ...jwk, kid: 'k1' }] };
let db: TestDatabase;
let one: TenantId;
let two: TenantId;

beforeAll(async () => {
  db = await openTestDatabase();
  one = await db.createTenantRow('one');
  two = await db.createTenantRow('two');
});
afterAll(() => db.close());

function callIn(tenantId: TenantId): Call {
  const requestId = newId(runtime, 'req');
  const caller = { principal: 'system:platform', tenantId, tenantSlug: 'x', requestId, ip: '' } as const;
  const none = { tenantRole: undefined, tokenId: undefined, sessionId: undefined, clientId: undefined, act: undefined };
  return { runtime, caller: { ...caller, ...none, scope: new Set(['clients:approve']) } };
}

async function make(tenantId: TenantId, over: Partial<CreateClientInput> = {}): Promise<Client> {
  const short = { scopes: [], audiences: [], ...(over.manifest ? {} : { jwks }) };
  const input = { kind: 'machine', name: runtime.uuid(), approve: true, baseUrl, ...short, ...over } as const;
  return (await db.database.forTenant(tenantId, (tx) => createClient(tx, callIn(tenantId), input))).client;
}
const service = (resource: string, tenantId = one) => make(tenantId, { kind: 'service', resource });

test('a living name is one client’s in its tenant, and free in every other', async () => {
  const first = await make(one, { name: 'ledger' });
  await expect(make(one, { name: 'ledger' })).rejects.toMatchObject({ reason: 'already_exists' });
  const other = await make(two, { name: 'ledger' });
  expect(other.id).not.toBe(first.id);
  await db.admin(`update mono.clients set status = 'retired' where name = 'ledger'`);
  expect((await make(one, { name: 'ledger' })).name).toBe('ledger');
});

test('a repeated idempotency key answers the first client, also in parallel, and means nothing to another tenant', async () => {
  const made = await Promise.all(
    Array.from({ length: 6 }, () => make(one, { name: 'again', idempotencyKey: 'key-1' })),
  );
  expect(new Set(made.map(({ id }) => id)).size).toBe(1);
  expect((await make(two, { idempotencyKey: 'key-1' })).id).not.toBe(made[0]?.id);
  const events = await db.admin(`select id from mono.audit_events where object_id = $1 and type = 'client.created'`, [
    made[0]?.id,
  ]);
  expect(events).toHaveLength(1);
});

test('an idempotency key that was used for another client is refused', async () => {
  const first = { name: 'once', scopes: ['orders:read'], idempotencyKey: 'key-2' };
  await make(one, first);
  for (const other of [{ name: 'twice' }, { scopes: [] }, { audiences: ['https://a.example'] }]) {
    await expect(make(one, { ...first, ...other })).rejects.toMatchObject({ reason: 'invalid_request' });
  }
});

test('a resource is one service’s for ever, in its tenant', async () => {
  const ledger = await service('https://ledger.example.com/api');
  await expect(service('https://ledger.example.com/api')).rejects.toMatchObject({ reason: 'already_exists' });
  expect((await service('https://ledger.example.com/api', two)).id).not.toBe(ledger.id);
  const find = () => db.database.forTenant(one, (tx) => selectLivingResource(tx, 'https://ledger.example.com/api'));
  expect((await find())?.clientId).toBe(ledger.id);
  await db.admin(`update mono.clients set status = 'retired' where resource = 'https://ledger.example.com/api'`);
  expect(await find()).toBeUndefined();
  await expect(service('https://ledger.example.com/api')).rejects.toMatchObject({ reason: 'already_exists' });
});

test.each([
  '',
  'ledger',
  '/api',
  'https://ledger.example.com/#top',
  'https://ledger.example.com/#',
  'https://ledger.example.com/a b',
  'https://user:secret@ledger.example.com/',
  `https://ledger.example.com/${'a'.repeat(600)}`,
  `${baseUrl}/t/one`,
  `${baseUrl}/t/two/rpc`,
  'HTTPS://ID.example.com/t/one',
  'https://id.example.com:443/x/../t/one',
])('no resource: %s', async (resource) => {
  await expect(service(resource)).rejects.toMatchObject({ reason: 'invalid_request' });
});

test('only a service is a resource; names, scopes and audiences have their form', async () => {
  const refused = { reason: 'invalid_request' };
  await expect(make(one, { resource: 'https://a.example.com' })).rejects.toMatchObject(refused);
  for (const name of ['', ' a', 'a\n', 'a\u202eb', 'x'.repeat(121)]) {
    await expect(make(one, { name })).rejects.toMatchObject(refused);
  }
  await expect(make(one, { scopes: ['orders:read orders:write'] })).rejects.toMatchObject(refused);
  await expect(make(one, { scopes: ['say "hi"'] })).rejects.toMatchObject(refused);
  await expect(make(one, { audiences: ['ledger'] })).rejects.toMatchObject(refused);
  expect((await make(one, { scopes: ['a', 'a', 'b'] })).scopes).toEqual(['a', 'b']);
});

test('a client of another tenant is not there', async () => {
  const mine = await make(one);
  expect(await db.database.forTenant(two, (tx) => selectClient(tx, mine.id))).toBeUndefined();
  const listed = await db.database.forTenant(two, (tx) => selectClients(tx, undefined, 200));
  expect(listed.map(({ id }) => id)).not.toContain(mine.id);
});

test('a list is newest first and goes on where a page ended', async () => {
  const all = await db.database.forTenant(one, (tx) => selectClients(tx, undefined, 200));
  expect(all.length).toBeGreaterThan(3);
  expect(all.map(({ id }) => id)).toEqual([...all.map(({ id }) => id)].sort().reverse());
  const rest = await db.database.forTenant(one, (tx) => selectClients(tx, all[1]?.id, 200));
  expect(rest).toEqual(all.slice(2));
});
