import { connect } from 'node:net';
import { newId } from '@mono-auth/core/ids';
import { requestBytesMax } from '@mono-auth/core/limits';
import { systemRuntime } from '@mono-auth/core/runtime';
import type { Ingress } from '@mono-auth/transport';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createGateway, type RoutedTenant } from './index.ts';

const acme: RoutedTenant = { id: newId(systemRuntime, 'ten'), slug: 'acme', status: 'active' };
const asleep: RoutedTenant = { id: newId(systemRuntime, 'ten'), slug: 'asleep', status: 'suspended' };

let server: ReturnType<typeof Bun.serve>;
/** What reached the control plane. */
let forwarded: { request: Request; ingress: Ingress; body: string }[] = [];

beforeAll(() => {
  let handle: (request: Request, ip: string) => Response | Promise<Response>;
  server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    fetch: (request, self) => handle(request, self.requestIP(request)?.address ?? ''),
  });
  const gateway = createGateway({
    runtime: systemRuntime,
    baseUrl: `http://mono.localhost:${server.port}`,
    find: async (name) => [acme, asleep].find(({ id, slug }) => name === id || name === slug),
    forward: async (request, ingress) => {
      forwarded.push({ request, ingress, body: await request.text() });
      return new Response('answered', { status: ingress.refusal ? ingress.refusal.row.http : 200 });
    },
    onRefusal: () => {},
  });
  handle = (request, ip) => gateway.fetch(request, { ip });
});
afterAll(() => server.stop(true));
beforeEach(() => {
  forwarded = [];
});

type Header = readonly [name: string, value: string];

/** Sends a request exactly as it is written: a client library would fold paths and rename headers. */
function send(target: string, headers: readonly Header[] = [], host = 'mono.localhost', body = ''): Promise<string> {
  const lines = [
    `${body ? 'POST' : 'GET'} ${target} HTTP/1.1`,
    `Host: ${host}:${server.port}`,
    ...headers.map(([name, value]) => `${name}: ${value}`),
    ...(body ? [`Content-Length: ${Buffer.byteLength(body)}`] : []),
    'Connection: close',
  ];
  return new Promise((resolve, reject) => {
    const socket = connect(server.port as number, '127.0.0.1', () =>
      socket.write(`${lines.join('\r\n')}\r\n\r\n${body}`),
    );
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString();
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(text));
  });
}

function only() {
  const [first, ...others] = forwarded;
  if (!first || others.length > 0) throw new Error(`${forwarded.length} requests were forwarded`);
  return first;
}

describe('headers by which the services behind learn who calls', () => {
  const names = [
    'X-User-ID',
    'X-ABAC-Filter',
    'X-Principal-ID',
    'X-Scopes',
    'X-Roles',
    'X-Permissions',
    'X-Tenant-Role',
    'X-Forwarded-User',
    'Remote-User',
    'Txn-Token',
    'X-Mono-Context',
    'X-Auth-Request-Email',
    'X-Identity-Anything',
  ];
  /** One name in every spelling that a server behind might take for it. */
  const spellings = (name: string) => [
    ...[name, name.toLowerCase(), name.toUpperCase()],
    ...[name.replaceAll('-', '_'), name.replaceAll('-', '_').toLowerCase(), name.replace('-', '_')],
    name.replace(/[a-z]/g, (letter, at: number) => (at % 2 === 0 ? letter.toUpperCase() : letter)),
  ];

  test.each(names.flatMap(spellings))('%s of a client never gets through', async (name) => {
    for (const path of ['/t/acme/account', '/t/nobody/account', '/healthz']) {
      forwarded = [];
      await send(path, [
        [name, 'forged'],
        ['X-Ordinary', 'kept'],
      ]);
      const headers = [...only().request.headers];
      expect(headers.filter(([, value]) => value.includes('forged'))).toEqual([]);
      expect(headers).toContainEqual(['x-ordinary', 'kept']);
    }
  });

  test('what a client sends beside them gets through as it is', async () => {
    await send(
      '/t/acme/oauth2/token?a=1',
      [
        ['Authorization', 'Bearer x'],
        ['Cookie', 'a=1'],
        ['Content-Type', 'text/plain'],
      ],
      undefined,
      'the body',
    );
    const { request, body } = only();
    expect(Object.fromEntries(request.headers)).toMatchObject({ authorization: 'Bearer x', cookie: 'a=1' });
    expect([request.method, new URL(request.url).search, body]).toEqual(['POST', '?a=1', 'the body']);
  });

  test('a tenant named in a header is compared and goes no further', async () => {
    await send('/t/acme/account', [['X_Tenant_ID', acme.id]]);
    expect(only().ingress.tenant).toEqual({ id: acme.id, slug: 'acme' });
    expect([...only().request.headers.keys()].filter((name) => name.includes('tenant'))).toEqual([]);
  });

  test('headers of the connection end at the edge', async () => {
    await send('/t/acme/account', [
      ['Keep-Alive', 'timeout=5'],
      ['TE', 'trailers'],
      ['Proxy-Connection', 'keep-alive'],
    ]);
    const names = [...only().request.headers.keys()];
    expect(names.filter((name) => /^(?:connection|keep-alive|te|proxy-connection)$/.test(name))).toEqual([]);
  });
});

