import { generateKeyPairSync, sign } from 'node:crypto';
import { type Client, ConnectError, createClient, type ServiceImpl } from '@connectrpc/connect';
import { createFetchClient } from '@connectrpc/connect/protocol';
import { createTransport } from '@connectrpc/connect/protocol-connect';
import { base64url, utf8 } from '@mono-auth/core/encoding';
import { notFound } from '@mono-auth/core/errors';
import { type HostId, newId, type TenantId, uuidOf } from '@mono-auth/core/ids';
import type { Caller } from '@mono-auth/core/principal';
import type { TenantTx } from '@mono-auth/database';
import { Feed, feedService } from '@mono-auth/feed';
import { FeedService } from '@mono-auth/proto/monoauth/feed/v1/feed';
import { EnforcementState, RevocationService } from '@mono-auth/proto/monoauth/revocation/v1/revocation';
import { FakeRuntime, openTestDatabase, type TestDatabase } from '@mono-auth/testing';
import { createRpcFetch, reasonOf } from '@mono-auth/transport';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RevocationDeps, type RevocationParticipant, revocationService } from './index.ts';

const runtime = new FakeRuntime();
let db: TestDatabase;
let feed: Feed;
let deps: RevocationDeps;

/** A capability with two agents on each of its hosts. */
const hosts = new Set<HostId>();
const machines: RevocationParticipant = {
  kind: 'host',
  async preview(_tx, target) {
    if (target.kind !== 'host') return [];
    if (!hosts.has(target.id)) throw notFound('host');
    return [
      { kind: 'host', count: 1 },
      { kind: 'agent', count: 2 },
    ];
  },
  async apply(tx, _call, target) {
    return this.preview(tx, target);
  },
};

beforeAll(async () => {
  db = await openTestDatabase();
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const signer = {
    kid: newId(runtime, 'key'),
    alg: 'ES256',
    publicJwk: {},
    sign: async (data: Uint8Array) => sign('sha256', data, { key: privateKey, dsaEncoding: 'ieee-p1363' }),
  } as const;
  const keys = { signer: async () => signer, certificate: async () => 'certificate', rootJwk: async () => ({}) };
  const ephemeral = {
    publish: (channel: string, payload: string) => db.database.notify(channel, payload),
    subscribe: (channel: string, heard: (payload: string) => void) => db.database.listen(channel, heard),
  };
  feed = new Feed({ database: db.database, ephemeral, keys, runtime });
  deps = { database: db.database, runtime, feed, participants: [machines], advanceEpoch };
  feedImpl = feedService({ database: db.database, keys, runtime, feed, recordEvent: async () => {} });
});
let feedImpl: ServiceImpl<typeof FeedService>;
afterAll(() => db.close());

async function advanceEpoch(tx: TenantTx): Promise<number> {
  const [row] = await tx.sql<{ epoch: string }>`update mono.tenants set epoch = epoch + 1 returning epoch`;
  return Number(row?.epoch);
}

async function provision(slug: string): Promise<TenantId> {
  const tenant = await db.createTenantRow(slug);
  await db.database.forTenant(tenant, (tx) => feed.provision(tx, 1));
  return tenant;
}

interface Party {
  readonly feed: Client<typeof FeedService>;
  readonly revocations: Client<typeof RevocationService>;
  readonly principal: string;
}

/** A stock Connect client of both services, as one caller of this tenant. */
function partyOf(tenantId: TenantId): Party {
  const client = newId(runtime, 'cli');
  const caller: Caller = {
    principal: `service:${client}`,
    tenantId,
    tenantSlug: 'acme',
    tenantRole: undefined,
    scope: new Set(['feed:follow', 'revocations:create', 'revocations:read']),
    tokenId: undefined,
    sessionId: undefined,
    clientId: client,
    act: undefined,
    requestId: newId(runtime, 'req'),
    ip: '',
  };
  const rpc = createRpcFetch({
    routes: (router) => router.service(FeedService, feedImpl).service(RevocationService, revocationService(deps)),
    authenticate: async () => caller,
    record: async () => {},
    isPlatform: () => false,
    onRefusal: () => {},
  });
  const ingress = { requestId: caller.requestId, ip: '', tenant: undefined };
  const answer = async (input: string | URL | Request, init?: RequestInit) => {
    const request = new Request(input, init);
    const claims = { jti: newId(runtime, 'tok'), sub: caller.principal, exp: Number.MAX_SAFE_INTEGER, ep: 99, fs: 1e9 };
    const token = ['{}', JSON.stringify(claims), ''].map((part) => base64url(utf8(part || '-'))).join('.');
    request.headers.set('authorization', `Bearer ${token}`);
    return (await rpc(request, new URL(request.url).pathname, ingress)) as Response;
  };
  const transport = createTransport({
    httpClient: createFetchClient(Object.assign(answer, { preconnect() {} })),
    baseUrl: 'http://mono.test',
    useBinaryFormat: true,
    interceptors: [],
    acceptCompression: [],
    sendCompression: null,
    compressMinBytes: 1024,
    readMaxBytes: 1 << 24,
    writeMaxBytes: 1 << 20,
  });
  return {
    feed: createClient(FeedService, transport),
    revocations: createClient(RevocationService, transport),
    principal: caller.principal,
  };
}

