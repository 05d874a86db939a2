import type { JsonObject } from '@bufbuild/protobuf';
import { openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { enrolPlainly, type PlainHost } from './enrol-plainly.ts';
import { type Installation, openInstallation } from './installation.ts';
import { makeKey, PlainClient, postRpc, tokenOf } from './plain-client.ts';
import { openTenantScene, orderScopes, type TenantScene } from './tenant-scene.ts';

/** Revoking one agent, one client, one person: what must end, and what must not. */
let db: TestDatabase;
let installation: Installation;
let scene: TenantScene;
let host: PlainHost;
let ownerToken: string;

beforeAll(async () => {
  db = await openTestDatabase();
  installation = await openInstallation(db.database, testKek);
  scene = await openTenantScene(installation, 'alpha');
  ownerToken = scene.ownerToken;
  const invite = { hostName: 'fra-09', scopes: orderScopes, audiences: [scene.resource] };
  const { token } = await rpc('machines.v1.MachineService/CreateInvite', invite);
  host = await enrolPlainly(scene.issuer, token as string);
});
afterAll(async () => {
  await installation?.close();
  await db?.close();
});

async function rpc(method: string, message: JsonObject): Promise<JsonObject> {
  const { status, body } = await postRpc(scene.issuer, `monoauth.${method}`, message, ownerToken);
  if (status !== 200) throw new Error(`${method}: ${status} ${JSON.stringify(body)}`);
  return body;
}

const revoke = (target: JsonObject) =>
  rpc('revocation.v1.RevocationService/Revoke', { target, reason: 'told by the test' });

async function newAgent(name: string): Promise<string> {
  const named = { hostId: host.hostId, name, scopes: orderScopes };
  const { agent } = await rpc('machines.v1.MachineService/CreateAgent', named);
  return (agent as { id: string }).id;
}

/** A token of the person, made by an agent for the scene's service. */
async function delegated(agent: string): Promise<string> {
  const subject = await scene.owner.token({ audience: scene.issuer, scope: orderScopes.join(' ') });
  const actor = tokenOf(await host.client.clientCredentials({ agent }));
  return tokenOf(await host.client.exchange({ subject, actor }, { audience: scene.resource }));
}

async function isActive(token: string): Promise<boolean> {
  return (await scene.service.introspect(token)).body.active === true;
}

test('an agent: its tokens and what was made with them end; its host and the agent beside it go on', async () => {
  const [doomed, other] = [await newAgent('doomed'), await newAgent('other')];
  const [dead, alive] = [await delegated(doomed), await delegated(other)];
  expect([await isActive(dead), await isActive(alive)]).toEqual([true, true]);
  const { revocation } = await revoke({ agentId: doomed });
  expect(revocation).toMatchObject({ target: { agentId: doomed }, casualties: [{ kind: 'agent', count: '1' }] });
  expect([await isActive(dead), await isActive(alive)]).toEqual([false, true]);
  expect((await host.client.clientCredentials({ agent: doomed })).status).not.toBe(200);
  expect(await isActive(await delegated(other))).toBe(true);
});

test('a client: its tokens end and it gets no more; a host’s client is revoked with its host alone', async () => {
  const key = await makeKey();
  const { client } = await rpc('clients.v1.ClientService/CreateClient', {
    kind: 'CLIENT_KIND_MACHINE',
    name: 'batch',
    scopes: ['feed:read'],
    jwks: { keys: [key.publicJwk as JsonObject] },
    approve: true,
  });
  const batch = new PlainClient(scene.issuer, (client as { id: string }).id, key);
  const token = tokenOf(await batch.clientCredentials({}));
  const call = () => postRpc(scene.issuer, 'monoauth.feed.v1.FeedService/ListSubscribers', {}, token);
  expect((await call()).status).toBe(200);
  await revoke({ clientId: batch.id });
  expect((await call()).status).toBe(401);
  expect(await batch.clientCredentials({})).toMatchObject({ status: 401, body: { error: 'invalid_client' } });
  await expect(revoke({ clientId: host.client.id })).rejects.toThrow(/revoke the host/);
});

test('a person: sessions and tokens until now end, also in the hands of agents; signing in again works', async () => {
  const token = await delegated(await newAgent('helper'));
  const { revocation } = await revoke({ userId: scene.handles.user });
  expect(revocation).toMatchObject({ casualties: [{ kind: 'session' }, { kind: 'consent', count: '1' }] });
  expect(await isActive(token)).toBe(false);
  await expect(scene.owner.token()).rejects.toThrow(/401/);
  await expect(rpc('tenants.v1.TenantService/GetTenant', {})).rejects.toThrow(/401/);
  const again = await installation.signIn(scene.slug);
  ownerToken = await again.token();
  expect(await rpc('tenants.v1.TenantService/GetTenant', {})).toMatchObject({ tenant: { id: scene.tenantId } });
});

test('what was never there is not found, whatever its kind', async () => {
  for (const target of [
    { agentId: scene.handles.agent },
    { clientId: scene.handles.client },
    { userId: scene.handles.user },
  ]) {
    const [[field, id]] = Object.entries(target) as [[string, string]];
    const strange = `${id.slice(0, 4)}${'0'.repeat(26)}`;
    await expect(revoke({ [field]: strange })).rejects.toThrow(/404.*not found/);
  }
  await expect(revoke({ grantId: `gra_${'0'.repeat(26)}` })).rejects.toThrow(/404.*not found/);
});
