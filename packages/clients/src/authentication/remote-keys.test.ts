import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Refusal } from '@mono-auth/core/errors';
import { newId, type TenantId, uuidOf } from '@mono-auth/core/ids';
import { systemCaller } from '@mono-auth/tenants';
import { FakeRuntime, openTestDatabase, type TestDatabase } from '@mono-auth/testing';
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { authenticateClient } from '../authenticate-client.ts';
import type { Client } from '../client.ts';
import { createClient } from '../create-client.ts';
import { RemoteKeys } from './remote-keys.ts';

const runtime = new FakeRuntime();
const issuer = 'http://localhost/t/one';
const failed = { reason: 'invalid_client', detail: 'client authentication failed' };
let db: TestDatabase;
let tenantId: TenantId;
let client: Client;
let server: Server;
let uri: string;
let remoteKeys: RemoteKeys;
let fetched = 0;
let served: { keys: JWK[] } | string = { keys: [] };

async function makeKey(kid: string) {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
  return { kid, privateKey, jwk: { ...(await exportJWK(publicKey)), kid } as JWK };
}
const [first, next, stranger] = await Promise.all(['k1', 'k2', 'k1'].map(makeKey));
type Key = Awaited<ReturnType<typeof makeKey>>;

beforeAll(async () => {
  server = createServer((_, response) => {
    fetched++;
    response.end(typeof served === 'string' ? served : JSON.stringify(served));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  uri = `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`;
  db = await openTestDatabase();
  tenantId = await db.createTenantRow('one');
  const caller = systemCaller({ id: tenantId, slug: 'one' }, newId(runtime, 'req'));
  const call = { runtime, caller: { ...caller, scope: new Set(['clients:approve']) } };
  const input = {
    kind: 'machine',
    name: 'partner',
    scopes: [],
    audiences: [],
    approve: true,
    baseUrl: issuer,
  } as const;
  // Its own set holds a key as well: with a jwks_uri in force that one counts for nothing.
  const jwks = { keys: [(stranger as Key).jwk] };
  ({ client } = await db.database.forTenant(tenantId, (tx) => createClient(tx, call, { ...input, jwks })));
  const manifest = { ...client.manifest, jwksUri: uri };
  await db.admin('update mono.clients set manifest = $1', [JSON.stringify(manifest)]);
});
beforeEach(() => {
  fetched = 0;
  served = { keys: [(first as Key).jwk] };
  remoteKeys = new RemoteKeys(runtime, { allowLoopback: true });
});
afterAll(async () => {
  server.close();
  await db.close();
});

async function authenticate(key: Key | undefined, kid = key?.kid): Promise<Client> {
  const iat = Math.floor(runtime.nowMs() / 1000);
  const claims = { iss: client.id, sub: client.id, aud: issuer, iat, exp: iat + 60, jti: runtime.uuid() };
  const params = {
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: await new SignJWT(claims)
      .setProtectedHeader({ alg: 'ES256', ...(kid !== undefined && { kid }) })
      .sign((key as Key).privateKey),
  };
  return remoteKeys.withKeys(() =>
    db.database.forDecision(tenantId, (tx) =>
      authenticateClient(tx, { runtime, issuer, remoteKeys, noteSecretUse: async () => {} }, params),
    ),
  );
}

test('a client is authenticated by the keys that it publishes, fetched once and held for a while', async () => {
  const all = await Promise.all(Array.from({ length: 10 }, () => authenticate(first)));
  expect(all.map(({ id }) => id)).toEqual(Array.from({ length: 10 }, () => client.id));
  expect(fetched).toBe(1);
  runtime.advance(299_000);
  await authenticate(first);
  expect(fetched).toBe(1);
  runtime.advance(1_000);
  await authenticate(first);
  expect(fetched).toBe(2);
});

test('a new key is found by its kid, and an invented kid makes no more than one fetch in 30 seconds', async () => {
  await authenticate(first);
  served = { keys: [(first as Key).jwk, (next as Key).jwk] };
  await expect(authenticate(next)).rejects.toMatchObject(failed);
  expect(fetched).toBe(1);
  runtime.advance(30_000);
  expect((await authenticate(next)).id).toBe(client.id);
  expect(fetched).toBe(2);
  for (let i = 0; i < 5; i++) await expect(authenticate(next, `k${i}x`)).rejects.toMatchObject(failed);
  expect(fetched).toBe(2);
});

test('a key that its owner has withdrawn counts no more once the set is read again', async () => {
  await authenticate(first);
  served = { keys: [(next as Key).jwk] };
  runtime.advance(300_000);
  await expect(authenticate(first)).rejects.toMatchObject(failed);
  expect((await authenticate(next)).id).toBe(client.id);
});

test('a key of the same kid that the client does not publish proves nothing', async () => {
  await expect(authenticate(stranger)).rejects.toMatchObject(failed);
});

test.each([
  ['no JSON', 'x'],
  ['no set', '{}'],
  ['no keys', '{"keys":[]}'],
  ['a symmetric key', '{"keys":[{"kty":"oct","k":"AA","kid":"k1"}]}'],
  ['more than 64 KiB', `{"keys":[${' '.repeat(70_000)}]}`],
])('a set that is %s gives no keys, and is not asked for again at once', async (_, text) => {
  served = text;
  await expect(authenticate(first)).rejects.toMatchObject(failed);
  served = { keys: [(first as Key).jwk] };
  await expect(authenticate(first)).rejects.toMatchObject(failed);
  expect(fetched).toBe(1);
  runtime.advance(30_000);
  expect((await authenticate(first)).id).toBe(client.id);
});

test('nothing is fetched for a client that is not there, or has keys of its own', async () => {
  await db.admin(`update mono.clients set manifest = manifest - 'jwksUri' where id = $1`, [uuidOf(client.id)]);
  expect((await authenticate(stranger)).id).toBe(client.id);
  await expect(authenticate(first)).rejects.toMatchObject(failed);
  expect(fetched).toBe(0);
});

test('work that meets two sets that are not there waits for both, and for no third', async () => {
  const unreadable = () => new Refusal('invalid_grant', 'unreadable');
  const read = (id: string) => remoteKeys.publishedKeys({ tenantId, id, uri }, 'k1', unreadable);
  let runs = 0;
  const work = (...ids: string[]) =>
    remoteKeys.withKeys(async () => {
      runs++;
      return ids.map(read);
    });
  expect(await work('one', 'two')).toHaveLength(2);
  expect([runs, fetched]).toEqual([3, 2]);
  await expect(work('three', 'four', 'five')).rejects.toThrow('keys have to be fetched');
  served = 'no keys';
  await expect(work('six')).rejects.toMatchObject({ reason: 'invalid_grant' });
});
