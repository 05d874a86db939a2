import { type Client, createClient } from '@connectrpc/connect';
import { createFetchClient } from '@connectrpc/connect/protocol';
import { createTransport } from '@connectrpc/connect/protocol-connect';
import { type EventId, newId, type TenantId, uuidOf } from '@mono-auth/core/ids';
import type { Call, Caller } from '@mono-auth/core/principal';
import { createLocalKms, type Keyring, openKeyring } from '@mono-auth/keys';
import { bundle, checkpoint, merkle, note } from '@mono-auth/log-engine';
import { AuditService } from '@mono-auth/proto/monoauth/audit/v1/audit';
import { FakeRuntime, openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { createRpcFetch } from '@mono-auth/transport';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { append, auditProvisionStep, auditService, type LogDeps, sealTenant, unsealedTenants } from './index.ts';

const runtime = new FakeRuntime();
const slugs = new Map<TenantId, string>();
let db: TestDatabase;
let keys: Keyring;
let deps: LogDeps;

beforeAll(async () => {
  db = await openTestDatabase();
  const platform = await db.createTenantRow('platform');
  keys = openKeyring({
    database: db.database,
    runtime,
    kms: createLocalKms(testKek),
    platformIssuer: 'https://mono.test/t/platform',
    rootTenant: async () => platform,
  });
  const originOf = async (tenantId: TenantId) => `mono.test/t/${slugs.get(tenantId)}/log`;
  deps = { database: db.database, keys, runtime, originOf };
});
afterAll(() => db.close());

async function provision(slug: string): Promise<TenantId> {
  const id = await db.createTenantRow(slug);
  slugs.set(id, slug);
  await db.database.forTenant(id, (tx) => keys.provision(tx));
  await auditProvisionStep(deps).finish({ id, incarnation: 3 });
  return id;
}

function callerOf(tenantId: TenantId): Caller {
  return {
    principal: `user:${newId(runtime, 'usr')}`,
    tenantId,
    tenantSlug: slugs.get(tenantId) ?? '',
    tenantRole: 'auditor',
    scope: new Set(['audit:read']),
    tokenId: undefined,
    sessionId: undefined,
    clientId: undefined,
    act: undefined,
    requestId: newId(runtime, 'req'),
    ip: '',
  };
}

async function appendMany(tenantId: TenantId, count: number, type = 'host.enrolled'): Promise<EventId[]> {
  const call: Call = { runtime, caller: callerOf(tenantId) };
  return db.database.forTenant(tenantId, async (tx) => {
    const ids: EventId[] = [];
    for (let i = 0; i < count; i++) {
      runtime.advance(1);
      ids.push(await append(tx, call, { type, object: { kind: 'host', id: `hst_${i}` } }));
    }
    return ids;
  });
}

/** A stock Connect client of the service, as a caller of this tenant. */
function clientOf(tenantId: TenantId): Client<typeof AuditService> {
  const rpc = createRpcFetch({
    routes: (router) => router.service(AuditService, auditService(deps)),
    authenticate: async () => callerOf(tenantId),
    record: async () => {},
    isPlatform: () => false,
    onRefusal: () => {},
  });
  const ingress = { requestId: newId(runtime, 'req'), ip: '', tenant: undefined };
  const answer = async (input: string | URL | Request, init?: RequestInit) => {
    const request = new Request(input, init);
    return (await rpc(request, new URL(request.url).pathname, ingress)) as Response;
  };
  const httpClient = createFetchClient(Object.assign(answer, { preconnect() {} }));
  return createClient(
    AuditService,
    createTransport({
      httpClient,
      baseUrl: 'http://mono.test',
      useBinaryFormat: true,
      interceptors: [],
      acceptCompression: [],
      sendCompression: null,
      compressMinBytes: 1024,
      readMaxBytes: 1 << 24,
      writeMaxBytes: 1 << 20,
    }),
  );
}

async function exported(tenantId: TenantId, fromIndex = 0, toIndex = 0): Promise<Uint8Array> {
  const request = { fromIndex: BigInt(fromIndex), toIndex: BigInt(toIndex) };
  const chunks: Uint8Array[] = [];
  for await (const { chunk } of clientOf(tenantId).exportBundle(request)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function pinOf(tenantId: TenantId): Promise<note.VerifierKey> {
  return note.parseVerifierKey((await clientOf(tenantId).getCheckpoint({})).vkey);
}

const sealedSeqs = (tenantId: TenantId) =>
  db.admin<{ sealed_seq: string | null }>(
    'select sealed_seq from mono.audit_events where tenant_id = $1 order by sealed_seq',
    [uuidOf(tenantId)],
  );

test('a new log has a signed checkpoint of size 0 that names origin, tenant and incarnation', async () => {
  const tenant = await provision('fresh');
  const { note: source, size } = await clientOf(tenant).getCheckpoint({});
  const pin = await pinOf(tenant);
  expect(pin.name).toBe('mono.test/t/fresh/log');
  const signed = checkpoint.parseCheckpoint(note.verifyNote(source, [pin]).note.text);
  expect(size).toBe(0n);
  expect(signed).toMatchObject({ origin: 'mono.test/t/fresh/log', size: 0, root: merkle.emptyRoot() });
  expect(checkpoint.logIdentity(signed)).toEqual({ tenantId: tenant, incarnation: 3 });
  await auditProvisionStep(deps).finish({ id: tenant, incarnation: 9 });
  expect((await clientOf(tenant).getCheckpoint({})).note).toBe(source);
});

test('a sealed log is exported as a bundle that verifies offline, whole and in part', async () => {
  const tenant = await provision('whole');
  await appendMany(tenant, 1_100);
  expect(await sealTenant(deps, tenant)).toBe(1_100);
  expect(await sealTenant(deps, tenant)).toBe(0);
  const vkeys = [await pinOf(tenant)];
  const whole = await exported(tenant);
  expect(bundle.verifyBundle(whole, { vkeys })).toMatchObject({
    verified: true,
    tenant,
    from: 0,
    to: 1_100,
    size: 1_100,
  });
  const part = bundle.verifyBundle(await exported(tenant, 250, 603), { vkeys });
  expect(part).toMatchObject({ verified: true, from: 250, to: 603, size: 1_100 });
  const flipped = Uint8Array.from(whole);
  flipped[whole.length >> 1] = (flipped[whole.length >> 1] ?? 0) ^ 1;
  expect(bundle.verifyBundle(flipped, { vkeys }).verified).toBe(false);
  await expect(exported(tenant, 0, 1_101)).rejects.toThrow(/must lie within/);
});

test('every event has an inclusion proof against the latest checkpoint, and every size a consistency proof', async () => {
  const tenant = await provision('proofs');
  const ids = await appendMany(tenant, 5);
  await sealTenant(deps, tenant);
  const client = clientOf(tenant);
  const pin = await pinOf(tenant);
  const open = (source: string) => checkpoint.parseCheckpoint(note.verifyNote(source, [pin]).note.text);
  const old = open((await client.getCheckpoint({})).note);
  ids.push(...(await appendMany(tenant, 8)));
  await sealTenant(deps, tenant);
  for (const [index, eventId] of ids.entries()) {
    const { entry, leafIndex, proof, note: source } = await client.proveInclusion({ eventId });
    const { size, root } = open(source);
    expect(leafIndex).toBe(BigInt(index));
    const claim = { leafHash: merkle.leafHash(entry), index, size, root, proof };
    expect(merkle.verifyInclusion(claim)).toBe(true);
  }
  const { proof, note: source } = await client.proveConsistency({ fromSize: BigInt(old.size) });
  const { size, root } = open(source);
  const claim = { oldSize: old.size, oldRoot: old.root, size, root, proof };
  expect(merkle.verifyConsistency(claim)).toBe(true);
  await expect(client.proveConsistency({ fromSize: 14n })).rejects.toThrow(/the log has 13 entries/);
});

test('sealers at the same time give every event one place, without a gap', async () => {
  const tenant = await provision('rivals');
  await appendMany(tenant, 300);
  const counts = await Promise.all(Array.from({ length: 6 }, () => sealTenant(deps, tenant)));
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(300);
  expect((await sealedSeqs(tenant)).map((row) => Number(row.sealed_seq))).toEqual(Array.from(Array(300).keys()));
  expect(bundle.verifyBundle(await exported(tenant), { vkeys: [await pinOf(tenant)] }).verified).toBe(true);
});

test('an event that was made earlier and committed later than a sealed one is sealed next', async () => {
  const tenant = await provision('late');
  const call: Call = { runtime, caller: callerOf(tenant) };
  const opened = Promise.withResolvers<EventId>();
  const release = Promise.withResolvers<void>();
  const slow = db.database.forTenant(tenant, async (tx) => {
    opened.resolve(await append(tx, call, { type: 'host.removed', object: { kind: 'host', id: 'slow' } }));
    await release.promise;
  });
  const late = await opened.promise;
  await appendMany(tenant, 3);
  expect(await sealTenant(deps, tenant)).toBe(3);
  const client = clientOf(tenant);
  await expect(client.proveInclusion({ eventId: late })).rejects.toThrow(/not found/);
  release.resolve();
  await slow;
  await expect(client.proveInclusion({ eventId: late })).rejects.toThrow(/not sealed yet/);
  expect(await unsealedTenants(db.database)).toContain(tenant);
  expect(await sealTenant(deps, tenant)).toBe(1);
  expect((await client.proveInclusion({ eventId: late })).leafIndex).toBe(3n);
  expect(bundle.verifyBundle(await exported(tenant), { vkeys: [await pinOf(tenant)] }).verified).toBe(true);
});

test('a tenant whose log is not provisioned yet is left for later', async () => {
  const tenant = await db.createTenantRow('unborn');
  await appendMany(tenant, 2);
  expect(await sealTenant(deps, tenant)).toBe(0);
});

test('nobody but the owner can rewrite, renumber or delete a sealed event', async () => {
  const tenant = await provision('frozen');
  await appendMany(tenant, 1);
  await sealTenant(deps, tenant);
  const change = (statement: (tx: Parameters<Parameters<typeof db.database.forTenant>[1]>[0]) => Promise<unknown>) =>
    db.database.forTenant(tenant, statement);
  await expect(change((tx) => tx.sql`update mono.audit_events set envelope = '\\x00'`)).rejects.toThrow(
    /permission denied/,
  );
  await expect(change((tx) => tx.sql`delete from mono.audit_events`)).rejects.toThrow(/permission denied/);
  await expect(change((tx) => tx.sql`update mono.audit_nodes set hash = hash`)).rejects.toThrow(/permission denied/);
  await expect(change((tx) => tx.sql`update mono.audit_trees set origin = 'other'`)).rejects.toThrow(
    /permission denied/,
  );
  // The policy hides sealed rows from every update.
  await change((tx) => tx.sql`update mono.audit_events set sealed_seq = 7`);
  expect(await sealedSeqs(tenant)).toEqual([{ sealed_seq: '0' }]);
});

test('events are listed newest first, page by page, and by type', async () => {
  const tenant = await provision('pages');
  const ids = [...(await appendMany(tenant, 3)), ...(await appendMany(tenant, 2, 'host.removed'))];
  await sealTenant(deps, tenant);
  const client = clientOf(tenant);
  const first = await client.listEvents({ pageSize: 3 });
  const second = await client.listEvents({ pageSize: 3, pageToken: first.nextPageToken });
  const listed = [...first.events, ...second.events];
  expect(listed.map(({ event }) => event?.id)).toEqual(ids.toReversed());
  expect(listed.map(({ leafIndex }) => leafIndex)).toEqual([4n, 3n, 2n, 1n, 0n]);
  expect(second.nextPageToken).toBe('');
  const removed = await client.listEvents({ type: 'host.removed' });
  expect(removed.events.map(({ event }) => event?.id)).toEqual(ids.slice(3).toReversed());
});

test('another tenant finds no event, no entry and no proof of this log', async () => {
  const [mine, theirs] = [await provision('mine'), await provision('theirs')];
  const [eventId] = await appendMany(mine, 4);
  await sealTenant(deps, mine);
  const stranger = clientOf(theirs);
  await expect(stranger.proveInclusion({ eventId: eventId as EventId })).rejects.toThrow(/not found/);
  expect((await stranger.listEvents({})).events).toEqual([]);
  expect((await stranger.getCheckpoint({})).size).toBe(0n);
  const report = bundle.verifyBundle(await exported(theirs), { vkeys: [await pinOf(theirs)] });
  expect(report).toMatchObject({ verified: true, tenant: theirs, to: 0 });
});
