import { createHash } from 'node:crypto';
import { fromJson, type JsonObject } from '@bufbuild/protobuf';
import { Code, ConnectError, createClient, type Interceptor, type Transport } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport } from '@connectrpc/connect-node';
import { nowSeconds, systemRuntime } from '@mono-auth/core/runtime';
import { ClientKind, ClientService } from '@mono-auth/proto/monoauth/clients/v1/clients';
import { FeedService } from '@mono-auth/proto/monoauth/feed/v1/feed';
import { ExchangeRequestSchema, TokenService } from '@mono-auth/proto/monoauth/tokens/v1/tokens';
import { openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { calculateJwkThumbprint, decodeJwt, exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { rpcClient } from '../tour/person.ts';
import { makeKey, PlainClient } from './plain-client.ts';
import { openWiresScene, type WiresScene } from './wires-scene.ts';

const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
const jwk = await exportJWK(publicKey);
let db: TestDatabase;
let scene: WiresScene;
let client: PlainClient;
let token: string;

beforeAll(async () => {
  db = await openTestDatabase();
  scene = await openWiresScene(db.database, testKek, 'acme');
  const key = await makeKey();
  const made = await rpcClient(scene.issuer, ClientService, scene.token).createClient({
    kind: ClientKind.SERVICE,
    name: 'orders',
    scopes: ['feed:follow', 'audit:read'],
    resource: 'https://orders.example',
    jwks: { keys: [key.publicJwk as JsonObject] },
    approve: true,
  });
  client = new PlainClient(scene.issuer, made.client?.id ?? '', key);
  token = (await (await askToken(await nonceOf())).json()).access_token;
});
afterAll(async () => {
  await scene?.close();
  await db?.close();
});

async function prove(htm: string, htu: string, nonce: string, accessToken?: string): Promise<string> {
  const ath = accessToken && createHash('sha256').update(accessToken).digest('base64url');
  const claims = { htm, htu, nonce, jti: systemRuntime.uuid(), iat: nowSeconds(systemRuntime), ...(ath && { ath }) };
  return new SignJWT(claims).setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk }).sign(privateKey);
}

async function askToken(nonce: string): Promise<Response> {
  const url = `${scene.issuer}/oauth2/token`;
  const body = new URLSearchParams({
    grant_type: 'client_credentials',
    client_assertion_type: assertionType,
    client_assertion: await client.assertion(),
  });
  return fetch(url, { method: 'POST', body, headers: { dpop: await prove('POST', url, nonce) } });
}

/** The nonce that an answer without a good one hands out. */
async function nonceOf(): Promise<string> {
  const answer = await askToken('none');
  expect([answer.status, (await answer.json()).error]).toEqual([400, 'use_dpop_nonce']);
  return answer.headers.get('dpop-nonce') ?? '';
}

/** Shows the token with a proof for the path under the base URL, whatever port the call goes to. */
const withProof =
  (change: { htm?: string } = {}): Interceptor =>
  (next) =>
  async (request) => {
    const url = `${scene.installation.baseUrl}${new URL(request.url).pathname}`;
    request.header.set('authorization', `DPoP ${token}`);
    request.header.set('dpop', await prove(change.htm ?? 'POST', url, await nonceOf(), token));
    return next(request);
  };

type Open = (interceptors: Interceptor[]) => Transport;
const wires: [string, Open][] = [
  [
    'Connect at the path of the tenant',
    (interceptors) => createConnectTransport({ baseUrl: `${scene.issuer}/rpc`, httpVersion: '1.1', interceptors }),
  ],
  [
    'Connect at the root',
    (interceptors) => createConnectTransport({ baseUrl: scene.installation.baseUrl, httpVersion: '1.1', interceptors }),
  ],
  ['gRPC', (interceptors) => createGrpcTransport({ baseUrl: scene.grpcUrl, interceptors })],
];

