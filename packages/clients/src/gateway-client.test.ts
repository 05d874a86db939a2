import { generateKeyPairSync } from 'node:crypto';
import { newId, type TenantId } from '@mono-auth/core/ids';
import { type Call, callerWithoutToken } from '@mono-auth/core/principal';
import { FakeRuntime, openTestDatabase, type TestDatabase } from '@mono-auth/testing';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createClient } from './create-client.ts';
import { ensureGatewayClient } from './gateway-client.ts';

const baseUrl = 'https://id.example.com';
const runtime = new FakeRuntime();
let db: TestDatabase;
let tenantId: TenantId;
let slug: string;
let made = 0;

beforeAll(async () => {
  db = await openTestDatabase();
});
beforeEach(async () => {
  slug = `acme-${++made}`;
  tenantId = await db.createTenantRow(slug);
});
afterAll(() => db.close());

function call(): Call {
  const tenant = { id: tenantId, slug };
  const requestId = newId(runtime, 'req');
  return { runtime, caller: callerWithoutToken({ principal: 'system:platform', tenant, requestId, ip: '' }) };
}
const gatewayResource = () => `${baseUrl}/t/${slug}/gateway`;
const ensure = () => db.database.forTenant(tenantId, (tx) => ensureGatewayClient(tx, call(), gatewayResource()));

/** A client that the tenant makes for itself. */
function make(name: string, resource: string) {
  const jwk = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' });
  const jwks = { keys: [{ ...jwk, kid: 'k1' }] };
  const input = { kind: 'service', name, resource, scopes: [], audiences: [], jwks, baseUrl } as const;
  return db.database.forTenant(tenantId, (tx) => createClient(tx, call(), input));
}

test('the gateway’s client is made once, also in parallel, with evidence, and has no key to authenticate with', async () => {
  const clients = await Promise.all(Array.from({ length: 4 }, ensure));
  const [client] = clients;
  expect(new Set(clients.map(({ id }) => id)).size).toBe(1);
  expect(client).toMatchObject({ kind: 'service', name: 'gateway', scopes: ['feed:follow'], jwks: { keys: [] } });
  expect((await ensure()).id).toBe(client?.id);
  const events = await db.admin<{ type: string; actor: string }>(
    'select type, actor from mono.audit_events where object_id = $1',
    [client?.id],
  );
  expect(events).toEqual([{ type: 'client.created', actor: 'system:platform' }]);
});

test('no client of the tenant passes for it: its resource is not to be had, and its name alone means nothing', async () => {
  await expect(make('gateway', gatewayResource())).rejects.toMatchObject({ reason: 'invalid_request' });
  const { client: own } = await make('gateway', 'https://gateway.acme.example');
  const client = await ensure();
  expect(client.id).not.toBe(own.id);
  expect(client.name).toBe(`gateway ${client.id}`);
});

test('once it is retired there is no other: what was revoked does not come back by itself', async () => {
  const client = await ensure();
  await db.admin(`update mono.clients set status = 'retired' where name = 'gateway'`);
  await expect(ensure()).rejects.toMatchObject({ reason: 'denied' });
  expect(client.name).toBe('gateway');
});
