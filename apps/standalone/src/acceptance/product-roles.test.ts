import type { JsonObject } from '@bufbuild/protobuf';
import { createVerifier, FeedSubscriber, productAccess, type Verifier } from '@mono-auth/sdk';
import { openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Installation, openInstallation } from './installation.ts';
import { call } from './isolation-row.ts';
import { makeKey, PlainClient, tokenOf } from './plain-client.ts';
import { openTenantScene, orderScopes, type TenantScene } from './tenant-scene.ts';

/*
 * Products register roles, people and agents are given them, and a service decides by the token alone: over real HTTP, with
 * the SDK as any service uses it.
 */

const policy = 'monoauth.policy.v1.PolicyService';
/** Long, so that a machine under load does not end it. */
const leaseMs = 10_000;
const clerk = { name: 'clerk', permissions: ['order:read'] };
const manager = { name: 'manager', permissions: ['order:read', 'order:refund'] };

let db: TestDatabase;
let installation: Installation;
let scene: TenantScene;
let subscriber: FeedSubscriber;
let verifier: Verifier;
/** Another service of the product, which goes on to the first. */
let relay: { readonly client: PlainClient; readonly resource: string };
/** Of the product, as it was registered last. */
let version = 0;

beforeAll(async () => {
  db = await openTestDatabase();
  installation = await openInstallation(db.database, testKek);
  scene = await openTenantScene(installation, 'roles');
  const { issuer, service, resource: audience } = scene;
  const tokens = async () => tokenOf(await service.clientCredentials());
  subscriber = await FeedSubscriber.start({ issuer, tokens, name: 'orders', leaseMs });
  await subscriber.whenFresh(leaseMs);
  verifier = createVerifier({ issuer, audience, revocations: subscriber });
  const [key, resource] = [await makeKey(), 'https://relay.example'];
  const { client } = await call(scene, 'monoauth.clients.v1.ClientService/CreateClient', {
    ...{ kind: 'CLIENT_KIND_SERVICE', name: 'relay', scopes: orderScopes, audiences: [audience], resource },
    jwks: { keys: [key.publicJwk as JsonObject] },
    approve: true,
  });
  relay = { client: new PlainClient(issuer, (client as { id: string }).id, key), resource };
});
afterAll(async () => {
  await subscriber?.close();
  await installation?.close();
  await db?.close();
});

async function register(...roles: JsonObject[]): Promise<void> {
  const request = { name: 'orders', roles, resources: [scene.resource, relay.resource], basedOn: String(version) };
  const { product } = await call(scene, `${policy}/RegisterProduct`, request);
  version = Number((product as JsonObject).version);
}

async function assign(principal: string, role: string, more: JsonObject = {}): Promise<string> {
  const { assignment } = await call(scene, `${policy}/AssignRole`, { product: 'orders', role, principal, ...more });
  return (assignment as { id: string }).id;
}

const remove = (id: string) => call(scene, `${policy}/RemoveRole`, { id });
const user = () => `user:${scene.handles.user}`;
const agent = () => `agent:${scene.handles.agent}`;
const ownToken = () => scene.owner.token({ audience: scene.resource, scope: orderScopes.join(' ') });

/** The agent's token for the owner. */
async function exchanged(): Promise<string> {
  const subject = await scene.owner.token({ audience: scene.issuer, scope: orderScopes.join(' ') });
  const actor = tokenOf(await scene.host.client.clientCredentials({ agent: scene.handles.agent }));
  return tokenOf(await scene.host.client.exchange({ subject, actor }, { audience: scene.resource }));
}

const accessBy = async (token: string) => productAccess(await verifier.verify(token), 'orders');

/** Until the service refuses what it took before. */
async function refused(token: string): Promise<void> {
  const verdict = () =>
    verifier.verify(token).then(
      () => 'taken',
      (error: Error) => error.message,
    );
  await expect.poll(verdict, { timeout: 5_000, interval: 5 }).toContain('revoked');
  const { body } = await scene.service.introspect(token);
  expect(body).toEqual({ active: false });
}

test('before a product owns its audience, a token says nothing of roles', async () => {
  const claims = decodeJwt<Record<string, unknown>>(await ownToken());
  expect([claims.roles, claims.permissions, claims.grants]).toEqual([undefined, undefined, undefined]);
});

