import type { JsonObject } from '@bufbuild/protobuf';
import { type ControlPlane, createControlPlane } from '@mono-auth/control-plane';
import { uuidOf } from '@mono-auth/core/ids';
import { systemRuntime } from '@mono-auth/core/runtime';
import { Database, deriveDatabaseSecrets } from '@mono-auth/database';
import { createGateway } from '@mono-auth/gateway';
import { openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { decodeJwt } from 'jose';
import pino from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Installation, openInstallation } from './installation.ts';
import type { PlainClient } from './plain-client.ts';
import { openStatementCounter, type StatementCounter } from './statement-counter.ts';
import { openTenantScene, type TenantScene } from './tenant-scene.ts';

/*
 * Tokens are made by what a process remembers, and never by what is no longer true. Everything is changed at one control
 * plane and asked of another one, which nobody tells anything and whose statements are counted on the wire.
 */

const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const exchangeGrant = 'urn:ietf:params:oauth:grant-type:token-exchange';
const accessToken = 'urn:ietf:params:oauth:token-type:access_token';
const log = pino({ level: 'silent' });

let db: TestDatabase;
let first: Installation;
let counter: StatementCounter;
let minterDatabase: Database;
let minter: ControlPlane;
let ask: (request: Request) => Promise<Response>;
let scene: TenantScene;

beforeAll(async () => {
  db = await openTestDatabase();
  first = await openInstallation(db.database, testKek);
  counter = await openStatementCounter(db.url);
  minterDatabase = new Database({ url: counter.url, secrets: deriveDatabaseSecrets(testKek), poolSize: 2 });
  const { baseUrl } = first;
  minter = await createControlPlane({ database: minterDatabase, runtime: systemRuntime, kek: testKek, baseUrl, log });
  const gateway = createGateway({
    ...{ runtime: systemRuntime, baseUrl, forward: minter.fetch, onRefusal: () => {} },
    find: minter.tenants.find,
  });
  ask = async (request) => gateway.fetch(request, { ip: '' });
});
let tenants = 0;
beforeEach(async () => {
  scene = await openTenantScene(first, `hot-${++tenants}`);
});
afterAll(async () => {
  await minter?.close();
  await minterDatabase?.close();
  await counter?.close();
  await first?.close();
  await db?.close();
});

interface Answer {
  readonly status: number;
  readonly body: JsonObject;
}

async function ownToken(client: PlainClient, form: Record<string, string> = {}): Promise<Answer> {
  const assertion = { client_assertion_type: assertionType, client_assertion: await client.assertion() };
  const body = new URLSearchParams({ grant_type: 'client_credentials', ...assertion, ...form });
  const response = await ask(new Request(`${scene.issuer}/oauth2/token`, { method: 'POST', body }));
  return { status: response.status, body: (await response.json()) as JsonObject };
}

/** The agent's token for the owner, whose own token and the agent's come from elsewhere. */
async function exchanger(): Promise<() => Promise<Answer>> {
  const subject_token = await scene.owner.token({ audience: scene.issuer, scope: 'orders:read' });
  const { body } = await scene.host.client.clientCredentials({ agent: scene.handles.agent });
  const form = {
    ...{ grant_type: exchangeGrant, subject_token, subject_token_type: accessToken, resource: scene.resource },
    ...{ actor_token: String(body.access_token), actor_token_type: accessToken },
  };
  return () => ownToken(scene.host.client, form);
}

/** The same where the audience is of a product that has given both a role. */
async function exchangerWithRoles(): Promise<() => Promise<Answer>> {
  const policy = 'policy.v1.PolicyService';
  const roles = [{ name: 'clerk', permissions: ['order:read'] }];
  await change(`${policy}/RegisterProduct`, { name: 'orders', roles, resources: [scene.resource] });
  for (const principal of [`user:${scene.handles.user}`, `agent:${scene.handles.agent}`]) {
    await change(`${policy}/AssignRole`, { product: 'orders', role: 'clerk', principal });
  }
  const mint = await exchanger();
  const { body } = await mint();
  expect(decodeJwt(String(body.access_token))).toMatchObject({ permissions: { orders: ['order:read'] } });
  return mint;
}

