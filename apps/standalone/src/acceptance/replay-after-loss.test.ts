import { createHash } from 'node:crypto';
import type { JsonObject } from '@bufbuild/protobuf';
import { nowSeconds, systemRuntime } from '@mono-auth/core/runtime';
import { ClientKind, ClientService } from '@mono-auth/proto/monoauth/clients/v1/clients';
import {
  needRedis,
  openTestDatabase,
  startTestRedis,
  type TestDatabase,
  type TestRedis,
  testKek,
} from '@mono-auth/testing';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterAll, beforeAll, expect, type TestContext, test } from 'vitest';
import { rpcClient } from '../tour/person.ts';
import { type Installation, openInstallation } from './installation.ts';
import { makeKey, PlainClient } from './plain-client.ts';

const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
const jwk = await exportJWK(publicKey);
let db: TestDatabase;
let redis: TestRedis | undefined;
let installation: Installation | undefined;
let client: PlainClient;
let issuer: string;

beforeAll(async () => {
  db = await openTestDatabase();
  redis = await startTestRedis();
  if (!redis) return;
  installation = await openInstallation(db.database, testKek, { redisUrl: redis.url });
  ({ issuer } = await installation.provision('acme'));
  const ownerToken = await (await installation.signIn('acme')).token();
  const key = await makeKey();
  const { client: made } = await rpcClient(issuer, ClientService, ownerToken).createClient({
    kind: ClientKind.MACHINE,
    name: 'builder',
    scopes: ['feed:follow'],
    jwks: { keys: [key.publicJwk as JsonObject] },
    approve: true,
  });
  client = new PlainClient(issuer, made?.id ?? '', key);
});
afterAll(async () => {
  await installation?.close();
  await redis?.close();
  await db.close();
});

interface Proof {
  readonly url: string;
  readonly nonce: string;
  readonly jti?: string;
  readonly accessToken?: string;
}

async function prove({ url, nonce, jti = systemRuntime.uuid(), accessToken }: Proof): Promise<string> {
  const ath = accessToken && createHash('sha256').update(accessToken).digest('base64url');
  const claims = { htm: 'POST', htu: url, nonce, jti, iat: nowSeconds(systemRuntime), ...(ath && { ath }) };
  return new SignJWT(claims).setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk }).sign(privateKey);
}

async function askToken(dpop: string | undefined, assertion?: string) {
  const body = new URLSearchParams({
    grant_type: 'client_credentials',
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: assertion ?? (await client.assertion()),
  });
  const answer = await fetch(`${issuer}/oauth2/token`, { method: 'POST', body, headers: dpop ? { dpop } : {} });
  const { error, access_token: token } = (await answer.json()) as { error?: string; access_token?: string };
  return { status: answer.status, error, token, nonce: answer.headers.get('dpop-nonce') ?? '' };
}

const tokenUrl = () => `${issuer}/oauth2/token`;
const nonceOf = async () => (await askToken(await prove({ url: tokenUrl(), nonce: 'none' }))).nonce;

async function callRpc(token: string, dpop: string) {
  const answer = await fetch(`${issuer}/rpc/monoauth.feed.v1.FeedService/ListSubscribers`, {
    method: 'POST',
    body: '{}',
    headers: { 'content-type': 'application/json', authorization: `DPoP ${token}`, dpop },
  });
  return { status: answer.status, text: await answer.text() };
}

/** Takes everything out of Redis, as an operator's mistake or a fail-over to an empty replica would. */
async function lose(context: TestContext): Promise<void> {
  await needRedis(context, redis).command('flushall');
}

test('a client assertion that was used stays used', async (context) => {
  needRedis(context, redis);
  const assertion = await client.assertion();
  expect((await askToken(undefined, assertion)).status).toBe(200);
  await lose(context);
  expect(await askToken(undefined, assertion)).toMatchObject({ status: 401, error: 'invalid_client' });
});

test('a DPoP proof that was used gets no second token, nor does its jti under the nonce of the new store', async (context) => {
  needRedis(context, redis);
  const jti = systemRuntime.uuid();
  const proof = await prove({ url: tokenUrl(), nonce: await nonceOf(), jti });
  expect((await askToken(proof)).status).toBe(200);
  await lose(context);
  expect(await askToken(proof)).toMatchObject({ status: 400, error: 'use_dpop_nonce' });
  const again = await prove({ url: tokenUrl(), nonce: await nonceOf(), jti });
  expect(await askToken(again)).toMatchObject({ status: 400, error: 'invalid_dpop_proof' });
});

test('a DPoP proof of a call that was answered opens nothing a second time', async (context) => {
  needRedis(context, redis);
  const { token = '' } = await askToken(await prove({ url: tokenUrl(), nonce: await nonceOf() }));
  const url = `${issuer}/rpc/monoauth.feed.v1.FeedService/ListSubscribers`;
  const proof = await prove({ url, nonce: await nonceOf(), accessToken: token });
  // Past the door: the permission is what is missing.
  expect((await callRpc(token, proof)).status).toBe(403);
  const replayed = await callRpc(token, proof);
  expect([replayed.status, replayed.text]).toEqual([401, expect.stringContaining('invalid_dpop_proof')]);
  await lose(context);
  const lost = await callRpc(token, proof);
  expect([lost.status, lost.text]).toEqual([401, expect.stringContaining('use_dpop_nonce')]);
});
