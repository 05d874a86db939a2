import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { type Client, Code, ConnectError, createClient } from '@connectrpc/connect';
import { createFetchClient } from '@connectrpc/connect/protocol';
import { createTransport } from '@connectrpc/connect/protocol-connect';
import { base64url, fromBase64url, textOf, utf8 } from '@mono-auth/core/encoding';
import { newId, parseId, type TenantId, type TokenId, uuidOf } from '@mono-auth/core/ids';
import type { Caller, Principal } from '@mono-auth/core/principal';
import { systemRuntime as runtime } from '@mono-auth/core/runtime';
import { cursor, head } from '@mono-auth/feed-engine';
import { createLocalKms, type Keyring, openKeyring } from '@mono-auth/keys';
import { type Cursor, FeedService, type SignedHead, type WatchResponse } from '@mono-auth/proto/monoauth/feed/v1/feed';
import { openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { createRpcFetch, reasonOf } from '@mono-auth/transport';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Feed, feedService, type NewEntry } from './index.ts';

let db: TestDatabase;
let keys: Keyring;
let feed: Feed;
/** The feed of another process: it wakes this one only by the wake-ups. */
let elsewhere: Feed;
let server: ReturnType<typeof Bun.serve>;
let signatures = 0;
/** While true, wake-ups are lost, as with a Redis that is gone. */
let deaf = false;
const recorded: string[] = [];

interface Claims {
  tenant_id: TenantId;
  sub: Principal;
  jti: TokenId;
  exp: number;
  ep: number;
  fs: number;
  client_id: string;
}

beforeAll(async () => {
  db = await openTestDatabase();
  const platform = await db.createTenantRow('platform');
  const ring = openKeyring({
    database: db.database,
    runtime,
    kms: createLocalKms(testKek),
    platformIssuer: 'https://mono.test/t/platform',
    rootTenant: async () => platform,
  });
  keys = {
    ...ring,
    async signer(owner, purpose, alg) {
      const signer = await ring.signer(owner, purpose, alg);
      const sign = (data: Uint8Array) => {
        signatures++;
        return signer.sign(data);
      };
      return { ...signer, sign };
    },
  };
  const ephemeral = {
    publish: async (channel: string, payload: string) => (deaf ? undefined : db.database.notify(channel, payload)),
    subscribe: (channel: string, heard: (payload: string) => void) => db.database.listen(channel, heard),
  };
  feed = new Feed({ database: db.database, ephemeral, keys, runtime });
  elsewhere = new Feed({ database: db.database, ephemeral, keys, runtime });
  const service = feedService({
    database: db.database,
    keys,
    runtime,
    feed,
    recordEvent: async (_tx, _call, { type }) => recorded.push(type),
  });
  const rpc = createRpcFetch({
    routes: (router) => router.service(FeedService, service),
    authenticate: async (authorization) => callerOf(authorization ?? ''),
    record: async () => {},
    isPlatform: () => false,
    onRefusal: () => {},
  });
  server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    idleTimeout: 60,
    fetch: async (request) => {
      const ingress = { requestId: newId(runtime, 'req'), ip: '', tenant: undefined };
      return (await rpc(request, new URL(request.url).pathname, ingress)) ?? new Response(null, { status: 404 });
    },
  });
});
afterAll(async () => {
  await server.stop(true);
  await db.close();
});

/** What `authenticate` makes of a verified token; its signature is not what is tested here. */
function callerOf(authorization: string): Caller {
  const claims: Claims = JSON.parse(textOf(fromBase64url(authorization.split('.')[1] ?? '')));
  return {
    principal: claims.sub,
    tenantId: claims.tenant_id,
    tenantSlug: 'acme',
    tenantRole: undefined,
    scope: new Set(['feed:follow', 'feed:read']),
    tokenId: claims.jti,
    sessionId: undefined,
    clientId: undefined,
    act: undefined,
    requestId: newId(runtime, 'req'),
    ip: '',
  };
}

interface Follower {
  readonly rpc: Client<typeof FeedService>;
  readonly claims: Claims;
}

