import { generateKeyPairSync } from 'node:crypto';
import { newId, type TenantId } from '@mono-auth/core/ids';
import { ClientService } from '@mono-auth/proto/monoauth/clients/v1/clients';
import { FakeRuntime, openTestDatabase, type TestDatabase } from '@mono-auth/testing';
import { createRpcFetch, type RpcFetch } from '@mono-auth/transport';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openClientBench } from './client-bench.ts';
import { clientService } from './service.ts';

const runtime = new FakeRuntime();
const jwk = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' });
const jwks = { keys: [{ ...jwk, kid: 'k1' }] };
let db: TestDatabase;
let rpc: RpcFetch;
let one: TenantId;
let two: TenantId;

beforeAll(async () => {
  db = await openTestDatabase();
  const bench = await openClientBench({ ...db, runtime });
  ({ one, two } = bench);
  rpc = createRpcFetch({
    routes: (router) => router.service(ClientService, clientService(bench)),
    authenticate: async (authorization) => bench.callerIn(authorization as TenantId),
    record: async () => {},
    isPlatform: () => false,
    onRefusal: () => {},
  });
});
afterAll(() => db.close());

async function call(as: TenantId, method: string, body: object): Promise<Record<string, unknown>> {
  const path = `/monoauth.clients.v1.ClientService/${method}`;
  const headers = { 'content-type': 'application/json', authorization: as };
  const request = new Request(`http://localhost${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
  const response = await rpc(request, path, { requestId: newId(runtime, 'req'), ip: '', tenant: undefined });
  return (await response?.json()) as Record<string, unknown>;
}

test('a client is made, read and listed over the wire as it was made', async () => {
  const body = {
    kind: 'CLIENT_KIND_SERVICE',
    name: 'ledger',
    scopes: ['tokens:introspect'],
    audiences: ['https://orders.example.com'],
    resource: 'https://ledger.example.com',
    jwks,
  };
  const { client } = (await call(one, 'CreateClient', { ...body, approve: true })) as { client: { id: string } };
  const made = {
    ...body,
    status: 'CLIENT_STATUS_APPROVED',
    jwks: { keys: [{ ...jwk, kid: 'k1', alg: 'ES256', use: 'sig' }] },
  };
  expect(client).toMatchObject(made);
  expect((await call(one, 'GetClient', { id: client.id })).client).toEqual(client);
  expect((await call(one, 'ListClients', {})).clients).toEqual([client]);
});

test('the client of another tenant and one that never was are answered alike', async () => {
  const { client } = (await call(two, 'CreateClient', { kind: 'CLIENT_KIND_MACHINE', name: 'theirs', jwks })) as {
    client: { id: string };
  };
  const theirs = await call(one, 'GetClient', { id: client.id });
  expect(theirs).toMatchObject({ code: 'not_found', message: 'client not found' });
  expect(await call(one, 'GetClient', { id: newId(runtime, 'cli') })).toEqual(theirs);
});

test('hosts’ and agents’ clients are not made here', async () => {
  for (const kind of ['CLIENT_KIND_HOST', 'CLIENT_KIND_AGENT', 'CLIENT_KIND_UNSPECIFIED']) {
    expect(await call(one, 'CreateClient', { kind, name: 'x', jwks })).toMatchObject({ code: 'invalid_argument' });
  }
});

test('a list goes on where its page ended', async () => {
  for (const name of ['a', 'b', 'c', 'd']) await call(two, 'CreateClient', { kind: 'CLIENT_KIND_MACHINE', name, jwks });
  const names: unknown[] = [];
  let pageToken: unknown = '';
  do {
    const page = await call(two, 'ListClients', { pageSize: 2, pageToken });
    names.push(...(page.clients as { name: string }[]).map(({ name }) => name));
    pageToken = page.nextPageToken ?? '';
  } while (pageToken !== '');
  expect(names).toEqual(['d', 'c', 'b', 'a', 'theirs']);
  expect(await call(two, 'ListClients', { pageToken: 'cli_x' })).toMatchObject({ code: 'invalid_argument' });
});