test('a service decides by the token alone what its holder may do, everywhere and on single things', async () => {
  await register(clerk, manager);
  const everywhere = await assign(user(), 'clerk');
  const once = await assign(user(), 'manager', { resource: 'order/17' });
  const token = await ownToken();
  expect(decodeJwt(token)).toMatchObject({
    roles: { orders: ['clerk'] },
    permissions: { orders: ['order:read'] },
    resource_permissions: { orders: { 'order/17': ['order:refund'] } },
    grants: expect.arrayContaining([everywhere, once]),
  });
  const access = await accessBy(token);
  expect(access.isPermitted('order:read')).toBe(true);
  expect(access.isPermitted('order:refund', 'order/17')).toBe(true);
  expect([access.isPermitted('order:refund'), access.isPermitted('order:refund', 'order/18')]).toEqual([false, false]);
  const { body } = await scene.service.introspect(token);
  expect(body).toMatchObject({ active: true, roles: { orders: ['clerk'] }, permissions: { orders: ['order:read'] } });
});

test('a token for another audience tells nothing of it: nobody learns of roles but the product that they are in', async () => {
  const subject = decodeJwt<Record<string, unknown>>(
    await scene.owner.token({ audience: scene.issuer, scope: 'orders:read' }),
  );
  const management = decodeJwt<Record<string, unknown>>(await scene.owner.token());
  for (const claims of [subject, management])
    expect([claims.roles, claims.permissions]).toEqual([undefined, undefined]);
});

describe('what is taken away is refused by the service as soon as its feed says so, and is in no new token', () => {
  test('a role that is removed', async () => {
    const id = await assign(user(), 'manager');
    const [own, byAgent] = [await ownToken(), await exchanged()];
    for (const token of [own, byAgent]) expect((await accessBy(token)).isPermitted('order:refund')).toBe(true);
    await remove(id);
    for (const token of [own, byAgent]) await refused(token);
    for (const token of [await ownToken(), await exchanged()]) {
      expect((await accessBy(token)).isPermitted('order:refund')).toBe(false);
    }
  });

  test('a role that an operator revokes as the grant that it is', async () => {
    const id = await assign(user(), 'manager');
    const token = await ownToken();
    await verifier.verify(token);
    const revoke = 'monoauth.revocation.v1.RevocationService/Revoke';
    const { revocation } = await call(scene, revoke, { target: { grantId: id }, reason: 'a mistake' });
    expect(revocation).toMatchObject({ casualties: [{ kind: 'role_assignment', count: '1' }] });
    await refused(token);
    expect((await accessBy(await ownToken())).isPermitted('order:refund')).toBe(false);
  });

  test('a permission that a role has no more', async () => {
    await assign(user(), 'manager');
    const token = await ownToken();
    expect((await accessBy(token)).isPermitted('order:refund')).toBe(true);
    await register(clerk, { ...manager, permissions: ['order:read'] });
    await refused(token);
    expect((await accessBy(await ownToken())).isPermitted('order:refund')).toBe(false);
    await register(clerk, manager);
  });

  test('acting unbounded, by the first role that the agent is given', async () => {
    const [before, own] = [await exchanged(), await ownToken()];
    expect((await accessBy(before)).isPermitted('order:refund')).toBe(true);
    const id = await assign(agent(), 'clerk');
    await refused(before);
    await verifier.verify(own);
    const after = await accessBy(await exchanged());
    expect([after.roles, after.isPermitted('order:read'), after.isPermitted('order:refund')]).toEqual([
      ['clerk'],
      true,
      false,
    ]);
    await remove(id);
    expect((await accessBy(await exchanged())).permissions).toEqual([]);
  });
});

test('what is made of a token for a product is never more than that token, whatever its subject has been given since', async () => {
  const scope = orderScopes.join(' ');
  const before = await scene.owner.token({ audience: relay.resource, scope });
  await register(clerk, manager, { name: 'auditor', permissions: ['order:audit'] });
  await assign(user(), 'auditor');
  const since = await scene.owner.token({ audience: relay.resource, scope });
  // The other service of the product, to which it was sent, goes on with it to the first.
  const madeOf = async (subject: string) => {
    const token = tokenOf(await relay.client.exchange({ subject }, { audience: scene.resource }));
    return (await accessBy(token)).isPermitted('order:audit');
  };
  expect([await madeOf(before), await madeOf(since)]).toEqual([false, true]);
});

test('the evidence of a token says which roles it told of', async () => {
  const { jti } = decodeJwt(await ownToken());
  const explained = await call(scene, 'monoauth.tokens.v1.TokenService/Explain', { jti: jti as string });
  expect(JSON.stringify(explained)).toContain('gra_');
  const [row] = await db.admin<{ envelope: Uint8Array }>(
    `select envelope from mono.audit_events where object_kind = 'token' and object_id = $1`,
    [jti],
  );
  expect(Buffer.from(row?.envelope ?? []).toString()).toContain('orders: auditor clerk manager');
});
