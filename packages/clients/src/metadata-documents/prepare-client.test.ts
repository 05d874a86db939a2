import { generateKeyPairSync } from 'node:crypto';
import { newId } from '@mono-auth/core/ids';
import type { RevocationParticipant } from '@mono-auth/revocation';
import { readSecurityPolicy, type SecurityPolicy, type Tenant } from '@mono-auth/tenants';
import { FakeRuntime, openTestDatabase, type TestDatabase } from '@mono-auth/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Client } from '../client.ts';
import { type ClientBench, openClientBench } from '../client-bench.ts';
import { rejectClient } from '../reject-client.ts';
import { createResource } from '../resources/create-resource.ts';
import { retireClient } from '../retire-client.ts';
import { selectClients } from '../store.ts';
import { documentManifest } from './document-manifest.ts';
import { type DocumentServer, openDocumentServer } from './document-server.ts';
import { FetchedDocuments } from './fetched-documents.ts';
import { prepareClient } from './prepare-client.ts';
import { readDocument } from './read-document.ts';
import { settleDocumentClient } from './settle-document-client.ts';

const runtime = new FakeRuntime();
let db: TestDatabase;
let bench: ClientBench;
let site: DocumentServer;
let documents: FetchedDocuments;
let one: Tenant;
let two: Tenant;

beforeAll(async () => {
  db = await openTestDatabase();
  bench = await openClientBench({ ...db, runtime });
  site = await openDocumentServer();
  const tenantOf = (id: Tenant['id'], slug: string): Tenant => ({
    ...{ id, slug, displayName: slug, status: 'active', epoch: 1, incarnation: 1, keyVersion: 1, createdAtMs: 0 },
    issuer: `${bench.baseUrl}/t/${slug}`,
  });
  one = tenantOf(bench.one, 'one');
  two = tenantOf(bench.two, 'two');
});
afterAll(async () => {
  site.close();
  await db.close();
});
beforeEach(() => {
  documents = new FetchedDocuments(runtime, { allowLoopback: true });
});

let paths = 0;
const newPath = () => `/client-${++paths}.json`;
const app = () => ({
  client_name: 'Reader',
  redirect_uris: [`${site.origin}/cb`],
  grant_types: ['authorization_code', 'refresh_token'],
});
const prepare = (clientId: string, tenant = one) =>
  prepareClient({ revocation: bench.revocation, documents }, clientId, {
    tenant,
    requestId: newId(runtime, 'req'),
    ip: '192.0.2.7',
  });
async function find(url: string, tenant = one): Promise<Client | undefined> {
  const all = await db.database.forTenant(tenant.id, (tx) => selectClients(tx, undefined, 500));
  return all.find(({ externalId }) => externalId === url);
}
const setPolicy = (change: Partial<SecurityPolicy>, tenant = one) =>
  db.admin(
    `insert into mono.security_policies (tenant_id, policy, version, updated_at)
     select id, $1::jsonb, 1, created_at from mono.tenants where slug = $2
     on conflict (tenant_id) do update set policy = excluded.policy`,
    [JSON.stringify(change), tenant.slug],
  );
const eventsOf = async (client: Client | undefined) =>
  (await db.admin<{ type: string }>(`select type from mono.audit_events where object_id = $1`, [client?.id])).map(
    ({ type }) => type,
  );
const jwkOf = (kid: string) => ({
  ...generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' }),
  kid,
});