async function change(method: string, message: JsonObject): Promise<void> {
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${scene.ownerToken}` };
  const url = `${scene.issuer}/rpc/monoauth.${method}`;
  const answer = await fetch(url, { method: 'POST', headers, body: JSON.stringify(message) });
  expect(answer.status, await answer.text()).toBe(200);
}

describe('a token that is made from memory', () => {
  test.each<[string, () => Promise<() => Promise<Answer>>]>([
    ['for a client itself', async () => () => ownToken(scene.service)],
    ['by an exchange', exchanger],
    ['by an exchange for a product in which both have roles', exchangerWithRoles],
  ])('%s costs one statement, and its evidence is there before it', async (_, prepare) => {
    const mint = await prepare();
    // What is asked for the first time is read; when a secret or a document was used last is noted afterwards.
    for (let i = 0; i < 3; i++) expect((await mint()).status).toBe(200);
    counter.reset();
    const answers: Answer[] = [];
    for (let i = 0; i < 20; i++) answers.push(await mint());
    expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(200));
    expect([...counter.statements]).toEqual(Array(20).fill('execute'));
    for (const { body } of answers) {
      const { jti } = decodeJwt(String(body.access_token));
      const rows = await db.admin(`select id from mono.audit_events where object_kind = 'token' and object_id = $1`, [
        jti,
      ]);
      expect(rows).toHaveLength(1);
    }
  });
});

describe('what is taken away at one control plane is gone at the next token of another', () => {
  test.each<[string, () => Promise<unknown>]>([
    [
      'the host',
      () => change('revocation.v1.RevocationService/Revoke', { target: { hostId: scene.handles.host }, reason: 'x' }),
    ],
    [
      'the agent',
      () => change('revocation.v1.RevocationService/Revoke', { target: { agentId: scene.handles.agent }, reason: 'x' }),
    ],
    [
      'the person',
      () => change('revocation.v1.RevocationService/Revoke', { target: { userId: scene.handles.user }, reason: 'x' }),
    ],
    [
      'the session',
      () =>
        change('revocation.v1.RevocationService/Revoke', { target: { sessionId: scene.handles.session }, reason: 'x' }),
    ],
    [
      'a key that somebody has stolen',
      () =>
        change('tenants.v1.TenantService/RotateSigningKey', {
          ...{ purpose: 'KEY_PURPOSE_TOKEN', mode: 'ROTATION_MODE_COMPROMISED', reason: 'x' },
        }),
    ],
  ])('%s', async (_, take) => {
    const mint = await exchanger();
    for (let i = 0; i < 3; i++) expect((await mint()).status).toBe(200);
    await take();
    expect((await mint()).status).not.toBe(200);
  });

  test('a role', async () => {
    const mint = await exchangerWithRoles();
    const told = async () => decodeJwt(String((await mint()).body.access_token)).permissions;
    expect(await told()).toEqual({ orders: ['order:read'] });
    await change('policy.v1.PolicyService/RegisterProduct', {
      ...{ name: 'orders', roles: [{ name: 'clerk', permissions: [] }], resources: [scene.resource], basedOn: '1' },
    });
    expect(await told()).toEqual({ orders: [] });
  });

  test('the client', async () => {
    expect((await ownToken(scene.service)).status).toBe(200);
    await change('clients.v1.ClientService/SuspendClient', { id: scene.handles.client, reason: 'x' });
    expect((await ownToken(scene.service)).body).toMatchObject({ error: 'invalid_client' });
    await change('clients.v1.ClientService/ResumeClient', { id: scene.handles.client });
    expect((await ownToken(scene.service)).status).toBe(200);
  });
});

test('while the log cannot be written there is no token, and afterwards there is one, once', async () => {
  expect((await ownToken(scene.service)).status).toBe(200);
  const count = async () => {
    const ours = `select id from mono.audit_events where tenant_id = $1 and type = 'token.issued'`;
    return (await db.admin(ours, [uuidOf(scene.tenantId)])).length;
  };
  const before = await count();
  await db.admin('revoke insert on mono.audit_events from mono_audit_writer');
  try {
    const refused = await Promise.all(Array.from({ length: 10 }, () => ownToken(scene.service)));
    for (const { status, body } of refused) {
      expect(status).toBe(503);
      expect(JSON.stringify(body)).not.toContain('access_token');
    }
  } finally {
    await db.admin('grant insert on mono.audit_events to mono_audit_writer');
  }
  expect(await count()).toBe(before);
  expect((await ownToken(scene.service)).status).toBe(200);
  expect(await count()).toBe(before + 1);
});
