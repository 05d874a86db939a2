import type { JsonObject } from '@bufbuild/protobuf';
import { newId, type TenantId, uuidOf } from '@mono-auth/core/ids';
import { systemRuntime } from '@mono-auth/core/runtime';
import { issuerOf, platformSlug } from '@mono-auth/core/tenant-slug';
import { openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Installation, openInstallation, ownerEmail, ownerPassword } from '../acceptance/installation.ts';
import { makeKey, postRpc } from '../acceptance/plain-client.ts';
import { readRpcs } from '../acceptance/rpc-methods.ts';
import { openTenantScene, orderScopes, type TenantScene } from '../acceptance/tenant-scene.ts';

interface Row {
  readonly method: string;
  /** The field of the answer that is the object. */
  readonly made: string;
  /** The table that then holds one more. */
  readonly table: string;
  /** What identifies the object, in the answer and in the table. Default: `id`. */
  readonly id?: string;
  request(): Promise<JsonObject> | JsonObject;
  /** Each makes the request another one. */
  others(): Promise<JsonObject[]> | JsonObject[];
}

let db: TestDatabase;
let installation: Installation;
let scene: TenantScene;
let operatorToken: string;

beforeAll(async () => {
  db = await openTestDatabase();
  installation = await openInstallation(db.database, testKek);
  scene = await openTenantScene(installation, 'alpha');
  operatorToken = await (await installation.signIn(platformSlug)).token();
});
afterAll(async () => {
  await installation?.close();
  await db?.close();
});

const jwksOf = async () => ({ keys: [(await makeKey()).publicJwk as JsonObject] });
const token = () => newId(systemRuntime, 'tok');

/** Hours from when this file was read. */
const startedAtMs = systemRuntime.nowMs();
const later = (hours: number) => new Date(startedAtMs + hours * 3_600_000).toISOString();