const keyedUrl = 'https://app.example/client.json';
/** What the grants of a client hear of a revocation of it. */
const ended: unknown[] = [];
const grants: RevocationParticipant = {
  kind: 'grant',
  preview: async () => [],
  apply: async (_tx, _call, target) => {
    ended.push(target);
    return [];
  },
};
/** As after a fetch over TLS, which no server on loopback can give. */
function settleKeyed(change: object): Promise<void> {
  const metadata = { ...app(), client_id: keyedUrl, redirect_uris: ['https://app.example/cb'], ...change };
  const document = readDocument(new URL(keyedUrl), JSON.stringify(metadata));
  return db.database.forTenant(one.id, async (tx) => {
    const manifest = await documentManifest(tx, document, await readSecurityPolicy(tx));
    const wanted = { document, manifest, mode: 'allowed' } as const;
    await settleDocumentClient(tx, bench.callIn(one.id), { ...bench.revocation, participants: [grants] }, wanted);
  });
}

describe('the document', () => {
  const faults: [string, (url: string) => object, RegExp][] = [
    ['another client_id', (url) => ({ client_id: `${url}x` }), /client_id/],
    ['a client_id of another spelling', (url) => ({ client_id: url.replace('http', 'HTTP') }), /client_id/],
    ['no client_id', () => ({ client_id: undefined }), /client_id/],
    ['a secret', () => ({ client_secret: 'x' }), /client_secret/],
    ['when a secret expires', () => ({ client_secret_expires_at: 0 }), /client_secret_expires_at/],
    ['client_secret_basic', () => ({ token_endpoint_auth_method: 'client_secret_basic' }), /auth_method/],
    ['client_secret_post', () => ({ token_endpoint_auth_method: 'client_secret_post' }), /auth_method/],
    ['client_secret_jwt', () => ({ token_endpoint_auth_method: 'client_secret_jwt' }), /auth_method/],
    ['a certificate', () => ({ token_endpoint_auth_method: 'tls_client_auth' }), /auth_method/],
    ['no redirect URI', () => ({ redirect_uris: undefined }), /redirect_uris/],
    ['an empty list of them', () => ({ redirect_uris: [] }), /redirect_uris/],
    ['somebody else’s redirect URI', () => ({ redirect_uris: ['https://bank.example/cb'] }), /redirect_uris/],
    ['a scheme of its own', () => ({ redirect_uris: ['com.example.app:/cb'] }), /redirect_uris/],
    ['the implicit flow', () => ({ response_types: ['token'] }), /response_types/],
    ['no code grant', () => ({ grant_types: ['client_credentials'], redirect_uris: undefined }), /grant_types/],
    ['a name that is none', () => ({ client_name: 'a\u0000' }), /client_name/],
    ['a software statement', () => ({ software_statement: 'x' }), /software_statement/],
  ];

  test.each(faults)('with %s makes no client, and is fetched again the next time', async (_what, change, names) => {
    const path = newPath();
    const url = site.serve(path, { ...app(), ...change(`${site.origin}${path}`) });
    const refused = { reason: 'invalid_client', detail: expect.stringMatching(names) };
    await expect(prepare(url)).rejects.toMatchObject(refused);
    await expect(prepare(url)).rejects.toMatchObject(refused);
    expect(await find(url)).toBeUndefined();
    expect(site.asked.filter((asked) => asked === path)).toHaveLength(2);
  });

  const transports: [string, Parameters<DocumentServer['answer']>[1]][] = [
    ['404', (response) => response.writeHead(404).end('{}')],
    ['a redirect', (response) => response.writeHead(302, { location: '/good.json' }).end()],
    ['201', (response) => response.writeHead(201, { 'content-type': 'application/json' }).end('{}')],
    ['more than 5 KiB', (response) => response.writeHead(200).end(`"${'x'.repeat(5 * 1024)}"`)],
    [
      'half an answer',
      (response) => void response.writeHead(200, { 'content-length': '9' }).write('{', () => response.destroy()),
    ],
  ];
  test.each(transports)('that is %s cannot be had, and why is not told', async (_what, answer) => {
    const url = site.answer(newPath(), answer);
    await expect(prepare(url)).rejects.toMatchObject({
      reason: 'invalid_client',
      detail: 'client_id: its metadata document cannot be had',
    });
  });

  test.each(['text/html', 'application/jsonx', 'text/json', ''])('of content type %s is none', async (type) => {
    const url = site.serve(newPath(), app(), { 'content-type': type });
    await expect(prepare(url)).rejects.toMatchObject({ detail: expect.stringContaining('content-type') });
  });

  test('of a type that is built on JSON is one', async () => {
    const url = site.serve(newPath(), app(), { 'content-type': 'application/cimd+json; charset=utf-8' });
    await prepare(url);
    expect((await find(url))?.status).toBe('approved');
  });
});

