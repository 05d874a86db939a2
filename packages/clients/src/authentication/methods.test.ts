import { createHash } from 'node:crypto';
import { newId, type TenantId, uuidOf } from '@mono-auth/core/ids';
import { systemCaller } from '@mono-auth/tenants';
import { FakeRuntime, openTestDatabase, type TestDatabase } from '@mono-auth/testing';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { authenticateClient } from '../authenticate-client.ts';
import type { Client } from '../client.ts';
import { createClient } from '../create-client.ts';
import type { AttestedMethod, AuthMethod } from '../manifest.ts';
import type { ClientAuthentication } from './credentials.ts';
import { RemoteKeys } from './remote-keys.ts';

const runtime = new FakeRuntime();
const issuer = 'https://id.example.com/t/one';
const deps = {
  runtime,
  issuer,
  remoteKeys: new RemoteKeys(runtime, { allowLoopback: false }),
  noteSecretUse: async () => {},
};
const failed = { reason: 'invalid_client', detail: 'client authentication failed' };
const externalId = 'https://app.example.com/client.json';
const subjectDn = 'CN=batch,O=Acme\\, Inc.,C=DE';
const dayMs = 86_400_000;
const approving = new Set(['clients:approve']);
const keys = await generateKeyPair('ES256', { extractable: true });
let db: TestDatabase;
let one: TenantId;
let two: TenantId;
const clients = {} as Record<AuthMethod, Client>;

beforeAll(async () => {
  db = await openTestDatabase();
  one = await db.createTenantRow('one');
  two = await db.createTenantRow('two');
  for (const method of [
    'private_key_jwt',
    'client_secret_basic',
    'client_secret_post',
    'tls_client_auth',
    'attest_jwt_client_auth',
    'attest_jwt_client_auth_dpop',
    'none',
  ] as const) {
    clients[method] = await makeClient(one, method);
    if (method.startsWith('client_secret')) await addSecret(clients[method], secretOf(method), dayMs);
  }
});
afterAll(() => db.close());

/** Characters that only survive when both halves are decoded as forms. */
const secretOf = (method: string) => `${method}: +%&=/ü`;

async function makeClient(tenantId: TenantId, authMethod: AuthMethod): Promise<Client> {
  const caller = { ...systemCaller({ id: tenantId, slug: 'x' }, newId(runtime, 'req')), scope: approving };
  const call = { runtime, caller };
  const jwks = { keys: [{ ...(await exportJWK(keys.publicKey)), kid: 'k1' }] };
  const input = {
    kind: 'machine',
    name: authMethod,
    scopes: [],
    audiences: [],
    jwks,
    approve: true,
    baseUrl: issuer,
  } as const;
  const { client } = await db.database.forTenant(tenantId, (tx) => createClient(tx, call, input));
  const manifest = { ...client.manifest, authMethod, tlsSubjectDn: subjectDn };
  await db.admin('update mono.clients set manifest = $1, external_id = $2 where id = $3', [
    JSON.stringify(manifest),
    authMethod === 'none' ? externalId : null,
    uuidOf(client.id),
  ]);
  return client;
}

async function addSecret(client: Client, secret: string, lifeMs: number): Promise<void> {
  await db.admin(
    `insert into mono.client_secrets (tenant_id, id, client_id, digest, created_at, expires_at)
     values ($1, $2, $3, $4, $5, $6)`,
    [
      uuidOf(one),
      runtime.uuid(),
      uuidOf(client.id),
      createHash('sha256').update(secret).digest(),
      new Date(runtime.nowMs()),
      new Date(runtime.nowMs() + lifeMs),
    ],
  );
}

const authenticate = (params: ClientAuthentication, tenantId = one) =>
  db.database.forDecision(tenantId, (tx) => authenticateClient(tx, deps, params));
const formEncode = (text: string) => new URLSearchParams({ '': text }).toString().slice(1);
const basic = (id: string, secret: string, scheme = 'Basic') =>
  `${scheme} ${Buffer.from(`${formEncode(id)}:${formEncode(secret)}`).toString('base64')}`;