/** A stock Connect client over HTTP, with a token of its own. */
function followerOf(tenant: TenantId, overrides: Partial<Claims> = {}): Follower {
  const client = newId(runtime, 'cli');
  const exp = Math.floor(runtime.nowMs() / 1000) + 300;
  const base = { tenant_id: tenant, jti: newId(runtime, 'tok'), exp, ep: 1, fs: 0, client_id: client };
  const claims: Claims = { ...base, sub: `service:${client}`, ...overrides };
  const token = ['{}', JSON.stringify(claims), 'signature'].map((part) => base64url(utf8(part))).join('.');
  const transport = createTransport({
    httpClient: createFetchClient(fetch),
    baseUrl: server.url.origin,
    useBinaryFormat: true,
    interceptors: [
      (next) => (request) => {
        request.header.set('authorization', `Bearer ${token}`);
        return next(request);
      },
    ],
    acceptCompression: [],
    sendCompression: null,
    compressMinBytes: 1024,
    readMaxBytes: 1 << 24,
    writeMaxBytes: 1 << 20,
  });
  return { rpc: createClient(FeedService, transport), claims };
}

async function provision(slug: string): Promise<TenantId> {
  const tenant = await db.createTenantRow(slug);
  await db.database.forTenant(tenant, async (tx) => {
    await keys.provision(tx);
    await feed.provision(tx, 1);
  });
  return tenant;
}

function revocations(count: number, jti: () => TokenId = () => newId(runtime, 'tok')): NewEntry[] {
  return Array.from({ length: count }, () => {
    const target = { kind: 'token', jti: jti() } as const;
    return { kind: 'revocation', payload: { v: 1, id: newId(runtime, 'rev'), target, reason: 'test' } };
  });
}

const appendTo = (tenant: TenantId, entries = revocations(1)) =>
  db.database.forTenant(tenant, (tx) => feed.append(tx, entries));

/** RFC 7518 §3.4: an ES256 signature is the two numbers side by side. */
function verifyRaw(key: KeyObject, message: Uint8Array, signature: Uint8Array): boolean {
  return verify('sha256', message, { key, dsaEncoding: 'ieee-p1363' }, signature);
}

/** The feed key as a subscriber learns it: from a certificate by the pinned root. */
async function pinFeedKey(rpc: Follower['rpc'], tenant: TenantId): Promise<KeyObject> {
  const { feedKeyCertificate, rootJwk } = await rpc.register({ name: 'pin' });
  const [protectedHeader = '', body = '', signature = ''] = feedKeyCertificate.split('.');
  const root = createPublicKey({ key: rootJwk as never, format: 'jwk' });
  expect(verifyRaw(root, utf8(`${protectedHeader}.${body}`), fromBase64url(signature))).toBe(true);
  const certificate = JSON.parse(textOf(fromBase64url(body)));
  expect(certificate.tenant_id).toBe(tenant);
  return createPublicKey({ key: certificate.jwk, format: 'jwk' });
}

function openHead(signed: SignedHead | undefined, key: KeyObject): Promise<head.VerifiedHead> {
  const { tenantId, incarnation, seq, hash, issuedAtMs, nonce, signature } = signed as SignedHead;
  const statement = {
    tenantId: parseId('ten', tenantId, 'tenant_id'),
    incarnation: Number(incarnation),
    seq: Number(seq),
    headHash: hash,
    issuedAtMs: Number(issuedAtMs),
    nonce,
  };
  return head.verifyHead(statement, signature, (message, raw) => verifyRaw(key, message, raw));
}