/** An enforcement point that has applied everything so far and holds a lease. */
async function enforcementPoint(tenant: TenantId, name: string, leaseMs = 5_000) {
  const { feed: rpc } = partyOf(tenant);
  const { subscriberId } = await rpc.register({ name, leaseMs });
  let nonce = 0;
  /** Follows up to the present head and says so. */
  const catchUp = async () => {
    const leave = new AbortController();
    for await (const { head } of rpc.watch({ subscriberId }, { signal: leave.signal })) {
      const present = await db.database.forTenant(tenant, (tx) => feed.headSeq(tx));
      if (!head || Number(head.seq) < present) continue;
      const { incarnation, seq, hash } = head;
      await rpc.acknowledge({ subscriberId, applied: { incarnation, seq, hash }, nonce: `n-${++nonce}` });
      break;
    }
    leave.abort();
  };
  await catchUp();
  return { subscriberId, catchUp };
}

const someToken = () => ({ target: { case: 'tokenId', value: newId(runtime, 'tok') } }) as const;
const settle = (ms = 20) => new Promise((resolve) => setTimeout(resolve, ms));

async function reasonFrom(work: Promise<unknown>): Promise<string | undefined> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof ConnectError)) throw new Error(`no Connect error: ${error}`);
  return reasonOf(error);
}

const entriesOf = (tenant: TenantId) =>
  db.admin<{ seq: string; kind: string; payload: string }>(
    "select seq, kind, convert_from(payload, 'UTF8') as payload from mono.feed_entries where tenant_id = $1 order by seq",
    [uuidOf(tenant)],
  );
const eventsOf = (tenant: TenantId) =>
  db.admin<{ type: string; object_kind: string; object_id: string }>(
    'select type, object_kind, object_id from mono.audit_events where tenant_id = $1',
    [uuidOf(tenant)],
  );

test('a receipt goes from 0 of 1 to 1 of 1, and a dead enforcement point is fenced once its lease has surely ended', async () => {
  const tenant = await provision('receipt');
  const operator = partyOf(tenant).revocations;
  const edge = await enforcementPoint(tenant, 'edge');
  const { revocation, receipt } = await operator.revoke({ target: someToken(), reason: 'stolen' });
  expect(receipt).toMatchObject({ enforced: 0, registered: 1, feedSeq: 1n });
  expect(receipt?.points[0]).toMatchObject({ name: 'edge', state: EnforcementState.WAITING });
  expect(Number(receipt?.jwksOnlyUntil?.seconds) * 1000).toBe(runtime.nowMs() + 86_400_000);

  runtime.advance(70);
  const appliedAt = runtime.nowMs();
  await edge.catchUp();
  const revocationId = revocation?.id ?? '';
  const enforced = (await operator.getReceipt({ revocationId })).receipt;
  expect(enforced).toMatchObject({ enforced: 1, registered: 1 });
  expect(enforced?.points[0]).toMatchObject({
    subscriberId: edge.subscriberId,
    state: EnforcementState.APPLIED,
    at: { seconds: BigInt(Math.floor(appliedAt / 1000)), nanos: (appliedAt % 1000) * 1e6 },
  });

  await enforcementPoint(tenant, 'dead', 5_000);
  const leaseAt = runtime.nowMs();
  runtime.advance(100);
  const second = await operator.revoke({ target: someToken(), reason: 'stolen as well' });
  await edge.catchUp();
  const receiptOf = async () => (await operator.getReceipt({ revocationId: second.revocation?.id ?? '' })).receipt;
  const fencedAt = leaseAt + 5_000 * 1.01 + 250;
  runtime.advance(fencedAt - 1 - runtime.nowMs());
  expect(await receiptOf()).toMatchObject({ enforced: 1, registered: 2 });
  runtime.advance(1);
  const last = await receiptOf();
  expect(last).toMatchObject({ enforced: 2, registered: 2 });
  expect(last?.points.find(({ name }) => name === 'dead')?.state).toBe(EnforcementState.FENCED);
  // The first receipt still names the moment of its own entry.
  const first = (await operator.getReceipt({ revocationId })).receipt;
  expect(first?.points.find(({ name }) => name === 'edge')?.at).toEqual(enforced?.points[0]?.at);
});

