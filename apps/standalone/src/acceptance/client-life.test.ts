import type { JsonObject } from '@bufbuild/protobuf';
import { openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Installation, openInstallation } from './installation.ts';
import { makeKey, PlainClient, postRpc, tokenOf } from './plain-client.ts';
import { openTenantScene, type TenantScene } from './tenant-scene.ts';

/** What a client can obtain in each state of its life, and what becomes of what it holds. */
let db: TestDatabase;
let installation: Installation;
let scene: TenantScene;

beforeAll(async () => {
  db = await openTestDatabase();
  installation = await openInstallation(db.database, testKek);
  scene = await openTenantScene(installation, 'alpha');
});
afterAll(async () => {
  await installation?.close();
  await db?.close();
});

async function rpc(method: string, message: JsonObject, token = scene.ownerToken): Promise<JsonObject> {
  const full = `monoauth.clients.v1.ClientService/${method}`;
  const { status, body } = await postRpc(scene.issuer, full, message, token);
  if (status !== 200) throw new Error(`${method}: ${status} ${JSON.stringify(body)}`);
  return body;
}

interface Made {
  readonly client: PlainClient;
  readonly id: string;
  readonly proposedHash: string;
  readonly version: string;
}

async function make(name: string, more: JsonObject = {}): Promise<Made> {
  const key = await makeKey();
  const jwks = { keys: [key.publicJwk as JsonObject] };
  const asked = { kind: 'CLIENT_KIND_MACHINE', name, scopes: ['orders:read'], jwks, ...more };
  const { id, proposedHash = '', version } = (await rpc('CreateClient', asked)).client as Record<string, string>;
  if (!id || !version) throw new Error('no client came back');
  return { client: new PlainClient(scene.issuer, id, key), id, proposedHash, version };
}

const refused = { status: 401, body: { error: 'invalid_client' } };
const isActive = async (token: string) => (await scene.service.introspect(token)).body.active === true;

test('nothing before the approval, and everything it was approved for after it', async () => {
  const { client, id, proposedHash } = await make('batch');
  expect(await client.clientCredentials({})).toMatchObject(refused);
  await rpc('SubmitClient', { id, proposedHash });
  expect(await client.clientCredentials({})).toMatchObject(refused);
  await rpc('RejectClient', { id, reason: 'say what it is for' });
  expect(await client.clientCredentials({})).toMatchObject(refused);
  await rpc('SubmitClient', { id });
  await rpc('ApproveClient', { id, manifestHash: proposedHash });
  expect(await client.clientCredentials({})).toMatchObject({ status: 200, body: { scope: 'orders:read' } });
});

test('suspended: nothing new, and what it holds is dead; resumed: new tokens live, the old ones stay dead', async () => {
  const { client, id } = await make('nightly', { approve: true });
  const old = tokenOf(await client.clientCredentials({}));
  expect(await isActive(old)).toBe(true);
  await rpc('SuspendClient', { id, reason: 'seen where it should not be' });
  expect(await isActive(old)).toBe(false);
  expect(await client.clientCredentials({})).toMatchObject(refused);
  await rpc('ResumeClient', { id });
  const fresh = tokenOf(await client.clientCredentials({}));
  expect([await isActive(old), await isActive(fresh)]).toEqual([false, true]);
});

test('retired: nothing ever again, and its name is free', async () => {
  const { client, id } = await make('old', { approve: true });
  const token = tokenOf(await client.clientCredentials({}));
  await rpc('RetireClient', { id });
  expect(await isActive(token)).toBe(false);
  expect(await client.clientCredentials({})).toMatchObject(refused);
  await expect(rpc('ResumeClient', { id })).rejects.toThrow('stale_version');
  await make('old');
});

test('a scope that is taken away is gone from the next token, one that is added waits for its approval', async () => {
  const { client, id, version } = await make('mover', { scopes: ['orders:read', 'orders:list'], approve: true });
  const jwks = { keys: [client.key.publicJwk as JsonObject] };
  const manifest = { scopes: ['orders:read', 'orders:write'], jwks };
  const { client: changed } = await rpc('UpdateClient', { id, version, manifest, submit: true });
  const scopeOf = async () => (await client.clientCredentials({})).body.scope;
  expect(await scopeOf()).toBe('orders:read');
  await rpc('ApproveClient', { id, manifestHash: (changed as { proposedHash: string }).proposedHash });
  expect(await scopeOf()).toBe('orders:read orders:write');
});

test('who may manage clients and not approve them drafts and suspends, and approves nothing', async () => {
  const token = await scene.owner.token({ scope: 'clients:manage clients:read' });
  const key = await makeKey();
  const asked = { kind: 'CLIENT_KIND_MACHINE', name: 'sly', jwks: { keys: [key.publicJwk as JsonObject] } };
  await expect(rpc('CreateClient', { ...asked, approve: true }, token)).rejects.toThrow('denied');
  const { client } = await rpc('CreateClient', { ...asked, submit: true }, token);
  const { id, proposedHash } = client as { id: string; proposedHash: string };
  await expect(rpc('ApproveClient', { id, manifestHash: proposedHash }, token)).rejects.toThrow('403');
  expect(await new PlainClient(scene.issuer, id, key).clientCredentials({})).toMatchObject(refused);
});