const rows: readonly Row[] = [
  {
    method: 'monoauth.tenants.v1.TenantService/ProvisionTenant',
    ...{ made: 'tenant', table: 'tenants' },
    request: () => ({ slug: 'once', displayName: 'Once', ownerEmail, ownerPassword }),
    others: () => [{ slug: 'twice' }, { displayName: 'Twice' }, { ownerEmail: 'somebody@example.test' }],
  },
  {
    method: 'monoauth.tenants.v1.TenantService/RotateSigningKey',
    ...{ made: 'rotation', table: 'key_rotations' },
    request: () => ({ purpose: 'KEY_PURPOSE_INVITE', mode: 'ROTATION_MODE_PLANNED', reason: 'once' }),
    others: () => [
      { reason: 'twice' },
      { alg: 'ES256' },
      { purpose: 'KEY_PURPOSE_TOKEN' },
      { mode: 'ROTATION_MODE_COMPROMISED' },
    ],
  },
  {
    method: 'monoauth.clients.v1.ClientService/CreateClient',
    ...{ made: 'client', table: 'clients' },
    request: async () => ({
      ...{ kind: 'CLIENT_KIND_SERVICE', name: 'once', scopes: orderScopes, audiences: [scene.resource] },
      ...{ resource: 'https://once.example', jwks: await jwksOf() },
    }),
    others: async () => [
      { name: 'twice' },
      { scopes: [] },
      { audiences: [] },
      { resource: 'https://twice.example' },
      { jwks: await jwksOf() },
      { kind: 'CLIENT_KIND_MACHINE', resource: '' },
      { environment: 'ENVIRONMENT_STAGING' },
      { product: 'shop' },
      { ownerUserId: scene.handles.user },
      { submit: true },
    ],
  },
  {
    method: 'monoauth.clients.v1.ClientService/RotateSecret',
    ...{ made: 'secret', table: 'client_secrets' },
    request: () => ({ id: scene.handles.app }),
    others: () => [{ overlapSeconds: 60 }, { ttlSeconds: 3_600 }],
  },
  {
    method: 'monoauth.clients.v1.ClientService/CreateResource',
    ...{ made: 'resource', table: 'resources', id: 'identifier' },
    request: () => ({ identifier: 'https://api.once.example', name: 'once' }),
    others: () => [
      { identifier: 'https://api.twice.example' },
      { name: 'twice' },
      { environment: 'ENVIRONMENT_STAGING' },
      { scopes: ['orders:read'] },
      { accessTokenTtlSeconds: 60 },
      { dpopRequired: true },
      { isDefault: true },
    ],
  },
  {
    method: 'monoauth.clients.v1.ClientService/CreateRegistrationToken',
    ...{ made: 'registrationToken', table: 'registration_tokens' },
    request: () => ({ label: 'once' }),
    others: () => [{ label: 'twice' }, { ttlSeconds: 60 }, { environment: 'ENVIRONMENT_STAGING' }],
  },
  {
    method: 'monoauth.federation.v1.FederationService/TrustIssuer',
    ...{ made: 'issuer', table: 'trusted_issuers' },
    request: () => ({
      ...{ issuer: 'https://once.example', name: 'once', purposes: ['ASSERTION_PURPOSE_ID_JAG'] },
      ...{ jwksUri: 'https://once.example/keys', scopes: orderScopes, audiences: [scene.resource] },
    }),
    others: () => [
      { issuer: 'https://twice.example' },
      { name: 'twice' },
      { purposes: ['ASSERTION_PURPOSE_WORKLOAD'] },
      { jwksUri: 'https://twice.example/keys' },
      { clientIds: [scene.handles.app] },
      { scopes: ['orders:read'] },
      { audiences: ['https://twice.example'] },
      { assertionTtlSecondsMax: 60 },
      { oneTime: true },
      { multiTenant: true },
      { acrValues: ['urn:mfa'] },
      { maxAgeSeconds: 60 },
    ],
  },
  {
    method: 'monoauth.federation.v1.FederationService/LinkSubject',
    ...{ made: 'subject', table: 'federated_subjects' },
    request: () => ({ issuerId: scene.handles.trustedIssuer, subject: 'once', agentId: scene.handles.agent }),
    others: () => [{ subject: 'twice' }],
  },
  {
    method: 'monoauth.federation.v1.FederationService/TrustResourceServer',
    ...{ made: 'resourceServer', table: 'resource_server_trusts' },
    request: () => ({
      ...{ issuer: 'https://once.example', name: 'once', clientId: scene.handles.app, remoteClientId: 'there' },
      ...{ profile: 'ASSERTION_PROFILE_ID_JAG', resources: ['https://api.once.example'], scopes: orderScopes },
    }),
    others: () => [
      { issuer: 'https://twice.example' },
      { name: 'twice' },
      { clientId: scene.handles.client },
      { remoteClientId: 'elsewhere' },
      { profile: 'ASSERTION_PROFILE_ENTERPRISE_MANAGED' },
      { resources: [] },
      { scopes: [] },
    ],
  },
  {
    method: 'monoauth.machines.v1.MachineService/CreateInvite',
    ...{ made: 'invite', table: 'invites' },
    request: () => ({ hostName: 'once', scopes: orderScopes, audiences: [scene.resource] }),
    others: () => [{ hostName: 'twice' }, { scopes: [] }, { audiences: [] }, { ttlSeconds: 60 }],
  },
  {
    method: 'monoauth.machines.v1.MachineService/CreateAgent',
    ...{ made: 'agent', table: 'agents' },
    request: () => ({ hostId: scene.handles.host, name: 'once', scopes: orderScopes }),
    others: () => [{ name: 'twice' }, { scopes: [] }],
  },
  {
    method: 'monoauth.delegation.v1.DelegationService/AllowAgent',
    ...{ made: 'consent', table: 'agent_consents' },
    request: async () => {
      const agent = { hostId: scene.handles.host, name: 'allowed once' };
      const { body } = await postRpc(
        scene.issuer,
        'monoauth.machines.v1.MachineService/CreateAgent',
        agent,
        scene.ownerToken,
      );
      return { agentId: (body.agent as JsonObject).id as string, scopes: ['orders:read'], expiresAt: later(1) };
    },
    others: () => [
      { agentId: scene.handles.agent },
      { scopes: orderScopes },
      { audiences: [scene.resource] },
      { expiresAt: later(2) },
    ],
  },
  {
    method: 'monoauth.policy.v1.PolicyService/RegisterProduct',
    ...{ made: 'product', table: 'products', id: 'name' },
    request: () => ({
      name: 'once',
      roles: [{ name: 'editor', permissions: ['doc:write'] }],
      resources: [scene.resource],
    }),
    others: () => [
      { name: 'twice' },
      { displayName: 'Twice' },
      { roles: [{ name: 'editor', permissions: ['doc:read'] }] },
      { resources: [] },
      { basedOn: '1' },
    ],
  },
  {
    method: 'monoauth.policy.v1.PolicyService/AssignRole',
    ...{ made: 'assignment', table: 'role_assignments' },
    request: () => ({ product: scene.handles.product, role: 'clerk', principal: `agent:${scene.handles.agent}` }),
    others: () => [
      { product: 'once' },
      { role: 'auditor' },
      { principal: `user:${scene.handles.user}` },
      { resource: 'order/1' },
      { expiresAt: later(1) },
    ],
  },
  {
    method: 'monoauth.revocation.v1.RevocationService/Revoke',
    ...{ made: 'revocation', table: 'revocations' },
    request: () => ({ target: { tokenId: token() }, reason: 'once' }),
    others: () => [{ target: { tokenId: token() } }, { target: { hostId: scene.handles.host } }, { reason: 'twice' }],
  },
];

