import type { JsonObject } from '@bufbuild/protobuf';
import { openTestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  askingForIdJag,
  type FederationScene,
  link,
  openFederation,
  redeeming,
  signInAtIdp,
} from './federation-scene.ts';
import { ask, send } from './negative/ask.ts';
import { authenticated } from './negative/lab.ts';
import { type OAuthScene, ordersApi } from './oauth-scene.ts';

/* Trust across domains is ended like anything else: by a revocation of its handle, with a preview and a receipt. */

const revocation = 'revocation.v1.RevocationService';
let scene: FederationScene;
let idToken: string;

beforeAll(async () => {
  scene = await openFederation(await openTestDatabase(), testKek);
  idToken = (await signInAtIdp(scene)).id_token;
});
afterAll(() => scene?.home.close());

const preview = (at: OAuthScene, grantId: string) => at.rpc(`${revocation}/Preview`, { target: { grantId } });
const revoke = (at: OAuthScene, grantId: string) =>
  at.rpc(`${revocation}/Revoke`, { target: { grantId }, reason: 'told by the test' });
const eventsOf = async (at: OAuthScene, type: string, id: string) => {
  const { events = [] } = await at.rpc('audit.v1.AuditService/ListEvents', { type });
  return (events as JsonObject[]).filter(({ event }) => JSON.stringify(event).includes(id));
};

async function idJag(): Promise<string> {
  return String((await send(askingForIdJag(scene, idToken))).body.access_token);
}

async function redeem(assertion: string): Promise<string> {
  const { body, text } = await send(redeeming(scene, assertion));
  if (typeof body.access_token !== 'string') throw new Error(`no token: ${text}`);
  return body.access_token;
}

async function isActive(token: string): Promise<boolean> {
  const request = ask(scene.home.issuer, '/oauth2/introspect', { token });
  return (await send(authenticated(request, scene.client))).body.active === true;
}

test('another tenant’s trust is not found, like one that never was, and nothing happens to it', async () => {
  const { home, idp, issuerId, subjectId, serverId } = scene;
  for (const call of [preview, revoke]) {
    for (const id of [issuerId, subjectId]) await expect(call(idp, id)).rejects.toThrow(/404.*grant/);
    await expect(call(home, serverId)).rejects.toThrow(/404.*grant/);
  }
  expect(await isActive(await redeem(await idJag()))).toBe(true);
});

test('a link that is revoked ends what was issued for its subject, which is nobody then', async () => {
  const { home, issuerId, subjectId, subjectAtIdp, subjectAtHome } = scene;
  const assertion = await idJag();
  const token = await redeem(assertion);
  const casualties = [{ kind: 'federated_subject', count: '1' }];
  expect(await preview(home, subjectId)).toEqual({ casualties });
  expect(await isActive(token)).toBe(true);
  const answer = await revoke(home, subjectId);
  expect(answer).toMatchObject({
    revocation: { target: { grantId: subjectId }, casualties },
    receipt: { revocationId: (answer.revocation as JsonObject).id },
  });
  expect(await isActive(token)).toBe(false);
  expect((await send(redeeming(scene, assertion))).body.error).toBe('invalid_grant');
  expect(await eventsOf(home, 'subject.unlinked', subjectId)).toHaveLength(1);
  // A second one finds nothing left to end.
  expect(await preview(home, subjectId)).toEqual({});
  expect((await revoke(home, subjectId)).revocation).not.toHaveProperty('casualties');
  const userId = subjectAtHome.slice('user:'.length);
  scene = { ...scene, subjectId: await link(home, { issuerId, subject: subjectAtIdp, userId }) };
  expect(await isActive(await redeem(assertion))).toBe(true);
});

test('an issuer that is trusted for less ends what was issued before; what still counts makes new tokens', async () => {
  const { home, idp, issuerId } = scene;
  const assertion = await idJag();
  const [token, bounds] = [await redeem(assertion), { name: 'a neighbour', jwksUri: `${idp.issuer}/jwks` }];
  const more = ['ASSERTION_PURPOSE_ID_JAG', 'ASSERTION_PURPOSE_WORKLOAD', 'ASSERTION_PURPOSE_IDENTITY_CHAINING'];
  const update = (version: string, purposes: string[], scopes: string[]) =>
    home.rpc('federation.v1.FederationService/UpdateIssuer', {
      ...{ id: issuerId, version, ...bounds, purposes, scopes, audiences: [ordersApi] },
    });
  const [read, write] = ['orders:read', 'orders:write'];
  expect(await update('1', more, [read, write, 'orders:list'])).toMatchObject({ issuer: { version: '2' } });
  expect(await isActive(token)).toBe(true);
  await update('2', more, [read, write]);
  expect(await isActive(token)).toBe(false);
  expect(await isActive(await redeem(assertion))).toBe(true);
  await update('3', ['ASSERTION_PURPOSE_WORKLOAD'], [read, write]);
  expect((await send(redeeming(scene, assertion))).body.error).toBe('invalid_grant');
  await expect(update('3', more, [read, write])).rejects.toThrow(/409.*version 4/);
  await update('4', more, [read]);
  expect(await isActive(await redeem(assertion))).toBe(true);
  expect(await eventsOf(home, 'issuer.updated', issuerId)).toHaveLength(4);
});

test('an issuer that is revoked is removed with its links, and what was issued from its assertions ends', async () => {
  const { home, issuerId } = scene;
  const assertion = await idJag();
  const token = await redeem(assertion);
  const casualties = [
    { kind: 'trusted_issuer', count: '1' },
    { kind: 'federated_subject', count: '1' },
  ];
  expect(await preview(home, issuerId)).toEqual({ casualties });
  expect(await revoke(home, issuerId)).toMatchObject({ revocation: { casualties } });
  expect(await isActive(token)).toBe(false);
  expect((await send(redeeming(scene, assertion))).body.error).toBe('invalid_grant');
  expect(await home.rpc('federation.v1.FederationService/ListIssuers', {})).toEqual({});
  expect(await eventsOf(home, 'issuer.removed', issuerId)).toHaveLength(1);
});

test('the trust in another server that is revoked gives nobody an assertion for it any more', async () => {
  const { idp, serverId } = scene;
  const casualties = [{ kind: 'resource_server', count: '1' }];
  expect(await preview(idp, serverId)).toEqual({ casualties });
  expect(await revoke(idp, serverId)).toMatchObject({ revocation: { casualties } });
  expect((await send(askingForIdJag(scene, idToken))).body.error).toBe('invalid_target');
  expect(await eventsOf(idp, 'resource_server.removed', serverId)).toHaveLength(1);
});