describe('a path that two parsers could read in two ways', () => {
  test.each([
    '//t/acme/account',
    '/t//acme/account',
    '/t/acme//auth/token',
    '/t/acme/auth%2ftoken',
    '/t/acme/auth%2Ftoken',
    '/t/acme/auth%5ctoken',
    '/t/acme/auth/tok%2een',
    '/t/acme/..%2Fother/account',
    '/t/acme/auth%00token',
    '/t/acme/auth%0atoken',
    '/t/acme/auth%7ftoken',
  ])('%s is refused', async (target) => {
    const answer = await send(target);
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(only().ingress.refusal?.reason).toBe('invalid_request');
  });

  test.each([
    ['/t/acme/./account', '/t/acme/account'],
    ['/t/asleep/../acme/account', '/t/acme/account'],
    ['/t/asleep/%2e%2E/acme/account', '/t/acme/account'],
    ['/t/acme/%2E/account', '/t/acme/account'],
    ['/t/acme/auth\\token', '/t/acme/auth/token'],
    ['\\t\\acme\\account', '/t/acme/account'],
  ])('%s is refused, or is %s for everybody behind', async (target, folded) => {
    const answer = await send(target);
    if (forwarded.length === 0) return expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    const { request, ingress } = only();
    if (ingress.refusal) return expect(ingress.refusal.reason).toBe('invalid_request');
    expect(new URL(request.url).pathname).toBe(folded);
    expect(ingress.tenant?.slug).toBe('acme');
  });
});

describe('the tenant of a request', () => {
  test.each([
    ['a path', '/t/acme/account', 'mono.localhost'],
    ['a path of discovery', '/.well-known/oauth-authorization-server/t/acme', 'mono.localhost'],
    ['a host', '/account', 'acme.mono.localhost'],
    ['a host in capitals', '/account', 'ACME.Mono.LocalHost'],
    ['a path by id', `/t/${acme.id}/account`, 'mono.localhost'],
  ])('is found in %s', async (_, target, host) => {
    await send(target, [], host);
    expect(only().ingress.tenant).toEqual({ id: acme.id, slug: 'acme' });
  });

  test.each(['mono.localhost', 'acme.example', 'acmemono.localhost', 'a.acme.mono.localhost', '.mono.localhost'])(
    'is not found in the host %s',
    async (host) => {
      await send('/account', [], host);
      const { tenant, refusal } = only().ingress;
      expect([tenant, refusal]).toEqual([undefined, undefined]);
    },
  );

  test.each(['/t/nobody/account', '/t/asleep/account', `/t/${asleep.id}/account`])(
    'that is not there or not active is not found: %s',
    async (target) => {
      await send(target);
      const { tenant, refusal } = only().ingress;
      expect([tenant, refusal?.detail]).toEqual([undefined, 'tenant not found']);
    },
  );
});

test('an answer carries the id of its request, which the client has not chosen', async () => {
  const answer = await send('/t/acme/account', [['X-Request-Id', 'chosen']]);
  const { requestId, ip } = only().ingress;
  expect(requestId).toMatch(/^req_/);
  expect(answer.toLowerCase()).toContain(`x-request-id: ${requestId}`);
  expect(ip).toBe('127.0.0.1');
});

test('an answer cannot be framed, sniffed or embedded', async () => {
  const answer = (await send('/t/acme/account')).toLowerCase();
  for (const header of ['x-frame-options: deny', 'x-content-type-options: nosniff', 'referrer-policy: same-origin']) {
    expect(answer).toContain(header);
  }
});

test('a body that came in chunks is forwarded whole, with its length', async () => {
  const body = new Blob(['grant_type=', 'client_credentials']).stream();
  await fetch(`http://127.0.0.1:${server.port}/t/acme/oauth2/token`, { method: 'POST', body });
  const { request, body: text } = only();
  expect([text, request.headers.get('content-length')]).toEqual(['grant_type=client_credentials', '29']);
  expect(request.headers.get('transfer-encoding')).toBe(null);
});

test('a body beyond the limit is refused and never forwarded', async () => {
  const answer = await fetch(`http://127.0.0.1:${server.port}/t/acme/oauth2/token`, {
    method: 'POST',
    body: 'x'.repeat(requestBytesMax + 1),
  });
  expect(answer.status).toBe(413);
  expect(await answer.json()).toMatchObject({ reason: 'too_large' });
  expect(forwarded).toEqual([]);
});
