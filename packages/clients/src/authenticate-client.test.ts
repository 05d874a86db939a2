import { Refusal } from '@mono-auth/core/errors';
import { newId, type TenantId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import { sweepConsumed } from '@mono-auth/database';
import { FakeRuntime, openTestDatabase, type TestDatabase } from '@mono-auth/testing';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { authenticateClient } from './authenticate-client.ts';
import type { ClientAuthentication } from './authentication/credentials.ts';
import { RemoteKeys } from './authentication/remote-keys.ts';
import type { Client } from './client.ts';
import { createClient } from './create-client.ts';

const baseUrl = 'https://id.example.com';
const issuer = `${baseUrl}/t/one`;
const runtime = new FakeRuntime();
const deps = {
  runtime,
  issuer,
  remoteKeys: new RemoteKeys(runtime, { allowLoopback: false }),
  noteSecretUse: async () => {},
};
const nowSeconds = () => Math.floor(runtime.nowMs() / 1000);
let db: TestDatabase;
let tenantId: TenantId;
let otherId: TenantId;
const keys = await generateKeyPair('ES256', { extractable: true });
const strangerKeys = await generateKeyPair('ES256', { extractable: true });
let client: Client;
let stranger: Client;

async function makeClient(tenant: TenantId, name: string, kid: string, publicKey: CryptoKey): Promise<Client> {
  const jwks = { keys: [{ ...(await exportJWK(publicKey)), kid }] };
  const input = {
    kind: 'machine',
    name,
    scopes: ['orders:read'],
    audiences: [],
    jwks,
    approve: true,
    baseUrl,
  } as const;
  return (await db.database.forTenant(tenant, (tx) => createClient(tx, callIn(tenant), input))).client;
}

function callIn(tenant: TenantId): Call {
  const requestId = newId(runtime, 'req');
  const caller = { principal: 'system:platform', tenantId: tenant, tenantSlug: 'x', requestId, ip: '' } as const;
  const none = { tenantRole: undefined, tokenId: undefined, sessionId: undefined, clientId: undefined, act: undefined };
  return { runtime, caller: { ...caller, ...none, scope: new Set(['clients:approve']) } };
}

beforeAll(async () => {
  db = await openTestDatabase();
  tenantId = await db.createTenantRow('one');
  otherId = await db.createTenantRow('two');
  client = await makeClient(tenantId, 'builder', 'k1', keys.publicKey);
  // The same name in another tenant, with a key of its own.
  stranger = await makeClient(otherId, 'builder', 'k2', strangerKeys.publicKey);
});
afterAll(() => db.close());

interface Assertion {
  readonly header?: Record<string, unknown>;
  readonly claims?: Record<string, unknown>;
  readonly key?: CryptoKey | Uint8Array;
}

function assertionOf({ header, claims, key }: Assertion = {}): Promise<string> {
  const all = {
    iss: client.id,
    sub: client.id,
    aud: issuer,
    exp: nowSeconds() + 60,
    iat: nowSeconds(),
    jti: runtime.uuid(),
    ...claims,
  };
  const present = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
  return new SignJWT(present)
    .setProtectedHeader({ alg: 'ES256', kid: 'k1', typ: 'client-authentication+jwt', ...header })
    .sign(key ?? keys.privateKey);
}

const type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
function authenticate(assertion: string, more: ClientAuthentication = {}, tenant = tenantId): Promise<Client> {
  const params = { client_assertion_type: type, client_assertion: assertion, ...more };
  return db.database.forTenant(tenant, (tx) => authenticateClient(tx, deps, params));
}
const refused = (reason: string) => expect.objectContaining({ name: 'Refusal', reason });
const failed = { reason: 'invalid_client', detail: 'client authentication failed' };

test('an assertion by the client’s key for this issuer authenticates it', async () => {
  expect((await authenticate(await assertionOf())).id).toBe(client.id);
  expect((await authenticate(await assertionOf(), { client_id: client.id })).id).toBe(client.id);
  expect((await authenticate(await assertionOf({ claims: { aud: [issuer] } }))).id).toBe(client.id);
  expect((await authenticate(await assertionOf({ header: { typ: undefined } }))).id).toBe(client.id);
  expect((await authenticate(await assertionOf({ header: { typ: 'JWT' } }))).id).toBe(client.id);
});

const wrong: [string, () => Assertion][] = [
  ['aud names another server besides', () => ({ claims: { aud: [issuer, 'https://other.example.com'] } })],
  ['aud is the token endpoint', () => ({ claims: { aud: `${issuer}/oauth2/token` } })],
  ['aud is the issuer with a slash', () => ({ claims: { aud: `${issuer}/` } })],
  ['aud is missing', () => ({ claims: { aud: undefined } })],
  ['it has expired', () => ({ claims: { exp: nowSeconds() - 31 } })],
  ['exp is missing', () => ({ claims: { exp: undefined } })],
  ['exp is hours away', () => ({ claims: { exp: nowSeconds() + 7200 } })],
  ['it is not valid yet', () => ({ claims: { nbf: nowSeconds() + 120 } })],
  ['it was made in the future', () => ({ claims: { iat: nowSeconds() + 120 } })],
  ['iss is not sub', () => ({ claims: { iss: 'https://idp.example.com' } })],
  ['iss is missing', () => ({ claims: { iss: undefined } })],
  ['jti is missing', () => ({ claims: { jti: undefined } })],
  ['jti is empty', () => ({ claims: { jti: '' } })],
  ['sub is no client', () => ({ claims: { sub: 'admin', iss: 'admin' } })],
  ['another key signed it', () => ({ key: strangerKeys.privateKey })],
  ['kid and key are those of another tenant’s client', () => ({ header: { kid: 'k2' }, key: strangerKeys.privateKey })],
  [
    'sub is another tenant’s client',
    () => ({ header: { kid: 'k2' }, key: strangerKeys.privateKey, claims: { iss: stranger.id, sub: stranger.id } }),
  ],
  ['it is a proof, not an assertion', () => ({ header: { typ: 'mono-proof+jwt' } })],
  ['it is an access token', () => ({ header: { typ: 'at+jwt' } })],
];
test.each(wrong)('refused in one wording: %s', async (_name, assertion) => {
  await expect(authenticate(await assertionOf(assertion()))).rejects.toMatchObject(failed);
});

test('a symmetric signature made with the public key, and no signature at all, are refused', async () => {
  const publicJwk = JSON.stringify(await exportJWK(keys.publicKey));
  const confused = await assertionOf({ header: { alg: 'HS256' }, key: new TextEncoder().encode(publicJwk) });
  await expect(authenticate(confused)).rejects.toMatchObject(failed);
  const [, payload] = (await assertionOf()).split('.');
  const none = Buffer.from(JSON.stringify({ alg: 'none', kid: 'k1' })).toString('base64url');
  await expect(authenticate(`${none}.${payload}.`)).rejects.toMatchObject(failed);
  await expect(authenticate(`${none}.${payload}.AA`)).rejects.toMatchObject(failed);
});

test('an assertion works once, however its signature is spelled', async () => {
  const assertion = await assertionOf();
  await authenticate(assertion);
  await expect(authenticate(assertion)).rejects.toMatchObject(failed);
  for (const spelling of [`${assertion}=`, `${assertion} `, mirrored(assertion)]) {
    await expect(authenticate(spelling)).rejects.toMatchObject(failed);
  }
});

/** The other value of an ECDSA signature: (r, n-s) verifies wherever (r, s) does. */
function mirrored(jwt: string): string {
  const [header, payload, signature] = jwt.split('.') as [string, string, string];
  const bytes = Buffer.from(signature, 'base64url');
  const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
  const s = order - BigInt(`0x${bytes.subarray(32).toString('hex')}`);
  bytes.set(Buffer.from(s.toString(16).padStart(64, '0'), 'hex'), 32);
  return `${header}.${payload}.${bytes.toString('base64url')}`;
}

test('the other value of an ECDSA signature is one that verifies: without the jti it would pass as new', async () => {
  expect((await authenticate(mirrored(await assertionOf()))).id).toBe(client.id);
});

test('of twenty parallel uses of one assertion one wins', async () => {
  const assertion = await assertionOf();
  const results = await Promise.allSettled(Array.from({ length: 20 }, () => authenticate(assertion)));
  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  for (const result of results) if (result.status === 'rejected') expect(result.reason).toMatchObject(failed);
});

test('the same jti of another client is another assertion', async () => {
  const second = await makeClient(tenantId, 'second', 'k1', keys.publicKey);
  const jti = runtime.uuid();
  await authenticate(await assertionOf({ claims: { jti } }));
  const claims = { jti, iss: second.id, sub: second.id };
  expect((await authenticate(await assertionOf({ claims }))).id).toBe(second.id);
});

test('a client of one tenant is none in another', async () => {
  await expect(authenticate(await assertionOf(), {}, otherId)).rejects.toMatchObject(failed);
});

test('a suspended or retired client is refused', async () => {
  const other = await makeClient(tenantId, 'sleeper', 'k1', keys.publicKey);
  for (const status of ['suspended', 'retired']) {
    await db.admin(`update mono.clients set status = $1 where name = 'sleeper'`, [status]);
    const claims = { iss: other.id, sub: other.id };
    await expect(authenticate(await assertionOf({ claims }))).rejects.toMatchObject(failed);
  }
});

test('one method at a time; a client_id that is another; no assertion; another kind of assertion', async () => {
  const assertion = await assertionOf();
  await expect(authenticate(assertion, { client_secret: 'x' })).rejects.toEqual(refused('invalid_request'));
  await expect(authenticate(assertion, { authorization: 'Basic eDp5' })).rejects.toEqual(refused('invalid_request'));
  await expect(authenticate(assertion, { client_id: stranger.id })).rejects.toMatchObject(failed);
  await expect(authenticate('')).rejects.toMatchObject(failed);
  await expect(authenticate(assertion, { client_assertion_type: `${type}x` })).rejects.toMatchObject(failed);
  // None of these has used it up.
  expect((await authenticate(assertion)).id).toBe(client.id);
});

test('what a refused grant rolls back, it does not use up; what was used is forgotten only after it expired', async () => {
  const assertion = await assertionOf();
  const params = { client_assertion_type: type, client_assertion: assertion };
  const work = db.database.forTenant(tenantId, async (tx) => {
    await authenticateClient(tx, deps, params);
    throw new Refusal('invalid_scope', 'no');
  });
  await expect(work).rejects.toEqual(refused('invalid_scope'));
  await authenticate(assertion);
  const count = async () => (await db.admin('select digest from mono.consumed')).length;
  const before = await count();
  runtime.advance(40_000);
  await sweepConsumed({ database: db.database, runtime });
  expect(await count()).toBe(before);
  runtime.advance(400_000);
  await sweepConsumed({ database: db.database, runtime });
  expect(await count()).toBe(0);
});

test('in a decision, parallel uses of one assertion have one winner, and who lost is refused before any answer', async () => {
  const assertion = await assertionOf();
  const params = { client_assertion_type: type, client_assertion: assertion };
  const outcomes = await Promise.allSettled(
    Array.from({ length: 20 }, () => db.database.forDecision(tenantId, (tx) => authenticateClient(tx, deps, params))),
  );
  expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  for (const outcome of outcomes) {
    if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject(failed);
  }
});