const certificate = { subjectDn, thumbprint: 'x' };

async function assertionOf({ id }: Client): Promise<ClientAuthentication> {
  const iat = Math.floor(runtime.nowMs() / 1000);
  const claims = { iss: id, sub: id, aud: issuer, iat, exp: iat + 60, jti: runtime.uuid() };
  return {
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: await new SignJWT(claims).setProtectedHeader({ alg: 'ES256', kid: 'k1' }).sign(keys.privateKey),
  };
}

/** An instance that everybody above vouches for. */
const vouchedFor =
  (method: AttestedMethod) =>
  ({ id }: Client): ClientAuthentication => ({
    instance: { clientName: id, method, prove: async () => {}, useUp: async () => {} },
  });

/** What a client of each method rightly sends. */
const proofs: Record<AuthMethod, (client: Client) => ClientAuthentication | Promise<ClientAuthentication>> = {
  private_key_jwt: assertionOf,
  client_secret_basic: ({ id }) => ({ authorization: basic(id, secretOf('client_secret_basic')) }),
  client_secret_post: ({ id }) => ({ client_id: id, client_secret: secretOf('client_secret_post') }),
  tls_client_auth: ({ id }) => ({ client_id: id, certificate }),
  attest_jwt_client_auth: vouchedFor('attest_jwt_client_auth'),
  attest_jwt_client_auth_dpop: vouchedFor('attest_jwt_client_auth_dpop'),
  none: ({ id }) => ({ client_id: id === clients.none.id ? externalId : id }),
};
const methods = Object.keys(proofs) as AuthMethod[];

describe.each(methods)('a client registered for %s', (method) => {
  test('is authenticated by it, and in its own tenant alone', async () => {
    const client = clients[method];
    expect((await authenticate(await proofs[method](client))).id).toBe(client.id);
    await expect(authenticate(await proofs[method](client), two)).rejects.toMatchObject(failed);
  });

  test('is authenticated by no other method, whatever it proves', async () => {
    const client = clients[method];
    for (const other of methods.filter((name) => name !== method)) {
      if (other.startsWith('client_secret')) await addSecret(client, secretOf(other), dayMs);
      // A name and a certificate are what both of these send: a public client is not refused for having one.
      if (method === 'none' && other === 'tls_client_auth') continue;
      await expect(authenticate(await proofs[other](client)), other).rejects.toMatchObject(failed);
    }
  });

  test.each(['draft', 'submitted', 'suspended', 'retired'])('is refused while it is %s', async (status) => {
    const client = clients[method];
    await db.admin('update mono.clients set status = $1 where id = $2', [status, uuidOf(client.id)]);
    await expect(authenticate(await proofs[method](client))).rejects.toMatchObject(failed);
    await db.admin(`update mono.clients set status = 'approved' where id = $1`, [uuidOf(client.id)]);
    expect((await authenticate(await proofs[method](client))).id).toBe(client.id);
  });
});