test('a revocation that waits is answered as soon as the last enforcement point has said so', async () => {
  const tenant = await provision('waits');
  const edges = [await enforcementPoint(tenant, 'a'), await enforcementPoint(tenant, 'b')];
  let answered = false;
  const revoked = partyOf(tenant)
    .revocations.revoke({ target: someToken(), reason: 'now', waitMs: 20_000 })
    .finally(() => {
      answered = true;
    });
  await settle(100);
  await edges[0]?.catchUp();
  await settle(100);
  expect(answered).toBe(false);
  await edges[1]?.catchUp();
  // No time passes: only the hint can wake it.
  expect((await revoked).receipt).toMatchObject({ enforced: 2, registered: 2 });
});

test('a revocation never waits longer than it was asked to, and counts a lease that ends meanwhile', async () => {
  const tenant = await provision('deadline');
  await enforcementPoint(tenant, 'dead', 60_000);
  await enforcementPoint(tenant, 'short', 1_000);
  const startedAt = runtime.nowMs();
  let answered = false;
  const revoked = partyOf(tenant)
    .revocations.revoke({ target: someToken(), reason: 'now', waitMs: 3_000 })
    .finally(() => {
      answered = true;
    });
  await expect.poll(() => eventsOf(tenant)).toHaveLength(1);
  await settle(100);
  while (!answered && runtime.nowMs() < startedAt + 3_000) {
    runtime.advance(250);
    await settle();
  }
  // From here on only the machine's own time passes: a slow one may need some to read the receipt.
  expect((await revoked).receipt).toMatchObject({ enforced: 1, registered: 2 });
  expect(runtime.nowMs() - startedAt).toBe(3_000);
});

test('without an enforcement point the receipt is 0 of 0 and nobody waits', async () => {
  const tenant = await provision('nobody');
  const { receipt } = await partyOf(tenant).revocations.revoke({ target: someToken(), reason: 'now', waitMs: 9_000 });
  expect(receipt).toMatchObject({ enforced: 0, registered: 0 });
});

test('a token that nobody has seen is revoked all the same, with what was made from it', async () => {
  const tenant = await provision('unseen');
  const target = someToken();
  const jti = target.target.value;
  await partyOf(tenant).revocations.revoke({ target, reason: 'found in a log' });
  const state = await feed.state(tenant);
  const descendant = { jti: newId(runtime, 'tok'), sub: 'client:cli_1', pjti: [jti], ep: 1, fs: 99 };
  expect(state.isRevoked(descendant)).toMatchObject({ revoked: true, why: 'token', seq: 1 });
  expect(await eventsOf(tenant)).toEqual([{ type: 'revocation.created', object_kind: 'token', object_id: jti }]);
});

test('a host dies with its descendants; one that is not there is not found, and nothing has happened', async () => {
  const tenant = await provision('hosts');
  const { revocations, principal } = partyOf(tenant);
  const [here, gone] = [newId(runtime, 'hst'), newId(runtime, 'hst')];
  hosts.add(here);
  const hostTarget = (value: HostId) => ({ target: { case: 'hostId', value } }) as const;
  expect((await revocations.preview({ target: hostTarget(here) })).casualties).toMatchObject([
    { kind: 'host', count: 1n },
    { kind: 'agent', count: 2n },
  ]);
  expect(await entriesOf(tenant)).toEqual([]);
  expect(await reasonFrom(revocations.preview({ target: hostTarget(gone) }))).toBe('not_found');
  expect(await reasonFrom(revocations.revoke({ target: hostTarget(gone), reason: 'x' }))).toBe('not_found');
  expect(await entriesOf(tenant)).toEqual([]);
  expect(await eventsOf(tenant)).toEqual([]);

  const { revocation } = await revocations.revoke({ target: hostTarget(here), reason: 'decommissioned' });
  expect(revocation).toMatchObject({
    target: hostTarget(here),
    reason: 'decommissioned',
    feedSeq: 1n,
    createdBy: principal,
    casualties: [
      { kind: 'host', count: 1n },
      { kind: 'agent', count: 2n },
    ],
  });
  const [entry] = await entriesOf(tenant);
  expect(JSON.parse(entry?.payload ?? '')).toEqual({
    v: 1,
    id: revocation?.id,
    target: { kind: 'host', id: here },
    reason: 'decommissioned',
  });
  const descendant = { jti: 'x', sub: 'agent:agt_1', act: { sub: `host:${here}` }, ep: 1, fs: 0 };
  expect((await feed.state(tenant)).isRevoked(descendant).revoked).toBe(true);
});

