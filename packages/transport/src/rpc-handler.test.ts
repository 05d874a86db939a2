import { create } from '@bufbuild/protobuf';
import { type Client, Code, ConnectError, type ConnectRouter, createClient } from '@connectrpc/connect';
import { createConnectTransport, createGrpcWebTransport } from '@connectrpc/connect-node';
import { Refusal } from '@mono-auth/core/errors';
import { newId, type TenantId } from '@mono-auth/core/ids';
import { requestBytesMax } from '@mono-auth/core/limits';
import type { Caller } from '@mono-auth/core/principal';
import { ErrorInfoSchema, RetryInfoSchema } from '@mono-auth/proto/google/rpc/error_details';
import { FeedService, WatchResponseSchema } from '@mono-auth/proto/monoauth/feed/v1/feed';
import { MachineService } from '@mono-auth/proto/monoauth/machines/v1/machines';
import { TenantService } from '@mono-auth/proto/monoauth/tenants/v1/tenants';
import { FakeRuntime } from '@mono-auth/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { callOf, createRpcFetch, type Denial, type Ingress, ingressOf, reasonOf } from './index.ts';

const runtime = new FakeRuntime();
const tenant = { id: newId(runtime, 'ten'), slug: 'one' };
const platform = newId(runtime, 'ten');
const ingress: Ingress = { requestId: newId(runtime, 'req'), ip: '192.0.2.1', tenant };

/** Tokens of these tests: `<tenant> <scope…>`. What a token is worth is the business of `tokens`. */
async function authenticate(authorization: string | null): Promise<Caller> {
  if (!authorization) throw new Refusal('not_authenticated', 'a bearer token is needed');
  const [name, ...scope] = authorization.replace('Bearer ', '').split(' ');
  if (name === 'broken') throw new Error('connection refused by 10.0.0.7');
  return callerOf(name === 'platform' ? platform : tenant.id, scope);
}

function callerOf(tenantId: TenantId, scope: readonly string[]): Caller {
  return {
    principal: `user:${newId(runtime, 'usr')}`,
    tenantId,
    tenantSlug: tenant.slug,
    tenantRole: 'owner',
    scope: new Set(scope),
    tokenId: undefined,
    sessionId: undefined,
    clientId: undefined,
    act: undefined,
    requestId: ingress.requestId,
    ip: ingress.ip,
  };
}

let server: ReturnType<typeof Bun.serve>;
/** What the handlers do; each test sets its own. */
let behave: (caller: Caller | undefined) => unknown;
let ran: string[];
let denials: Denial[];
let refused: Refusal[];
let recordFails: boolean;
/** What the edge has found of the request that comes next. */
let atEdge: Ingress;

function routes(router: ConnectRouter): void {
  router.service(FeedService, {
    async *watch(_, context) {
      ran.push('watch');
      yield create(WatchResponseSchema, { head: { seq: 1n } });
      await behave(callOf(runtime, context).caller);
    },
    async register(_, context) {
      ran.push('register');
      await behave(callOf(runtime, context).caller);
      return { subscriberId: 'x' };
    },
  });
  router.service(TenantService, {
    async listTenants() {
      ran.push('listTenants');
      return {};
    },
  });
  router.service(MachineService, {
    async challenge(_, context) {
      ran.push('challenge');
      expect(ingressOf(context)).toBe(ingress);
      if (behave(undefined) === 'ask') callOf(runtime, context);
      return { nonce: 'x' };
    },
  });
}

beforeAll(() => {
  const rpc = createRpcFetch({
    routes,
    authenticate,
    isPlatform: (caller) => caller.tenantId === platform,
    async record(denial) {
      if (recordFails) throw new Refusal('audit_unavailable', 'the audit log cannot be written now');
      denials.push(denial);
    },
    onRefusal: (refusal) => refused.push(refusal),
  });
  server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    // Larger than our own limit, so that ours is the one that answers.
    maxRequestBodySize: requestBytesMax * 2,
    fetch: (request) =>
      rpc(request, new URL(request.url).pathname, atEdge) ?? new Response('no such method', { status: 404 }),
  });
});
afterAll(() => server.stop(true));
beforeEach(() => {
  behave = () => {};
  ran = [];
  denials = [];
  refused = [];
  recordFails = false;
  atEdge = ingress;
});

interface Clients {
  readonly feed: Client<typeof FeedService>;
  readonly tenants: Client<typeof TenantService>;
  readonly machines: Client<typeof MachineService>;
}

const protocols: Record<string, () => Clients> = {
  'Connect with JSON': () => clientsOver(createConnectTransport({ ...address(), useBinaryFormat: false })),
  'Connect with binary': () => clientsOver(createConnectTransport({ ...address(), useBinaryFormat: true })),
  'gRPC-Web': () => clientsOver(createGrpcWebTransport(address())),
};