describe.each(wires)('over %s', (wire, open) => {
  const register = (interceptors: Interceptor[]) =>
    createClient(FeedService, open(interceptors)).register({ name: `bound ${wire}` });

  test('a bound token is taken with the proof of the call, and not as a bearer token', async () => {
    expect((await register([withProof()])).subscriberId).toMatch(/^sub_/);
    const asBearer: Interceptor = (next) => (request) => {
      request.header.set('authorization', `Bearer ${token}`);
      return next(request);
    };
    const error = await register([asBearer]).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ConnectError);
    const { code, metadata } = error as ConnectError;
    expect(code).toBe(Code.Unauthenticated);
    expect(metadata.get('www-authenticate')).toMatch(/^DPoP error="invalid_token"/);
    expect(metadata.get('dpop-nonce')).toBe(await nonceOf());
  });

  test('a proof of another method is none', async () => {
    await expect(register([withProof({ htm: 'GET' })])).rejects.toMatchObject({ code: Code.Unauthenticated });
  });
});

/** Proves the key, over the path that is called, with the nonce that the answer before brought. */
const proving =
  (nonces: string[]): Interceptor =>
  (next) =>
  async (request) => {
    const url = `${scene.installation.baseUrl}${new URL(request.url).pathname}`;
    request.header.set('dpop', await prove('POST', url, nonces.at(-1) ?? 'none'));
    const answer = await next(request);
    nonces.push(answer.header.get('dpop-nonce') ?? '');
    return answer;
  };

test.each(wires)(
  'an exchange over %s brings the nonce with its refusal and its answer, and binds the token',
  async (_, open) => {
    const nonces: string[] = [];
    const tokens = createClient(TokenService, open([proving(nonces)]));
    const message = fromJson(ExchangeRequestSchema, await scene.exchangeMessage());
    const asked = await tokens.exchange(message).catch((thrown: unknown) => thrown);
    expect(asked).toMatchObject({ code: Code.Unauthenticated });
    nonces.push((asked as ConnectError).metadata.get('dpop-nonce') ?? '');
    // The same assertion: nothing was used up by being asked.
    const { accessToken, tokenType } = await tokens.exchange(message);
    expect(tokenType).toBe('DPoP');
    expect(decodeJwt<{ cnf: object }>(accessToken).cnf).toEqual({ jkt: await calculateJwkThumbprint(jwk) });
    expect(nonces.at(-1)).toBe(await nonceOf());
  },
);

test.each(['feed?subscriber_id=x', 'log/checkpoint'])('/%s asks for the proof as well', async (path) => {
  const url = `${scene.issuer}/${path}`;
  const get = async (authorization: string, dpop?: string) =>
    fetch(url, { headers: { authorization, ...(dpop && { dpop }) } });
  const bearer = await get(`Bearer ${token}`);
  expect(bearer.status).toBe(401);
  expect(bearer.headers.get('www-authenticate')).toMatch(/^DPoP error="invalid_token"/);
  const nonce = bearer.headers.get('dpop-nonce') ?? '';
  const proof = await prove('GET', url, nonce, token);
  // Past the door: what is refused now is the subscriber, or the checkpoint that is not sealed yet.
  expect((await get(`DPoP ${token}`, proof)).status).not.toBe(401);
  const again = await get(`DPoP ${token}`, proof);
  expect([again.status, again.headers.get('www-authenticate')]).toEqual([
    401,
    expect.stringMatching(/^DPoP error="invalid_dpop_proof"/),
  ]);
});

test('userinfo is for people: a machine’s token has not the scope, and its proof is judged first', async () => {
  const url = `${scene.issuer}/oauth2/userinfo`;
  const nonce = await nonceOf();
  const headers = { authorization: `DPoP ${token}`, dpop: await prove('GET', url, nonce, token) };
  const answer = await fetch(url, { headers });
  expect([answer.status, (await answer.json()).error]).toEqual([403, 'insufficient_scope']);
});