describe('client_secret_basic (RFC 6749 §2.3.1)', () => {
  const id = () => clients.client_secret_basic.id;
  const secret = secretOf('client_secret_basic');

  test('the scheme is found whatever its case, and client_id may be there when it is the same', async () => {
    for (const scheme of ['Basic', 'basic', 'BASIC']) {
      expect((await authenticate({ authorization: basic(id(), secret, scheme) })).id).toBe(id());
    }
    expect((await authenticate({ authorization: basic(id(), secret), client_id: id() })).id).toBe(id());
  });

  test.each<[string, () => ClientAuthentication]>([
    ['a wrong secret', () => ({ authorization: basic(id(), `${secret}x`) })],
    ['an empty secret', () => ({ authorization: basic(id(), '') })],
    ['a secret that is not form-urlencoded', () => ({ authorization: `Basic ${btoa(`${id()}:a%zz`)}` })],
    ['no colon', () => ({ authorization: `Basic ${btoa(id())}` })],
    ['no name', () => ({ authorization: basic('', secret) })],
    ['no base64', () => ({ authorization: `Basic ${id()}:x` })],
    ['no UTF-8', () => ({ authorization: `Basic ${Buffer.from([0x61, 0x3a, 0xff]).toString('base64')}` })],
    ['another scheme', () => ({ authorization: `Bearer ${btoa(`${id()}:x`)}` })],
    ['an unknown client', () => ({ authorization: basic(newId(runtime, 'cli'), secret) })],
    ['no client id at all', () => ({ authorization: basic('admin', secret) })],
    ['another client_id beside', () => ({ authorization: basic(id(), secret), client_id: clients.none.id })],
    ['the secret of another client', () => ({ authorization: basic(id(), secretOf('client_secret_post')) })],
  ])('refused in one wording: %s', async (name, params) => {
    if (name === 'the secret of another client')
      await db.admin('delete from mono.client_secrets where client_id = $1 and digest = $2', [
        uuidOf(id()),
        createHash('sha256').update(secretOf('client_secret_post')).digest(),
      ]);
    await expect(authenticate(params())).rejects.toMatchObject(failed);
  });

  test('two secrets live side by side, each until its end', async () => {
    await addSecret(clients.client_secret_basic, 'the next', 60_000);
    expect((await authenticate({ authorization: basic(id(), 'the next') })).id).toBe(id());
    expect((await authenticate({ authorization: basic(id(), secret) })).id).toBe(id());
    runtime.advance(60_000);
    await expect(authenticate({ authorization: basic(id(), 'the next') })).rejects.toMatchObject(failed);
    expect((await authenticate({ authorization: basic(id(), secret) })).id).toBe(id());
  });
});

test('two methods at once are an invalid request, whichever they are', async () => {
  const post = { client_id: clients.client_secret_post.id, client_secret: secretOf('client_secret_post') };
  const header = { authorization: basic(post.client_id, post.client_secret) };
  const assertion = await assertionOf(clients.private_key_jwt);
  const instance = vouchedFor('attest_jwt_client_auth')(clients.attest_jwt_client_auth);
  for (const both of [
    { ...post, ...header },
    { ...post, ...assertion },
    { ...header, ...assertion },
    { ...post, ...instance },
    { ...header, ...instance },
    { ...assertion, ...instance },
  ]) {
    await expect(authenticate(both)).rejects.toMatchObject({ reason: 'invalid_request' });
  }
  expect((await authenticate(assertion)).id).toBe(clients.private_key_jwt.id);
});

test('who names nobody, or a secret without a name, is refused', async () => {
  for (const params of [{}, { client_secret: 'x' }, { client_id: 'x' }, { certificate }]) {
    await expect(authenticate(params)).rejects.toMatchObject(failed);
  }
});

test('a client of a metadata document is called by its URL alone, exactly', async () => {
  expect((await authenticate({ client_id: externalId })).id).toBe(clients.none.id);
  for (const client_id of [`${externalId}/`, externalId.toUpperCase(), 'https://app.example.com/', clients.none.id]) {
    await expect(authenticate({ client_id })).rejects.toMatchObject(failed);
  }
});

describe('tls_client_auth (RFC 8705 §2.1)', () => {
  const shown = (dn: string | undefined) => ({
    client_id: clients.tls_client_auth.id,
    certificate: dn === undefined ? undefined : { subjectDn: dn, thumbprint: 'x' },
  });

  test('the subject is compared as a name, not as a text', async () => {
    for (const dn of [subjectDn, 'cn=batch, o=Acme\\, Inc. ,c=DE']) {
      expect((await authenticate(shown(dn))).id).toBe(clients.tls_client_auth.id);
    }
  });

  test.each([
    undefined,
    '',
    'CN=batch',
    'CN=Batch,O=Acme\\, Inc.,C=DE',
    'C=DE,O=Acme\\, Inc.,CN=batch',
    'CN=batch,O=Acme, Inc.,C=DE',
    'CN=batch,O=Acme\\, Inc.,C=DE,CN=x',
  ])('another subject is refused: %s', async (dn) => {
    await expect(authenticate(shown(dn))).rejects.toMatchObject(failed);
  });
});
