import { gzipSync } from 'node:zlib';
import { create, toBinary } from '@bufbuild/protobuf';
import type { HandlerContext } from '@connectrpc/connect';
import { Refusal } from '@mono-auth/core/errors';
import { newId } from '@mono-auth/core/ids';
import { MachineService } from '@mono-auth/proto/monoauth/machines/v1/machines';
import { type ExchangeRequest, ExchangeRequestSchema, TokenService } from '@mono-auth/proto/monoauth/tokens/v1/tokens';
import { FakeRuntime } from '@mono-auth/testing';
import { beforeEach, describe, expect, test } from 'vitest';
import { type DirectContext, directUnary } from './direct-unary.ts';
import { createRpcFetch, type Ingress, ingressOf } from './index.ts';

/* The same RPC by hand and by the framework: nobody can tell them apart but by the time that they take. */

const runtime = new FakeRuntime();
const ingress: Ingress = { requestId: newId(runtime, 'req'), ip: '192.0.2.1', tenant: undefined };
const path = '/monoauth.tokens.v1.TokenService/Exchange';
let byFramework: number;
let byHand: number;
let refusals: string[];
beforeEach(() => {
  [byFramework, byHand, refusals] = [0, 0, []];
});

async function exchange({ scope, audience }: ExchangeRequest, context: DirectContext) {
  expect(ingressOf(context)).toBe(ingress);
  if (scope === 'refuse') throw new Refusal('invalid_target', 'audience: not one of this client');
  if (scope === 'nonce') throw new Refusal('use_dpop_nonce', 'a nonce', { dpopNonce: 'n-1' });
  if (scope === 'later') throw new Refusal('audit_unavailable', 'not now', { retryAfterMs: 2000 });
  if (scope === 'break') throw new Error('connection refused by 10.0.0.7');
  context.responseHeader.set('cache-control', 'no-store');
  return {
    accessToken: 'made',
    scope: `${scope} ${context.requestHeader.get('x-sent') ?? ''}`,
    expiresIn: audience.length,
  };
}

const options = {
  authenticate: async () => expect.fail('a public method asks for no token'),
  record: async () => {},
  isPlatform: () => false,
  onRefusal: ({ reason }: Refusal) => refusals.push(reason),
};
const stock = createRpcFetch({
  ...options,
  routes: (router) =>
    router.service(TokenService, {
      exchange(message, context: HandlerContext) {
        byFramework += 1;
        return exchange(message, context);
      },
    }),
});
const both = createRpcFetch({
  ...options,
  routes: (router) =>
    router.service(TokenService, {
      exchange(message, context: HandlerContext) {
        byFramework += 1;
        return exchange(message, context);
      },
    }),
  direct: [
    directUnary(TokenService.method.exchange, (message, context) => {
      byHand += 1;
      return exchange(message, context);
    }),
  ],
});

interface Asked {
  readonly body?: BodyInit;
  readonly headers?: Record<string, string>;
  readonly method?: string;
}

const json = { 'content-type': 'application/json' };
const proto = { 'content-type': 'application/proto' };
const text = (message: object): Asked => ({ body: JSON.stringify(message), headers: json });
const binary = (message: object): Asked => ({
  body: toBinary(ExchangeRequestSchema, create(ExchangeRequestSchema, message)) as BodyInit,
  headers: proto,
});

async function ask(rpc: typeof stock, asked: Asked) {
  const request = new Request(`http://localhost${path}`, { method: 'POST', ...asked });
  const response = (await rpc(request, path, ingress)) as Response;
  const names = ['content-type', 'cache-control', 'dpop-nonce', 'www-authenticate'];
  const body = Buffer.from(await response.arrayBuffer()).toString('latin1');
  return { status: response.status, headers: names.map((name) => response.headers.get(name)), body };
}

describe('by hand as by the framework', () => {
  test.each<[string, Asked]>([
    ['JSON', text({ scope: 'a', audience: ['x', 'y'] })],
    ['protobuf', binary({ scope: 'a', audience: ['x', 'y'] })],
    ['a header that was sent', { ...text({ scope: 'a' }), headers: { ...json, 'x-sent': 'b' } }],
    ['the version of the protocol', { ...text({ scope: 'a' }), headers: { ...json, 'connect-protocol-version': '1' } }],
    ['a field that nobody knows', text({ scope: 'a', unheard: [1] })],
    ['names of protobuf', text({ subject_token: 'x', scope: 'a' })],
    ['no field at all', text({})],
    ['an empty message', binary({})],
    ['a refusal', text({ scope: 'refuse' })],
    ['a refusal of a binary request', binary({ scope: 'refuse' })],
    ['a nonce', text({ scope: 'nonce' })],
    ['a refusal that may pass', text({ scope: 'later' })],
    ['our own failure', text({ scope: 'break' })],
  ])('%s', async (_, asked) => {
    const expected = await ask(stock, asked);
    const told = refusals.splice(0);
    expect(await ask(both, asked)).toEqual(expected);
    expect(refusals).toEqual(told);
    expect([byFramework, byHand]).toEqual([1, 1]);
  });
});

describe('what is special goes to the framework', () => {
  test.each<[string, Asked]>([
    ['a deadline', { ...text({ scope: 'a' }), headers: { ...json, 'connect-timeout-ms': '5000' } }],
    [
      'a compressed body',
      { body: gzipSync('{"scope":"a"}') as BodyInit, headers: { ...json, 'content-encoding': 'gzip' } },
    ],
    ['a parameter of the media type', { body: '{}', headers: { 'content-type': 'application/json; charset=utf-8' } }],
    ['another media type', { body: '{}', headers: { 'content-type': 'text/plain' } }],
    ['another version', { body: '{}', headers: { ...json, 'connect-protocol-version': '2' } }],
    ['a GET', { method: 'GET', headers: json }],
    ['no JSON', { body: '{"scope":', headers: json }],
    ['JSON of another shape', { body: '{"scope":[1]}', headers: json }],
    ['a list', { body: '[]', headers: json }],
    ['nothing', { body: '', headers: json }],
    ['no UTF-8', { body: new Uint8Array([0x7b, 0xff]) as BodyInit, headers: json }],
    ['no protobuf', { body: new Uint8Array([0x0a, 0xff]) as BodyInit, headers: proto }],
  ])('%s', async (_, asked) => {
    const expected = await ask(stock, asked);
    expect(await ask(both, asked)).toEqual(expected);
    expect(byHand).toBe(0);
  });

  test('a request that the edge has refused', async () => {
    const refusal = new Refusal('not_found', 'tenant not found');
    const request = new Request(`http://localhost${path}`, { method: 'POST', ...text({ scope: 'a' }) });
    const response = (await both(request, path, { ...ingress, refusal })) as Response;
    expect([response.status, byHand]).toEqual([404, 0]);
  });
});

test('what is not declared public cannot be served by hand: nobody would ask who calls', () => {
  expect(() => directUnary(MachineService.method.getHost, async () => ({}))).toThrow('only what is public');
});