/** Puts what a stream delivers through feed-engine, as a subscriber does; fails on the first thing not proven. */
class Prover {
  position: cursor.FeedCursor;
  readonly #key: KeyObject;
  constructor(tenant: TenantId, key: KeyObject) {
    this.position = cursor.startCursor(tenant, 1);
    this.#key = key;
  }
  async take({ entries, head: signed }: WatchResponse): Promise<number> {
    const proven = await openHead(signed, this.#key);
    const batch = entries.map(({ seq, kind, payload, createdAtMs }) => {
      return { seq: Number(seq), kind, payload, createdAtMs: Number(createdAtMs) };
    });
    this.position = cursor.applyBatch(this.position, { entries: batch, head: proven }).cursor;
    return this.at.seq;
  }
  get at(): cursor.FeedPosition {
    if (this.position.status !== 'live') throw new Error(`not proven: ${this.position.reason}`);
    return this.position.position;
  }
  get wire(): Pick<Cursor, 'incarnation' | 'seq' | 'hash'> {
    return { incarnation: BigInt(this.at.incarnation), seq: BigInt(this.at.seq), hash: this.at.hash };
  }
}

/** Follows until `done`, then leaves. */
async function watchUntil(
  { rpc }: Follower,
  request: { subscriberId: string; cursor?: Prover['wire'] },
  done: (response: WatchResponse, count: number) => Promise<boolean>,
): Promise<void> {
  const leave = new AbortController();
  let count = 0;
  try {
    for await (const response of rpc.watch(request, { signal: leave.signal })) {
      if (await done(response, ++count)) return;
    }
    throw new Error('the stream ended by itself');
  } finally {
    leave.abort();
  }
}

async function failureOf(work: Promise<unknown>): Promise<{ reason: string | undefined; code: Code }> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof ConnectError)) throw new Error(`no Connect error: ${error}`);
  return { reason: reasonOf(error), code: error.code };
}

test('a stock Connect client gets a proven prefix in batches of at most 500, and resumes by its cursor', async () => {
  const tenant = await provision('backlog');
  for (let i = 0; i < 12; i++) await appendTo(tenant, revocations(100));
  const follower = followerOf(tenant);
  const prover = new Prover(tenant, await pinFeedKey(follower.rpc, tenant));
  const { subscriberId } = await follower.rpc.register({ name: 'one' });
  const sizes: number[] = [];
  await watchUntil(follower, { subscriberId }, async (response) => {
    sizes.push(response.entries.length);
    return (await prover.take(response)) === 1_000;
  });
  expect(sizes).toEqual([500, 500]);

  const seen: number[] = [];
  await watchUntil(follower, { subscriberId, cursor: prover.wire }, async (response, count) => {
    seen.push(...response.entries.map(({ seq }) => Number(seq)));
    if (count === 1) await appendTo(tenant, revocations(2));
    return (await prover.take(response)) === 1_202;
  });
  expect(seen).toEqual(Array.from({ length: 202 }, (_, i) => 1_001 + i));
});

test('a head comes at least every second without news, signed once for all streams of the tenant', async () => {
  const tenant = await provision('heads');
  const follower = followerOf(tenant);
  const key = await pinFeedKey(follower.rpc, tenant);
  const { subscriberId } = await follower.rpc.register({ name: 'heads' });
  signatures = 0;
  const gaps: number[] = [];
  const follow = async () => {
    const prover = new Prover(tenant, key);
    let last = runtime.monotonicMs();
    await watchUntil(follower, { subscriberId }, async (response, count) => {
      await prover.take(response);
      if (count > 1) gaps.push(runtime.monotonicMs() - last);
      last = runtime.monotonicMs();
      return count === 4;
    });
  };
  await Promise.all(Array.from({ length: 8 }, follow));
  expect(signatures).toBeLessThanOrEqual(6);
  // A loaded machine may be late; a stream without its timer would not come at all.
  expect(gaps.toSorted((a, b) => a - b)[gaps.length >> 1]).toBeLessThan(1_000);
});

test('an entry reaches a follower at once by the wake-up, and within a second without it', async () => {
  const tenant = await provision('wake');
  const follower = followerOf(tenant);
  const { subscriberId } = await follower.rpc.register({ name: 'wake' });
  const latency = async (lost: boolean): Promise<number> => {
    let sentAt = 0;
    let lag = 0;
    await watchUntil(follower, { subscriberId }, async (response, count) => {
      if (count === 1) {
        await runtime.sleep(100);
        deaf = lost;
        sentAt = runtime.monotonicMs();
        await db.database.forTenant(tenant, (tx) => elsewhere.append(tx, revocations(1)));
        deaf = false;
        return false;
      }
      lag = runtime.monotonicMs() - sentAt;
      return response.entries.length > 0;
    });
    return lag;
  };
  const lags = [await latency(false), await latency(true)];
  expect(lags[0]).toBeLessThan(500);
  expect(lags[1]).toBeGreaterThan(500);
  expect(lags[1]).toBeLessThan(2_000);
});

