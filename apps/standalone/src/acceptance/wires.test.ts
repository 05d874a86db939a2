import { createHash, createPublicKey, verify } from 'node:crypto';
import { fromJson } from '@bufbuild/protobuf';
import { type Client, Code, ConnectError, createClient, type Transport } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from '@connectrpc/connect-node';
import { requestBytesMax } from '@mono-auth/core/limits';
import { ErrorInfoSchema } from '@mono-auth/proto/google/rpc/error_details';
import {
  type Cursor,
  FeedService,
  type GetSnapshotResponse,
  type WatchResponse,
} from '@mono-auth/proto/monoauth/feed/v1/feed';
import { MachineService } from '@mono-auth/proto/monoauth/machines/v1/machines';
import { TenantService } from '@mono-auth/proto/monoauth/tenants/v1/tenants';
import { Basis, ExchangeRequestSchema, TokenService, TokenState } from '@mono-auth/proto/monoauth/tokens/v1/tokens';
import { openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { decodeJwt, type JWK } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { as, openWiresScene, type WiresScene } from './wires-scene.ts';

let db: TestDatabase;
let scene: WiresScene;
beforeAll(async () => {
  db = await openTestDatabase();
  scene = await openWiresScene(db.database, testKek, 'acme');
});
afterAll(async () => {
  await scene.close();
  await db.close();
  expect(scene.errors).toEqual([]);
});

/** Every wire that a stock client can speak, and where. */
const wires: Record<string, () => Transport> = {
  'Connect at the path of the tenant': () => createConnectTransport(main('/t/acme/rpc')),
  'Connect with JSON at the root': () => createConnectTransport({ ...main(''), useBinaryFormat: false }),
  'gRPC-Web at the path of the tenant': () => createGrpcWebTransport(main('/t/acme/rpc')),
  'gRPC-Web with JSON at the root': () => createGrpcWebTransport({ ...main(''), useBinaryFormat: false }),
  'gRPC over h2c': () => createGrpcTransport(h2c()),
  'gRPC with JSON over h2c': () => createGrpcTransport({ ...h2c(), useBinaryFormat: false }),
  'gRPC-Web over h2c': () => createGrpcWebTransport({ ...h2c(), httpVersion: '2' }),
  'Connect over h2c': () => createConnectTransport({ ...h2c(), httpVersion: '2' }),
};

const main = (path: string) => ({ baseUrl: `${scene.installation.baseUrl}${path}`, httpVersion: '1.1' as const });
const h2c = () => ({ baseUrl: scene.grpcUrl });

/** Follows until `done`. */
async function follow(
  client: Client<typeof FeedService>,
  request: { subscriberId: string; cursor?: Cursor },
  done: (response: WatchResponse, count: number) => Promise<boolean> | boolean,
): Promise<void> {
  const leave = new AbortController();
  let count = 0;
  try {
    for await (const response of client.watch(request, { ...as(scene.token), signal: leave.signal })) {
      if (await done(response, ++count)) return;
    }
    throw new Error('the stream ended by itself');
  } finally {
    leave.abort();
  }
}

async function errorOf(call: Promise<unknown>): Promise<ConnectError> {
  const error = await call.then(
    () => expect.fail('the call was answered'),
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(ConnectError);
  return error as ConnectError;
}

const infoOf = (error: ConnectError) => error.findDetails(ErrorInfoSchema)[0];

/** Canonical bytes as feed-engine's README describes them: each field as its length and its bytes. */
function canonical(...fields: (string | Uint8Array | bigint)[]): Buffer {
  return Buffer.concat(
    fields.flatMap((field) => {
      const bytes = typeof field === 'bigint' ? Buffer.alloc(8) : Buffer.from(field);
      if (typeof field === 'bigint') bytes.writeBigUInt64BE(field);
      const length = Buffer.alloc(4);
      length.writeUInt32BE(bytes.length);
      return [length, bytes];
    }),
  );
}

/** Opens a snapshot as the contract describes it, with the key that the certificate names (RFC 7518 §3.4). */
function openSnapshot(messages: GetSnapshotResponse[], certificate: string) {
  const { jwk } = decodeJwt<{ jwk: JWK }>(certificate);
  const key = createPublicKey({ key: jwk, format: 'jwk' });
  const [first] = messages;
  if (!first?.head) throw new Error('no head');
  const { tenantId, incarnation, seq, hash } = first.head;
  const bytes = Buffer.concat(messages.map(({ piece }) => piece));
  const digest = createHash('sha256').update(bytes).digest();
  const signed = canonical('mono-auth/feed/snapshot/v1', tenantId, incarnation, seq, hash, digest);
  expect(verify('sha256', signed, { key, dsaEncoding: 'ieee-p1363' }, first.snapshotSignature)).toBe(true);
  expect(digest.equals(first.snapshotHash)).toBe(true);
  return { cursor: { incarnation, seq, hash } as Cursor, state: JSON.parse(bytes.toString()) };
}

describe.each(Object.entries(wires))('over %s', (wire, open) => {
  test('a unary call is answered, and a refused one says why', async () => {
    const client = createClient(TenantService, open());
    const { tenant } = await client.getTenant({}, as(scene.token));
    expect(tenant?.slug).toBe('acme');
    const denied = await errorOf(client.listTenants({}, as(scene.token)));
    expect([denied.code, infoOf(denied)]).toMatchObject([
      Code.PermissionDenied,
      { reason: 'denied', domain: 'monoauth', metadata: { retryable: 'false' } },
    ]);
    const stranger = await errorOf(client.getTenant({}));
    expect([stranger.code, infoOf(stranger)?.reason]).toEqual([Code.Unauthenticated, 'not_authenticated']);
  });

  test('the feed is followed and resumed by its cursor; a false cursor is refused inside the stream', async () => {
    const client = createClient(FeedService, open());
    const { subscriberId } = await client.register({ name: wire }, as(scene.token));
    let reached: Cursor | undefined;
    const seen: bigint[] = [];
    await follow(client, { subscriberId }, async ({ entries, head }, count) => {
      if (count === 1) await scene.revokeSomething();
      if (!head) throw new Error('no head');
      reached = { incarnation: head.incarnation, seq: head.seq, hash: head.hash } as Cursor;
      seen.push(...entries.map(({ seq }) => seq));
      return entries.length > 0 && count > 1;
    });
    expect(seen).toEqual(seen.map((_, i) => BigInt(i + 1)));
    await scene.revokeSomething();
    const after: bigint[] = [];
    await follow(client, { subscriberId, cursor: reached as Cursor }, ({ entries }) => {
      after.push(...entries.map(({ seq }) => seq));
      return after.length > 0;
    });
    expect(after[0]).toBe((seen.at(-1) ?? 0n) + 1n);

    const cursor = { ...(reached as Cursor), hash: new Uint8Array(32) } as Cursor;
    const error = await errorOf(follow(client, { subscriberId, cursor }, () => false));
    expect([error.code, infoOf(error)?.reason]).toEqual([Code.OutOfRange, 'reset_required']);
  });
});

describe.each(Object.entries(wires))('token exchange over %s', (_, open) => {
  test('is answered once for one assertion, and a refused one says why', async () => {
    const client = createClient(TokenService, open());
    const message = async () => fromJson(ExchangeRequestSchema, await scene.exchangeMessage());
    const plain = await client.exchange(await message());
    expect(plain).toMatchObject({ tokenType: 'Bearer', scope: 'orders:read', expiresIn: 300 });
    expect(decodeJwt(plain.accessToken)).toMatchObject({ iss: scene.issuer, aud: 'https://orders.example' });

    const twice = await message();
    await client.exchange(twice);
    const spent = await errorOf(client.exchange(twice));
    expect([spent.code, infoOf(spent)?.reason]).toEqual([Code.Unauthenticated, 'invalid_client']);
    const bad = await errorOf(client.exchange({ ...(await message()), audience: [] }));
    expect([bad.code, infoOf(bad)?.reason]).toEqual([Code.InvalidArgument, 'invalid_request']);
  });
});

describe.each(Object.entries(wires))('an explanation over %s', (_, open) => {
  test('is given to who holds the token, by its id to who may ask for it, and to nobody else', async () => {
    const client = createClient(TokenService, open());
    const message = fromJson(ExchangeRequestSchema, await scene.exchangeMessage());
    const { accessToken: value } = await client.exchange(message);
    const { jti = '', sub } = decodeJwt(value);
    const byToken = { of: { case: 'token', value } } as const;
    const byId = { of: { case: 'jti', value: jti } } as const;
    const chain = { jti, subject: sub, actors: [`client:${scene.workload.id}`], state: TokenState.ACTIVE };
    for (const token of [scene.token, scene.narrowToken]) {
      expect(await client.explain(byToken, as(token))).toMatchObject({ ...chain, basis: Basis.TOKEN });
    }
    expect(await client.explain(byId, as(scene.token))).toMatchObject({ ...chain, basis: Basis.EVIDENCE });
    const unseen = await errorOf(client.explain(byId, as(scene.narrowToken)));
    expect([unseen.code, infoOf(unseen)?.reason, unseen.rawMessage]).toEqual([
      ...[Code.NotFound, 'not_found', 'token not found'],
    ]);
    const stranger = await errorOf(client.explain(byToken));
    expect([stranger.code, infoOf(stranger)?.reason]).toEqual([Code.Unauthenticated, 'not_authenticated']);
    const nothing = await errorOf(client.explain({}, as(scene.token)));
    expect([nothing.code, infoOf(nothing)?.reason]).toEqual([Code.InvalidArgument, 'invalid_request']);
  });
});

describe.each(Object.entries(wires))('the snapshot over %s', (wire, open) => {
  test('is taken and verified, followed from where it stands, and refused to one who had proven more', async () => {
    const client = createClient(FeedService, open());
    const { subscriberId, feedKeyCertificate } = await client.register({ name: `snapshot ${wire}` }, as(scene.token));
    await scene.revokeSomething();
    const messages = await Array.fromAsync(client.getSnapshot({ subscriberId }, as(scene.token)));
    const { cursor, state } = openSnapshot(messages, feedKeyCertificate);
    expect([state.v, BigInt(state.seq)]).toEqual([1, cursor.seq]);
    expect(state.cuts.length).toBeGreaterThan(0);
    await scene.revokeSomething();
    const seen: bigint[] = [];
    await follow(client, { subscriberId, cursor }, ({ entries }) => {
      seen.push(...entries.map(({ seq }) => seq));
      return seen.length > 0;
    });
    expect(seen[0]).toBe(cursor.seq + 1n);

    const proven = { ...cursor, hash: new Uint8Array(32) };
    const error = await errorOf(Array.fromAsync(client.getSnapshot({ subscriberId, proven }, as(scene.token))));
    expect([error.code, infoOf(error)?.reason]).toEqual([Code.OutOfRange, 'reset_required']);
  });
});

describe('at the gRPC port', () => {
  test('a public call finds its tenant by its credential', async () => {
    const client = createClient(MachineService, createGrpcTransport(h2c()));
    const { token: invite } = await client.createInvite({ hostName: 'one', ttlSeconds: 600 }, as(scene.token));
    expect((await client.challenge({ credential: invite })).nonce).not.toBe('');
  });

  test('everything that names a tenant names the one of the token, or the call is not found', async () => {
    await scene.installation.provision('globex');
    const foreign = await (await scene.installation.signIn('globex')).token();
    const atAcme = createClient(TenantService, createGrpcTransport({ baseUrl: `${scene.grpcUrl}/t/acme/rpc` }));
    const atRoot = createClient(TenantService, createGrpcTransport(h2c()));
    expect((await atAcme.getTenant({}, as(scene.token))).tenant?.slug).toBe('acme');
    const headers = { authorization: `Bearer ${scene.token}`, 'x-tenant-id': 'globex' };
    for (const call of [atAcme.getTenant({}, as(foreign)), atRoot.getTenant({}, { headers })]) {
      const error = await errorOf(call);
      expect([error.code, infoOf(error)?.reason]).toEqual([Code.NotFound, 'not_found']);
    }
  });

  test('identity headers end at the edge, and the id of the request is ours', async () => {
    const client = createClient(TenantService, createGrpcTransport(h2c()));
    let requestId: string | null = null;
    scene.arrived.length = 0;
    const headers = {
      authorization: `Bearer ${scene.token}`,
      'x-user-id': 'forged',
      x_scopes: 'forged',
      'x-a': 'kept',
    };
    const onHeader = (answer: Headers) => {
      requestId = answer.get('x-request-id');
    };
    await client.getTenant({}, { headers: { ...headers, 'x-request-id': 'chosen' }, onHeader });
    const [first] = scene.arrived;
    expect([...(first ?? new Headers())].filter(([, value]) => value === 'forged')).toEqual([]);
    expect(first?.get('x-a')).toBe('kept');
    expect(requestId).toMatch(/^req_/);
  });

  test('a body over the limit and a method that is not there are refused in the protocol of the call', async () => {
    const transport = createGrpcTransport({ ...h2c(), writeMaxBytes: requestBytesMax * 4 });
    const large = { name: 'x'.repeat(requestBytesMax + 1) };
    const error = await errorOf(createClient(FeedService, transport).register(large, as(scene.token)));
    expect([error.code, infoOf(error)?.reason]).toEqual([Code.ResourceExhausted, 'too_large']);
    const nothing = createClient(TenantService, createGrpcTransport({ baseUrl: `${scene.grpcUrl}/nothing` }));
    expect((await errorOf(nothing.getTenant({}, as(scene.token)))).code).toBe(Code.Unimplemented);
  });
});

// It ends every stream of the scene: it stays the last.
test('when the server stops, streams end within three seconds, to be resumed', async () => {
  const started = performance.now();
  const streams = await Promise.all(
    Object.entries(wires).map(async ([wire, open]) => {
      const client = createClient(FeedService, open());
      const { subscriberId } = await client.register({ name: `${wire}, last` }, as(scene.token));
      const first = Promise.withResolvers<void>();
      const ended = follow(client, { subscriberId }, () => {
        first.resolve();
        return false;
      });
      ended.catch(() => {});
      await first.promise;
      return { ended };
    }),
  );
  scene.installation.controlPlane.endStreams();
  await scene.grpc.stop(3_000);
  for (const { ended } of streams) {
    const error = await errorOf(ended);
    expect([error.code, infoOf(error)?.reason]).toEqual([Code.Unavailable, 'unavailable']);
  }
  expect(performance.now() - started).toBeLessThan(6_000);
});