test('revoking the tenant advances its epoch, and is enforced only by who has applied that as well', async () => {
  const tenant = await provision('everything');
  const target = { target: { case: 'tenant', value: true } } as const;
  const { revocation } = await partyOf(tenant).revocations.revoke({ target, reason: 'breach' });
  expect((await entriesOf(tenant)).map(({ kind }) => kind)).toEqual(['revocation', 'epoch']);
  expect(revocation?.feedSeq).toBe(2n);
  const [row] = await db.admin<{ epoch: string }>('select epoch from mono.tenants where id = $1', [uuidOf(tenant)]);
  expect(row?.epoch).toBe('2');
  const state = await feed.state(tenant);
  expect(state.epoch).toBe(2);
  expect(state.isRevoked({ jti: 'x', sub: 'user:usr_1', ep: 1, fs: 2 })).toMatchObject({ why: 'epoch' });
  expect(state.isRevoked({ jti: 'x', sub: 'user:usr_1', ep: 2, fs: 2 }).revoked).toBe(false);
});

test('what leaves no evidence does not happen', async () => {
  const tenant = await provision('noevidence');
  await db.admin('revoke insert (id) on mono.audit_events from mono_app');
  const { revocations } = partyOf(tenant);
  expect(await reasonFrom(revocations.revoke({ target: someToken(), reason: 'x' }))).toBe('audit_unavailable');
  await db.admin('grant insert (id) on mono.audit_events to mono_app');
  expect(await entriesOf(tenant)).toEqual([]);
  expect((await revocations.listRevocations({})).revocations).toEqual([]);
});

test('orders with one idempotency key are one revocation, also at the same time', async () => {
  const tenant = await provision('idempotent');
  const { revocations } = partyOf(tenant);
  const order = { target: someToken(), reason: 'once', idempotencyKey: 'key-1' };
  const answers = await Promise.all(Array.from({ length: 5 }, () => revocations.revoke(order)));
  expect(new Set(answers.map(({ revocation }) => revocation?.id)).size).toBe(1);
  expect(await entriesOf(tenant)).toHaveLength(1);
  expect(await eventsOf(tenant)).toHaveLength(1);
  expect(await reasonFrom(revocations.revoke({ ...order, target: someToken() }))).toBe('invalid_request');
  expect(await reasonFrom(revocations.revoke({ ...order, reason: 'another' }))).toBe('invalid_request');
  const other = partyOf(await provision('idempotent-two')).revocations;
  expect((await other.revoke(order)).revocation?.id).not.toBe(answers[0]?.revocation?.id);
});

test('revocations are listed newest first, page by page', async () => {
  const tenant = await provision('pages');
  const { revocations } = partyOf(tenant);
  const ids: (string | undefined)[] = [];
  for (let i = 0; i < 5; i++) {
    runtime.advance(1);
    ids.unshift((await revocations.revoke({ target: someToken(), reason: `${i}` })).revocation?.id);
  }
  const first = await revocations.listRevocations({ pageSize: 3 });
  const second = await revocations.listRevocations({ pageSize: 3, pageToken: first.nextPageToken });
  expect([...first.revocations, ...second.revocations].map(({ id }) => id)).toEqual(ids);
  expect(second.nextPageToken).toBe('');
});

test('a malformed target, reason or wait is refused before anything is read', async () => {
  const tenant = await provision('malformed');
  const { revocations } = partyOf(tenant);
  const target = someToken();
  for (const request of [
    { reason: 'x' },
    { target: { target: { case: 'tokenId', value: 'ses_1' } } as const, reason: 'x' },
    { target: { target: { case: 'tenant', value: false } } as const, reason: 'x' },
    { target, reason: '' },
    { target, reason: 'x', waitMs: 25_001 },
  ]) {
    expect(await reasonFrom(revocations.revoke(request))).toBe('invalid_request');
  }
  expect(await entriesOf(tenant)).toEqual([]);
});

test("another tenant sees none of a tenant's revocations, receipts or enforcement points", async () => {
  const [mine, theirs] = [await provision('mine'), await provision('theirs')];
  await enforcementPoint(mine, 'edge');
  const { revocation } = await partyOf(mine).revocations.revoke({ target: someToken(), reason: 'x' });
  const stranger = partyOf(theirs).revocations;
  expect(await reasonFrom(stranger.getReceipt({ revocationId: revocation?.id ?? '' }))).toBe('not_found');
  expect((await stranger.listRevocations({})).revocations).toEqual([]);
  const { receipt } = await stranger.revoke({ target: someToken(), reason: 'x' });
  expect(receipt).toMatchObject({ registered: 0, feedSeq: 1n });
});