test('with the wake-ups gone altogether, appending and following go on', async () => {
  const tenant = await provision('gone');
  const ephemeral = {
    publish: () => Promise.reject(new Error('gone')),
    subscribe: () => new Promise<() => void>(() => {}),
  };
  const lonely = new Feed({ database: db.database, ephemeral, keys, runtime });
  const seqs: number[] = [];
  const over = Promise.withResolvers<void>();
  let looks = 0;
  const leave = lonely.hub(tenant).join({
    subscriberId: newId(runtime, 'sub'),
    liveAt: undefined,
    take({ batch }) {
      seqs.push(...batch.entries.map(({ seq }) => seq));
      if (++looks === 1) void db.database.forTenant(tenant, (tx) => lonely.append(tx, revocations(2)));
      if (seqs.length > 0) over.resolve();
    },
    fail: over.reject,
  });
  await over.promise;
  leave();
  expect(seqs).toEqual([1, 2]);
});

test('a cursor that is no place of this feed is answered reset_required inside the stream', async () => {
  const tenant = await provision('cursors');
  await appendTo(tenant, revocations(3));
  const follower = followerOf(tenant);
  const { subscriberId } = await follower.rpc.register({ name: 'cursors' });
  const prover = new Prover(tenant, await pinFeedKey(follower.rpc, tenant));
  await watchUntil(follower, { subscriberId }, async (response) => (await prover.take(response)) === 3);
  const good = prover.wire;
  const hash = Uint8Array.from(good.hash, (byte, i) => (i === 0 ? byte ^ 1 : byte));
  for (const forged of [
    { ...good, incarnation: 2n },
    { ...good, seq: 4n },
    { ...good, seq: 2n },
    { ...good, hash },
    { ...good, seq: 0n },
    { incarnation: 1n, seq: 0n, hash: new Uint8Array() },
  ]) {
    const watched = watchUntil(follower, { subscriberId, cursor: forged }, async () => true);
    expect(await failureOf(watched)).toEqual({ reason: 'reset_required', code: Code.OutOfRange });
  }
  await watchUntil(follower, { subscriberId, cursor: good }, async (response) => (await prover.take(response)) === 3);
});

test('a database that goes back in time under a stream ends it with reset_required', async () => {
  const tenant = await provision('rolledback');
  await appendTo(tenant, revocations(3));
  const follower = followerOf(tenant);
  const { subscriberId } = await follower.rpc.register({ name: 'rolledback' });
  const watched = watchUntil(follower, { subscriberId }, async (_response, count) => {
    if (count !== 1) return false;
    const [row] = await db.admin<{ hash: Buffer }>(
      'select hash from mono.feed_entries where tenant_id = $1 and seq = 2',
      [uuidOf(tenant)],
    );
    await db.admin('delete from mono.feed_entries where tenant_id = $1 and seq = 3', [uuidOf(tenant)]);
    await db.admin('update mono.feed_heads set seq = 2, hash = $2 where tenant_id = $1', [uuidOf(tenant), row?.hash]);
    return false;
  });
  expect((await failureOf(watched)).reason).toBe('reset_required');
});

test('a stream ends when its own token expires', async () => {
  const tenant = await provision('expiry');
  const follower = followerOf(tenant, { exp: Math.floor(runtime.nowMs() / 1000) + 2 });
  const { subscriberId } = await follower.rpc.register({ name: 'expiry' });
  let heads = 0;
  const watched = watchUntil(follower, { subscriberId }, async () => {
    heads++;
    return false;
  });
  expect((await failureOf(watched)).reason).toBe('not_authenticated');
  expect(heads).toBeGreaterThan(0);
});

test('a stream whose own token is revoked is sent the entry that says so, and then ends', async () => {
  const tenant = await provision('ownend');
  const follower = followerOf(tenant);
  const { subscriberId } = await follower.rpc.register({ name: 'ownend' });
  const seen: number[] = [];
  const watched = watchUntil(follower, { subscriberId }, async ({ entries }, count) => {
    seen.push(...entries.map(({ seq }) => Number(seq)));
    if (count === 1)
      await appendTo(
        tenant,
        revocations(1, () => follower.claims.jti),
      );
    return false;
  });
  expect((await failureOf(watched)).reason).toBe('not_authenticated');
  expect(seen).toEqual([1]);
});