test('every RPC that takes an idempotency key has a row', async () => {
  const taking = (await readRpcs()).filter(({ method }) => method.input.field.idempotencyKey);
  expect(rows.map(({ method }) => method).sort()).toEqual(taking.map(({ name }) => name).sort());
});

describe.each(rows.map((row) => [row.method, row] as const))(
  '%s',
  (method, { made, table, id = 'id', request, others }) => {
    const idempotencyKey = 'the key of this test';
    let asked: JsonObject;

    function send(message: JsonObject) {
      const platform = method.includes('TenantService');
      const issuer = platform ? issuerOf(installation.baseUrl, platformSlug) : scene.issuer;
      return postRpc(issuer, method, message, platform ? operatorToken : scene.ownerToken);
    }
    const idOf = (body: JsonObject) => (body[made] as JsonObject | undefined)?.[id];
    const count = async () => (await db.admin(`select ${id} from mono.${table}`)).length;
    const events = async () => (await db.admin('select id from mono.audit_events')).length;

    beforeAll(async () => {
      asked = { ...(await request()), idempotencyKey };
    });

    test('the same key and request make one object, however often and at the same time', async () => {
      const before = await count();
      const answers = await Promise.all(Array.from({ length: 4 }, () => send(asked)));
      answers.push(await send(asked));
      expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
      expect(new Set(answers.map(({ body }) => idOf(body))).size).toBe(1);
      expect(await count()).toBe(before + 1);
      const evidence = await events();
      await send(asked);
      expect(await events()).toBe(evidence);
    });

    test('the same key with another request is refused, and changes nothing', async () => {
      const before = await count();
      for (const other of await others()) {
        const { status, body } = await send({ ...asked, ...other });
        expect([status, body.code, body.message], JSON.stringify(other)).toEqual([
          400,
          'invalid_argument',
          expect.stringContaining('idempotency_key'),
        ]);
      }
      expect(await count()).toBe(before);
    });
  },
);

test('a repeated provisioning makes good the evidence that a crash has kept from the operator’s log', async () => {
  const platform = issuerOf(installation.baseUrl, platformSlug);
  const request = { slug: 'cut-off', displayName: 'Cut off', ownerEmail, ownerPassword, idempotencyKey: 'cut-off' };
  const provision = () =>
    postRpc(platform, 'monoauth.tenants.v1.TenantService/ProvisionTenant', request, operatorToken);
  const { id } = (await provision()).body.tenant as { id: string };
  const where = `where type = 'tenant.provisioned' and object_id = $1`;
  const logs = async () => (await db.admin(`select tenant_id from mono.audit_events ${where}`, [id])).length;
  expect(await logs()).toBe(2);
  await db.admin(`delete from mono.audit_events ${where} and tenant_id <> $2`, [id, uuidOf(id as TenantId)]);
  expect(await logs()).toBe(1);
  await Promise.all(Array.from({ length: 3 }, provision));
  expect(await logs()).toBe(2);
});