describe('the URL', () => {
  test('that breaks a rule is nobody’s, and is not asked for', async () => {
    const before = site.asked.length;
    for (const url of [`${site.origin}/a?b`, `${site.origin}/./a`, 'https://app.example', 'http://app.example/x']) {
      await expect(prepare(url)).rejects.toMatchObject({ reason: 'invalid_client' });
    }
    expect(site.asked).toHaveLength(before);
  });

  test('on a special-use address is not asked for, here least of all', async () => {
    const url = site.serve(newPath(), app());
    documents = new FetchedDocuments(runtime, { allowLoopback: false });
    // Not meant as a document at all: an id like any other, which nobody has.
    await prepare(url);
    expect(await find(url)).toBeUndefined();
    for (const address of ['127.0.0.1', '10.0.0.1', '169.254.169.254', '::1', '::ffff:10.0.0.1', 'fd00::1']) {
      documents = new FetchedDocuments(runtime, { allowLoopback: false, resolve: async () => [address] });
      const asked = prepare('https://app.example/client.json');
      await expect(asked).rejects.toMatchObject({ detail: 'client_id: its metadata document cannot be had' });
    }
  });
});

describe('the client', () => {
  test('is a public app of production, approved by the policy with evidence, and never gets the management API', async () => {
    const call = bench.callIn(one.id);
    const identifier = 'https://files.example';
    const resource = {
      identifier,
      name: 'files',
      environment: 'production',
      product: '',
      scopes: ['files:read'],
    } as const;
    await db.database.forTenant(one.id, (tx) =>
      createResource(tx, call, {
        ...{ ...resource, scopes: [...resource.scopes], accessTokenTtlSeconds: 0, dpopRequired: false },
        ...{ isDefault: false, idempotencyKey: undefined, baseUrl: bench.baseUrl },
      }),
    );
    const url = site.serve(newPath(), {
      ...app(),
      client_name: 'Files',
      scope: 'openid files:read clients:manage',
      tos_uri: 'x',
    });
    await prepare(url);
    const client = await find(url);
    expect(client).toMatchObject({
      kind: 'app',
      environment: 'production',
      status: 'approved',
      source: 'metadata_document',
      name: `Files (${new URL(url).host})`,
      approvedBy: 'system:platform',
      manifest: {
        authMethod: 'none',
        scopes: ['openid', 'files:read'],
        audiences: [identifier],
        grantTypes: ['authorization_code', 'refresh_token'],
        redirectUris: [`${site.origin}/cb`],
      },
    });
    expect(await eventsOf(client)).toEqual(['client.created']);
  });

  test('is made once by fifty parallel requests, from one fetch', async () => {
    const path = newPath();
    const url = site.serve(path, app());
    await Promise.all(Array.from({ length: 50 }, () => prepare(url)));
    expect(site.asked.filter((asked) => asked === path)).toHaveLength(1);
    expect(await eventsOf(await find(url))).toEqual(['client.created']);
  });

  test('of one tenant is not one of another, whose policy counts there', async () => {
    const url = site.serve(newPath(), app());
    await prepare(url);
    expect(await find(url, two)).toBeUndefined();
    await setPolicy({ metadataDocumentClients: 'disabled' }, two);
    await expect(prepare(url, two)).rejects.toMatchObject({ reason: 'invalid_client' });
    await setPolicy({}, two);
    await prepare(url, two);
    expect((await find(url, two))?.id).not.toBe((await find(url))?.id);
  });

  test('waits for its approval under review, and what an operator sent back is not approved by the policy', async () => {
    await setPolicy({ metadataDocumentClients: 'review' });
    const url = site.serve(newPath(), app());
    await prepare(url);
    const waiting = await find(url);
    expect(waiting).toMatchObject({ status: 'submitted', manifest: undefined, proposedSubmitted: true });
    await db.database.forTenant(one.id, (tx) =>
      rejectClient(tx, bench.callIn(one.id), { id: waiting?.id as Client['id'], reason: 'unknown' }),
    );
    await setPolicy({});
    await prepare(url);
    expect(await find(url)).toMatchObject({ status: 'draft', manifest: undefined });
  });

  test('that is retired stays so', async () => {
    const url = site.serve(newPath(), app());
    await prepare(url);
    const { id } = (await find(url)) as Client;
    await retireClient(bench.revocation, bench.callIn(one.id), { id, reason: 'unwanted' });
    await expect(prepare(url)).rejects.toMatchObject({ reason: 'invalid_client' });
    expect((await find(url))?.status).toBe('retired');
  });

  test('follows its document once that is not fresh any more, and no sooner', async () => {
    const path = newPath();
    const url = site.serve(path, app(), { 'cache-control': 'public, max-age=120' });
    await prepare(url);
    site.serve(path, { ...app(), redirect_uris: [`${site.origin}/other`] });
    runtime.advance(119_000);
    await prepare(url);
    expect((await find(url))?.manifest?.redirectUris).toEqual([`${site.origin}/cb`]);
    runtime.advance(1_001);
    await prepare(url);
    expect((await find(url))?.manifest?.redirectUris).toEqual([`${site.origin}/other`]);
    expect(await eventsOf(await find(url))).toEqual(['client.created', 'client.updated']);
  });

  test.each([
    ['no-store', 60_000],
    ['max-age=0', 60_000],
    ['max-age=99999999', 86_400_000],
    ['', 300_000],
  ])('holds a document with %j for %i ms', async (cacheControl, ms) => {
    const path = newPath();
    const url = site.serve(path, app(), { 'cache-control': cacheControl });
    const fetches = () => site.asked.filter((asked) => asked === path).length;
    await prepare(url);
    runtime.advance(ms - 1);
    await prepare(url);
    expect(fetches()).toBe(1);
    runtime.advance(1);
    await prepare(url);
    expect(fetches()).toBe(2);
  });

  test('lives on its last document for a day while its site is away, and not with a document that breaks a rule', async () => {
    const path = newPath();
    const url = site.serve(path, app());
    await prepare(url);
    site.answer(path, (response) => response.writeHead(500).end());
    runtime.advance(86_000_000);
    // One attempt a minute, however many ask.
    for (let at = 0; at < 30; at++) await prepare(url);
    expect(site.asked.filter((asked) => asked === path)).toHaveLength(2);
    runtime.advance(60_000);
    site.serve(path, { ...app(), client_secret: 'x' });
    await expect(prepare(url)).rejects.toMatchObject({ reason: 'invalid_client' });
    site.answer(path, (response) => response.writeHead(500).end());
    runtime.advance(400_001);
    await expect(prepare(url)).rejects.toMatchObject({ reason: 'invalid_client' });
  });

  test('under review, what narrows applies at once and what widens waits', async () => {
    const path = newPath();
    const url = site.serve(path, { ...app(), scope: 'openid email' });
    await prepare(url);
    await setPolicy({ metadataDocumentClients: 'review' });
    site.serve(path, { ...app(), scope: 'openid', redirect_uris: [`${site.origin}/cb`, `${site.origin}/new`] });
    runtime.advance(300_000);
    await prepare(url);
    const client = await find(url);
    expect(client?.manifest).toMatchObject({ scopes: ['openid'], redirectUris: [`${site.origin}/cb`] });
    expect(client).toMatchObject({ status: 'approved', proposedSubmitted: true });
    await setPolicy({});
    await prepare(url);
    expect((await find(url))?.manifest?.redirectUris).toHaveLength(2);
  });

  test('whose key has gone loses its tokens, and one that only adds a key does not', async () => {
    const [first, second] = [jwkOf('a'), jwkOf('b')];
    const revocations = async () => {
      const rows = await db.admin<{ text: string }>(
        `select convert_from(payload, 'utf8') as text from mono.feed_entries where kind = 'revocation'`,
      );
      const id = (await find(keyedUrl))?.id ?? 'nobody';
      return rows.filter(({ text }) => text.includes(id)).length;
    };
    for (const [keys, revoked] of [
      [[first], 0],
      [[first, second], 0],
      [[second], 1],
    ] as const) {
      await settleKeyed({ jwks: { keys } });
      expect(await revocations()).toBe(revoked);
    }
    expect((await find(keyedUrl))?.manifest).toMatchObject({ authMethod: 'private_key_jwt' });
    await settleKeyed({ jwks_uri: 'https://app.example/jwks' });
    expect(await revocations()).toBe(2);
    const target = { kind: 'client', id: (await find(keyedUrl))?.id };
    expect(ended).toEqual([target, target]);
  });

  test.each([
    ['missing', { token_endpoint_auth_method: 'private_key_jwt' }, /jwks/],
    ['at an open address', { jwks_uri: 'http://keys.example/x' }, /jwks_uri/],
    ['private', { jwks: { keys: [{ ...jwkOf('k'), d: 'AAAA' }] } }, /jwks/],
    ['symmetric', { jwks: { keys: [{ kty: 'oct', kid: 'k', k: 'AAAA' }] } }, /jwks/],
    ['beside their address', { jwks: { keys: [jwkOf('k')] }, jwks_uri: 'https://app.example/jwks' }, /jwks/],
    ['of a client that is public', { token_endpoint_auth_method: 'none', jwks: { keys: [jwkOf('k')] } }, /jwks/],
  ])('whose keys are %s is none', async (_what, change, names) => {
    const refused = { reason: 'invalid_client', detail: expect.stringMatching(names) };
    await expect(settleKeyed(change)).rejects.toMatchObject(refused);
  });

  test('is bound by the ceilings of its tenant', async () => {
    await setPolicy({ scopes: ['openid'], grantTypes: ['authorization_code'] });
    const url = site.serve(newPath(), app());
    await prepare(url);
    expect((await find(url))?.manifest).toMatchObject({ scopes: ['openid'], grantTypes: ['authorization_code'] });
    await setPolicy({ grantTypes: ['client_credentials'] });
    await expect(prepare(site.serve(newPath(), app()))).rejects.toMatchObject({ reason: 'invalid_client' });
    await setPolicy({});
  });

  test('of one host are fetched two at a time, so that a slow one holds up nobody else', async () => {
    const slow: (() => void)[] = [];
    const hanging = () => site.answer(newPath(), (response) => void slow.push(() => response.writeHead(404).end()));
    const waiting = [hanging(), hanging()].map((url) => prepare(url).catch((error: unknown) => error));
    while (slow.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    await expect(prepare(site.serve(newPath(), app()))).rejects.toMatchObject({ reason: 'rate_limited' });
    for (const end of slow) end();
    await Promise.all(waiting);
    await prepare(site.serve(newPath(), app()));
  });

  test('of one host are not fetched more than twenty times a minute', async () => {
    const urls = Array.from({ length: 21 }, () => site.serve(newPath(), app()));
    for (const url of urls.slice(0, 20)) await prepare(url);
    await expect(prepare(urls[20] as string)).rejects.toMatchObject({ reason: 'rate_limited' });
    runtime.advance(60_000);
    await prepare(urls[20] as string);
  });
});