function address(): { baseUrl: string; httpVersion: '1.1' } {
  return { baseUrl: `http://127.0.0.1:${server.port}`, httpVersion: '1.1' };
}

function clientsOver(transport: ReturnType<typeof createConnectTransport>): Clients {
  return {
    feed: createClient(FeedService, transport),
    tenants: createClient(TenantService, transport),
    machines: createClient(MachineService, transport),
  };
}

function as(token: string): { headers: Record<string, string> } {
  return { headers: { authorization: `Bearer ${token}` } };
}

/** The error that a call ends with. */
async function errorOf(call: Promise<unknown>): Promise<ConnectError> {
  const error = await call.then(
    () => expect.fail('the call was answered'),
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(ConnectError);
  return error as ConnectError;
}

async function received<T>(stream: AsyncIterable<T>, into: T[] = []): Promise<T[]> {
  for await (const message of stream) into.push(message);
  return into;
}

describe.each(Object.entries(protocols))('over %s', (_, open) => {
  let clients: Clients;
  beforeAll(() => {
    clients = open();
  });

  test('a caller with the permission is answered, and the handler is handed that caller', async () => {
    const seen: (string | undefined)[] = [];
    behave = (caller) => seen.push(caller?.tenantId);
    const answer = await clients.feed.register({ name: 'one' }, as('one feed:follow'));
    expect([answer.subscriberId, ...seen]).toEqual(['x', tenant.id]);
    expect(await received(clients.feed.watch({ subscriberId: 'x' }, as('one feed:follow')))).toHaveLength(1);
    expect(denials).toEqual([]);
  });

  test('a caller without a token is refused before anything runs, and the refusal is recorded', async () => {
    const error = await errorOf(clients.feed.register({ name: 'one' }));
    expect([error.code, reasonOf(error)]).toEqual([Code.Unauthenticated, 'not_authenticated']);
    expect([ran, denials]).toMatchObject([
      [],
      [{ method: 'monoauth.feed.v1.FeedService/Register', permission: 'feed:follow', ingress }],
    ]);
    expect(denials[0]?.caller).toBeUndefined();
  });

  test('a refusal of the edge is said in the protocol, and recorded where the edge has found the tenant', async () => {
    const refusal = new Refusal('not_authenticated', 'token refused: it has been revoked');
    for (const found of [tenant, undefined]) {
      atEdge = { ...ingress, tenant: found, refusal };
      const error = await errorOf(clients.feed.register({ name: 'one' }, as('one feed:follow')));
      expect([error.code, error.rawMessage, ran]).toEqual([Code.Unauthenticated, refusal.detail, []]);
    }
    expect(denials).toMatchObject([{ method: 'monoauth.feed.v1.FeedService/Register', refusal, ingress: { tenant } }]);
    atEdge = { ...ingress, refusal: new Refusal('feed_stale', 'revocations cannot be known now') };
    const error = await errorOf(clients.feed.register({ name: 'one' }, as('one feed:follow')));
    expect([error.code, ran, denials.length]).toEqual([Code.Unavailable, [], 1]);
  });

  test('a caller without the permission is denied, with a reason, before anything runs', async () => {
    const unary = await errorOf(clients.feed.register({ name: 'one' }, as('one feed:read')));
    const stream = await errorOf(received(clients.feed.watch({ subscriberId: 'x' }, as('one feed:read'))));
    for (const error of [unary, stream]) {
      expect([error.code, reasonOf(error)]).toEqual([Code.PermissionDenied, 'denied']);
      expect(error.rawMessage).toBe('this method needs the permission feed:follow');
      const [info] = error.findDetails(ErrorInfoSchema);
      expect(info).toMatchObject({ domain: 'monoauth', metadata: { retryable: 'false' } });
    }
    expect(ran).toEqual([]);
    expect(denials.map(({ caller, refusal }) => [caller?.tenantId, refusal.reason])).toEqual([
      [tenant.id, 'denied'],
      [tenant.id, 'denied'],
    ]);
  });

  test('a method of the platform is refused to any other tenant, whatever its token says', async () => {
    const error = await errorOf(clients.tenants.listTenants({}, as('one tenants:list')));
    expect([error.code, reasonOf(error), ran]).toEqual([Code.PermissionDenied, 'denied', []]);
    await clients.tenants.listTenants({}, as('platform tenants:list'));
    const unscoped = await errorOf(clients.tenants.listTenants({}, as('platform tenants:read')));
    expect([reasonOf(unscoped), ran]).toEqual(['denied', ['listTenants']]);
  });

  test('a refused call whose evidence cannot be written is answered with that', async () => {
    recordFails = true;
    const error = await errorOf(clients.feed.register({ name: 'one' }));
    expect([error.code, reasonOf(error), ran]).toEqual([Code.Unavailable, 'audit_unavailable', []]);
  });

  test('a public method takes no token and has no caller to ask for', async () => {
    await clients.machines.challenge({ credential: 'x' });
    behave = () => 'ask';
    const error = await errorOf(clients.machines.challenge({ credential: 'x' }, as('one feed:follow')));
    expect(reasonOf(error)).toBe('not_authenticated');
  });

  test('a refusal keeps code, reason, detail and delay; its cause stays inside', async () => {
    behave = () => {
      throw new Refusal('rate_limited', 'slow down', { retryAfterMs: 2500, cause: new Error('bucket 10.0.0.7') });
    };
    const error = await errorOf(clients.feed.register({ name: 'one' }, as('one feed:follow')));
    expect([error.code, reasonOf(error), error.rawMessage]).toEqual([
      Code.ResourceExhausted,
      'rate_limited',
      'slow down',
    ]);
    expect(error.findDetails(RetryInfoSchema)[0]?.retryDelay).toMatchObject({ seconds: 2n, nanos: 500_000_000 });
    expect(refused.map(({ cause }) => (cause as Error).message)).toEqual(['bucket 10.0.0.7']);
  });

  test('a refusal raised inside a stream reaches the client after the messages before it, and not as code 13', async () => {
    behave = () => {
      throw new Refusal('reset_required', 'the cursor is too old');
    };
    const before: unknown[] = [];
    const error = await errorOf(received(clients.feed.watch({ subscriberId: 'x' }, as('one feed:follow')), before));
    expect(before).toHaveLength(1);
    expect([error.code, reasonOf(error), error.rawMessage]).toEqual([
      Code.OutOfRange,
      'reset_required',
      'the cursor is too old',
    ]);
  });

  test('an error of ours that nobody foresaw is internal and its message is withheld, unary and in a stream', async () => {
    behave = () => {
      throw new Error('duplicate key value violates "hosts_pkey"');
    };
    const unary = await errorOf(clients.feed.register({ name: 'one' }, as('one feed:follow')));
    const stream = await errorOf(received(clients.feed.watch({ subscriberId: 'x' }, as('one feed:follow'))));
    const inAccess = await errorOf(clients.feed.register({ name: 'one' }, as('broken feed:follow')));
    for (const error of [unary, stream, inAccess]) {
      expect([error.code, reasonOf(error), error.rawMessage]).toEqual([Code.Internal, 'internal', 'internal error']);
    }
    expect(refused.map(({ cause }) => (cause as Error).message)).toEqual([
      'duplicate key value violates "hosts_pkey"',
      'duplicate key value violates "hosts_pkey"',
      'connection refused by 10.0.0.7',
    ]);
  });

  test('an invalid message is refused by the name of its field, and only for a caller who may call', async () => {
    const long = 'x'.repeat(121);
    const stranger = await errorOf(clients.feed.register({ name: long }));
    expect(reasonOf(stranger)).toBe('not_authenticated');
    const unary = await errorOf(clients.feed.register({ name: long }, as('one feed:follow')));
    expect([unary.code, reasonOf(unary)]).toEqual([Code.InvalidArgument, 'invalid_request']);
    expect(unary.rawMessage).toMatch(/^name: /);
    const stream = await errorOf(received(clients.feed.watch({ subscriberId: long }, as('one feed:follow'))));
    expect([stream.code, reasonOf(stream)]).toEqual([Code.InvalidArgument, 'invalid_request']);
    expect(stream.rawMessage).toMatch(/^subscriber_id: /);
    expect(ran).toEqual([]);
  });

  test('a body over the limit is refused as exhausted resources, before anything runs', async () => {
    const body = { name: 'x'.repeat(requestBytesMax + 1) };
    const error = await errorOf(clients.feed.register(body, as('one feed:follow')));
    expect([error.code, ran]).toEqual([Code.ResourceExhausted, []]);
  });

  test('a method without a handler is unimplemented', async () => {
    const error = await errorOf(clients.tenants.getTenant({}, as('one tenants:read')));
    expect([error.code, reasonOf(error)]).toEqual([Code.Unimplemented, 'unimplemented']);
  });
});

test('a path that names no method is left to others', async () => {
  const response = await fetch(`${address().baseUrl}/monoauth.feed.v1.FeedService/Nothing`, { method: 'POST' });
  expect(response.status).toBe(404);
});

test('a request that did not come through the edge is a defect of ours, not a refusal of the caller', () => {
  expect(() => ingressOf({ values: { get: () => undefined } as never })).toThrow('did not come through the edge');
});