test('a hub stands still once its last follower has left', async () => {
  const tenant = await provision('idle');
  const follower = followerOf(tenant);
  const { subscriberId } = await follower.rpc.register({ name: 'idle' });
  await watchUntil(follower, { subscriberId }, async () => true);
  await runtime.sleep(1_200);
  signatures = 0;
  await runtime.sleep(1_500);
  expect(signatures).toBe(0);
});

test('registering again answers the same subscriber with its first lease, and leaves one trace', async () => {
  const tenant = await provision('register');
  const { rpc } = followerOf(tenant);
  recorded.length = 0;
  const twins = await Promise.all([1, 2, 3].map(() => rpc.register({ name: 'twin', leaseMs: 2_000 })));
  const again = await rpc.register({ name: 'twin', leaseMs: 9_000 });
  expect(new Set([...twins, again].map(({ subscriberId }) => subscriberId)).size).toBe(1);
  expect(again.leaseMs).toBe(2_000);
  expect(recorded).toEqual(['feed.subscriber_registered']);
  expect((await rpc.register({ name: 'default' })).leaseMs).toBe(5_000);
  expect((await failureOf(rpc.register({ name: 'short', leaseMs: 10 }))).reason).toBe('invalid_request');
});

test('an acknowledgement is believed only for what was sent, of this life, and with the same entries', async () => {
  const tenant = await provision('acks');
  await appendTo(tenant, revocations(3));
  const follower = followerOf(tenant);
  const { rpc } = follower;
  const key = await pinFeedKey(rpc, tenant);
  const prover = new Prover(tenant, key);
  const { subscriberId } = await rpc.register({ name: 'acks' });
  await watchUntil(follower, { subscriberId }, async (response) => (await prover.take(response)) === 3);
  await appendTo(tenant);
  const reached = prover.wire;

  const beyond = { ...reached, seq: 4n };
  expect((await failureOf(rpc.acknowledge({ subscriberId, applied: beyond }))).reason).toBe('invalid_request');
  for (const applied of [
    { ...reached, incarnation: 2n },
    { ...reached, seq: 2n },
    { ...reached, hash: new Uint8Array(32) },
  ]) {
    expect((await failureOf(rpc.acknowledge({ subscriberId, applied }))).reason).toBe('reset_required');
  }
  expect((await rpc.listSubscribers({})).subscribers.find(({ id }) => id === subscriberId)?.appliedSeq).toBe(0n);

  expect((await rpc.acknowledge({ subscriberId, applied: reached })).head).toBeUndefined();
  const askedAtMs = runtime.nowMs();
  const { head: answer } = await rpc.acknowledge({ subscriberId, applied: reached, nonce: 'n-1' });
  const proven = await openHead(answer, key);
  expect(proven).toMatchObject({ nonce: 'n-1', seq: 4, incarnation: 1 });
  expect(cursor.checkAnswer(prover.position, proven, prover.at).effects).toEqual([]);
  const { subscribers, headSeq } = await rpc.listSubscribers({});
  expect(headSeq).toBe(4n);
  expect(subscribers.find(({ id }) => id === subscriberId)).toMatchObject({ name: 'acks', appliedSeq: 3n });
  const rows = await db.database.forTenant(tenant, (tx) => feed.subscribers(tx));
  const notedAtMs = rows.find(({ id }) => id === subscriberId)?.lastHeadAtMs;
  expect(notedAtMs).toBeGreaterThanOrEqual(askedAtMs);
  expect(notedAtMs).toBeLessThanOrEqual(proven.issuedAtMs);
});

test('a subscriber of another client or another tenant is not found', async () => {
  const [acme, globex] = [await provision('acme'), await provision('globex')];
  const owner = followerOf(acme);
  const { subscriberId } = await owner.rpc.register({ name: 'mine' });
  const applied = { incarnation: 1n, seq: 0n, hash: new Uint8Array(32) };
  for (const stranger of [followerOf(acme), followerOf(globex, { sub: owner.claims.sub })]) {
    const watched = watchUntil(stranger, { subscriberId }, async () => true);
    expect((await failureOf(watched)).reason).toBe('not_found');
    const acknowledged = stranger.rpc.acknowledge({ subscriberId, applied });
    expect((await failureOf(acknowledged)).reason).toBe('not_found');
  }
  const foreign = followerOf(globex);
  expect((await foreign.rpc.listSubscribers({})).subscribers).toEqual([]);
});
