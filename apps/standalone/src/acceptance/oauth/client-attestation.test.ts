import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { calculateJwkThumbprint, decodeJwt } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeKey, type PlainKey } from '../plain-client.ts';
import {
  type AttestationScene,
  asking,
  attest,
  attested,
  openAttestation,
  provePossession,
  registerAttested,
  setClientAttestation,
  vouches,
} from './attestation-scene.ts';
import { authorizeAs } from './browser-person.ts';
import { exchange, playIssuer, tokenType, trust } from './federation-scene.ts';
import { type Ask, ask, send } from './negative/ask.ts';
import { authenticated, authorizationRequest, redemption } from './negative/lab.ts';
import { learnNonce, makeProofKey, type ProofKey } from './negative/proof-key.ts';
import { ordersApi, type RegisteredClient, redirectUri, registerApp, registerMachine } from './oauth-scene.ts';

let db: TestDatabase;
let scene: AttestationScene;
let viewer: RegisteredClient;
const federation = 'federation.v1.FederationService';

beforeAll(async () => {
  db = await openTestDatabase();
  scene = await openAttestation(db, testKek);
  viewer = await registerMachine(scene.home, { scopes: ['tokens:introspect'] });
});
afterAll(() => scene?.home.close());

async function isActive(token: string): Promise<unknown> {
  return (await send(authenticated(ask(scene.home.issuer, '/oauth2/introspect', { token }), viewer))).body.active;
}

async function tokenOf(request: Ask): Promise<string> {
  const { body, text } = await send(request);
  if (typeof body.access_token !== 'string') throw new Error(text);
  return body.access_token;
}

test('an instance that is vouched for gets a token, which names the trust it hangs on and is bound to no other key', async () => {
  const answer = await send(await asking(scene));
  expect(answer).toMatchObject({ status: 200, body: { token_type: 'Bearer', scope: 'orders:read orders:write' } });
  const claims = decodeJwt(String(answer.body.access_token));
  expect(claims).toMatchObject({ client_id: scene.machine.id, aud: ordersApi, grants: [scene.attester.id] });
  expect(claims).not.toHaveProperty('cnf');
  expect(await isActive(String(answer.body.access_token))).toBe(true);
});

test('the challenge endpoint answers who posts, is never stored, and hands out the next nonce as well (§6.3)', async () => {
  const answer = await send(ask(scene.home.issuer, '/oauth2/challenge', {}));
  expect(answer.status).toBe(200);
  expect(answer.headers.get('cache-control')).toBe('no-store');
  expect(answer.headers.get('dpop-nonce')).toMatch(/^[\w-]+$/);
  expect(Object.keys(answer.body)).toEqual(['attestation_challenge']);
  expect((await fetch(`${scene.home.issuer}/oauth2/challenge`, { method: 'POST' })).status).toBe(200);
  expect((await fetch(`${scene.home.issuer}/oauth2/challenge`)).status).toBe(404);
});

test('a challenge comes with an answer, and is good for the next request (§6.2)', async () => {
  const { headers } = await send(await asking(scene));
  const challenge = headers.get('oauth-client-attestation-challenge');
  const request = await asking(scene);
  const proof = await provePossession(scene.instance, scene.home.issuer, { challenge });
  request.headers.set('oauth-client-attestation-pop', proof);
  expect((await send(request)).status).toBe(200);
});

test('who has no challenge is told one, which is good, and nothing is used up or kept as evidence (§6.1)', async () => {
  const request = await asking(scene);
  const jti = 'one-proof';
  const without = await scene.instance.sign('oauth-client-attestation-pop+jwt', { aud: scene.home.issuer, jti });
  request.headers.set('oauth-client-attestation-pop', without);
  const events = async () => (await db.admin(`select 1 from mono.audit_events where type = 'token.refused'`)).length;
  const before = await events();
  const refused = await send(request);
  expect(refused).toMatchObject({ status: 400, body: { error: 'use_attestation_challenge' } });
  expect(refused.headers.get('cache-control')).toBe('no-store');
  expect(await events()).toBe(before);
  const challenge = refused.headers.get('oauth-client-attestation-challenge');
  const proof = await provePossession(scene.instance, scene.home.issuer, { challenge, jti });
  request.headers.set('oauth-client-attestation-pop', proof);
  expect((await send(request)).status).toBe(200);
});

test('one attestation is shown many times, each time with another proof (§10.2); that of a one-time issuer once', async () => {
  const attestation = await attest(scene.attester, scene.machine.id, scene.instance);
  for (const _ of [1, 2]) {
    const request = await asking(scene);
    request.headers.set('oauth-client-attestation', attestation);
    expect((await send(request)).status).toBe(200);
  }
  const once = await playIssuer(scene.home, 'once', { ...vouches, oneTime: true });
  const machine = await registerAttested(scene.home, once);
  const statuses: number[] = [];
  const single = await attest(once, machine.id, scene.instance, { jti: 'only-one' });
  for (const _ of [1, 2]) {
    const request = await asking(scene);
    request.headers.set('oauth-client-attestation', single);
    statuses.push((await send(request)).status);
  }
  expect(statuses).toEqual([200, 400]);
});

test('an instance exchanges a person’s token, and what it gets hangs on the trust in its attester too', async () => {
  const subject = await scene.home.owner.token({ audience: scene.home.issuer, scope: 'orders:read orders:write' });
  const asked = { subject_token: subject, subject_token_type: tokenType('access_token'), resource: ordersApi };
  const answer = await send(await asking(scene, { grant_type: exchange, ...asked, scope: 'orders:read' }));
  expect(answer).toMatchObject({ status: 200, body: { token_type: 'Bearer', scope: 'orders:read' } });
  const claims = decodeJwt(String(answer.body.access_token));
  expect(claims).toMatchObject({ client_id: scene.machine.id, sub: decodeJwt(subject).sub });
  expect(claims.grants).toContain(scene.attester.id);
});

test('an exchange over RPC is authenticated by the same headers, and told of the next challenge', async () => {
  const subjectToken = await scene.home.owner.token({ audience: scene.home.issuer, scope: 'orders:read' });
  const message = { subjectToken, subjectTokenType: tokenType('access_token'), resource: [ordersApi] };
  const { headers } = await asking(scene);
  headers.set('content-type', 'application/json');
  const url = `${scene.home.issuer}/rpc/monoauth.tokens.v1.TokenService/Exchange`;
  const exchangeOnce = () => fetch(url, { method: 'POST', headers, body: JSON.stringify(message) });
  const answer = await exchangeOnce();
  const { accessToken } = (await answer.json()) as { accessToken: string };
  expect(decodeJwt(accessToken).grants).toContain(scene.attester.id);
  expect(answer.headers.get('oauth-client-attestation-challenge')).toMatch(/^[\w-]+$/);
  expect((await exchangeOnce()).status).toBe(401);
});

test('in combined mode the DPoP proof of the instance is its proof, and its tokens are bound to that key (§5.2)', async () => {
  const combined = await registerAttested(scene.home, scene.attester, {
    authMethod: 'AUTH_METHOD_ATTEST_JWT_CLIENT_AUTH_DPOP',
  });
  const key = await makeProofKey();
  const request = ask(scene.home.issuer, '/oauth2/token', { grant_type: 'client_credentials', resource: ordersApi });
  const attestation = await attest(scene.attester, combined.id, { publicJwk: key.jwk });
  request.headers.set('oauth-client-attestation', attestation);
  const nonce = await learnNonce(request, key);
  request.headers.set('dpop', await key.prove(request, {}, { nonce }));
  const answers = await Promise.all([1, 2, 3].map(() => send(request)));
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 400, 400]);
  const taken = answers.find(({ status }) => status === 200)?.body;
  expect(taken?.token_type).toBe('DPoP');
  const cnf = { jkt: await calculateJwkThumbprint(key.jwk) };
  expect(decodeJwt(String(taken?.access_token))).toMatchObject({ cnf, grants: [scene.attester.id] });
  const introspection = ask(scene.home.issuer, '/oauth2/introspect', { token: String(taken?.access_token) });
  introspection.headers.set('oauth-client-attestation', attestation);
  introspection.headers.set('dpop', await key.prove(introspection, {}, { nonce }));
  expect((await send(introspection)).body.active).toBe(true);
  expect((await send(introspection)).body.error).toBe('invalid_dpop_proof');
  const another = await makeProofKey();
  request.headers.set('dpop', await another.prove(request, {}, { nonce }));
  expect((await send(request)).body.error).toBe('invalid_client_attestation');
  request.headers.delete('dpop');
  expect((await send(request)).body.error).toBe('invalid_client_attestation');
});

test('an instance asks about its token and takes it back, each time with a proof that works once', async () => {
  const token = await tokenOf(await asking(scene));
  const at = (path: string) => attested(ask(scene.home.issuer, path, { token }), scene, scene.machine.id);
  const introspection = await at('/oauth2/introspect');
  expect((await send(introspection)).body.active).toBe(true);
  expect((await send(introspection)).body.error).toBe('invalid_client_attestation');
  const revocation = await at('/oauth2/revoke');
  expect((await send(revocation)).status).toBe(200);
  expect(await isActive(token)).toBe(false);
});

test('what was issued to an instance dies with the trust in its attester, at once, and nothing of it comes back', async () => {
  const first = await tokenOf(await asking(scene));
  const request = await asking(scene);
  await scene.home.rpc(`${federation}/SuspendIssuer`, { id: scene.attester.id, reason: 'looked at' });
  expect(await isActive(first)).toBe(false);
  expect((await send(request)).body.error).toBe('invalid_client_attestation');
  await scene.home.rpc(`${federation}/ResumeIssuer`, { id: scene.attester.id });
  const second = await tokenOf(await asking(scene));
  expect([await isActive(first), await isActive(second)]).toEqual([false, true]);
});

test('refresh tokens are bound to the key of the instance, and to the trust that they were issued by (§10.3)', async () => {
  const guardian = await playIssuer(scene.home, 'guardian', vouches);
  const app = await registerApp(scene.home, {
    ...{ authMethod: 'AUTH_METHOD_ATTEST_JWT_CLIENT_AUTH', attester: guardian.issuer },
  });
  const mine = { attester: guardian, instance: scene.instance };
  const theirs = { attester: guardian, instance: await makeKey() };
  const begin = async () => {
    const answer = await send(await attested(await redemption({ scene: scene.home }, app), mine, app.id));
    expect(answer.status, answer.text).toBe(200);
    return String(answer.body.refresh_token);
  };
  const refresh = async (refresh_token: string, by: typeof mine) => {
    const form = { grant_type: 'refresh_token', refresh_token, client_id: app.id };
    return send(await attested(ask(scene.home.issuer, '/oauth2/token', form), by, app.id));
  };
  const first = await begin();
  expect((await refresh(first, theirs)).body.error).toBe('invalid_grant');
  const rotated = await refresh(first, mine);
  expect(rotated.status, rotated.text).toBe(200);
  expect(decodeJwt(String(rotated.body.access_token)).grants).toContain(guardian.id);
  const second = String(rotated.body.refresh_token);
  expect((await refresh(second, theirs)).body.error).toBe('invalid_grant');
  await scene.home.rpc(`${federation}/SuspendIssuer`, { id: guardian.id, reason: 'looked at' });
  expect(await isActive(String(rotated.body.access_token))).toBe(false);
  await scene.home.rpc(`${federation}/ResumeIssuer`, { id: guardian.id });
  expect((await refresh(second, mine)).body.error).toBe('invalid_grant');
  expect((await refresh(await begin(), mine)).status).toBe(200);
});

test('beside a DPoP proof by another key, access tokens are bound to that key and refresh tokens to the instance (§5.2)', async () => {
  const app = await registerApp(scene.home, {
    ...{ authMethod: 'AUTH_METHOD_ATTEST_JWT_CLIENT_AUTH', attester: scene.attester.issuer },
  });
  const [first, second] = [await makeProofKey(), await makeProofKey()];
  const { headers } = await send(ask(scene.home.issuer, '/oauth2/challenge', {}));
  const nonce = headers.get('dpop-nonce');
  const bound = async (request: Ask, key: ProofKey) => {
    request.headers.set('dpop', await key.prove(request, {}, { nonce }));
    return send(await attested(request, scene, app.id));
  };
  const begun = await bound(await redemption({ scene: scene.home }, app), first);
  const jkt = (answer: typeof begun) => decodeJwt<{ cnf: unknown }>(String(answer.body.access_token)).cnf;
  expect(jkt(begun)).toEqual({ jkt: await calculateJwkThumbprint(first.jwk) });
  const form = { grant_type: 'refresh_token', refresh_token: String(begun.body.refresh_token), client_id: app.id };
  const refreshed = await bound(ask(scene.home.issuer, '/oauth2/token', form), second);
  expect(jkt(refreshed)).toEqual({ jkt: await calculateJwkThumbprint(second.jwk) });
});

test('the keys of an attester may be where it publishes them itself, and no other key counts then', async () => {
  const published = await makeKey();
  const server = createServer((_request, response) => {
    response.end(JSON.stringify({ keys: [published.publicJwk] }));
  });
  const port = await new Promise<number>((listening) =>
    server.listen(0, '127.0.0.1', () => listening((server.address() as AddressInfo).port)),
  );
  try {
    const issuer = 'https://publisher.example';
    const id = await trust(scene.home, { ...vouches, issuer, jwksUri: `http://127.0.0.1:${port}/jwks` });
    const machine = await registerAttested(scene.home, { issuer });
    const asks = async (key: PlainKey) => {
      const request = ask(scene.home.issuer, '/oauth2/token', {
        grant_type: 'client_credentials',
        resource: ordersApi,
      });
      return send(await attested(request, { ...scene, attester: { issuer, id, key } }, machine.id));
    };
    expect((await asks(published)).status).toBe(200);
    expect((await asks(await makeKey())).body.error).toBe('invalid_client_attestation');
  } finally {
    server.close();
  }
});

test('a code that an instance has pushed for is for that instance alone (§10.4)', async () => {
  const { home } = scene;
  const app = await registerApp(home, {
    ...{ authMethod: 'AUTH_METHOD_ATTEST_JWT_CLIENT_AUTH', attester: scene.attester.issuer },
  });
  const verifier = 'v'.repeat(43);
  const asked = Object.fromEntries(authorizationRequest(app, verifier));
  const pushed = await send(await attested(ask(home.issuer, '/oauth2/par', asked), scene, app.id));
  expect(pushed.status, pushed.text).toBe(201);
  const request = new URLSearchParams({ client_id: app.id, request_uri: String(pushed.body.request_uri) });
  const callback = await authorizeAs(home.owner, new URL(`${home.issuer}/oauth2/authorize?${request}`));
  const code = String(callback.searchParams.get('code'));
  const form = { grant_type: 'authorization_code', code, redirect_uri: redirectUri, code_verifier: verifier };
  const redeem = async (by: Pick<AttestationScene, 'attester' | 'instance'>) =>
    send(await attested(ask(home.issuer, '/oauth2/token', form), by, app.id));
  expect((await redeem({ ...scene, instance: await makeKey() })).body.error).toBe('invalid_grant');
  expect((await redeem(scene)).status).toBe(200);
});

test('the bounds of an attester are bounds of its instances: scope, and where tokens are for', async () => {
  const narrow = await playIssuer(scene.home, 'narrow', { ...vouches, scopes: ['orders:read'] });
  const machine = await registerAttested(scene.home, narrow);
  const asks = async (change: Record<string, string>) => {
    const form = { grant_type: 'client_credentials', resource: ordersApi, ...change };
    const request = ask(scene.home.issuer, '/oauth2/token', form);
    return (await send(await attested(request, { ...scene, attester: narrow }, machine.id))).body;
  };
  expect((await asks({})).scope).toBe('orders:read');
  expect((await asks({ scope: 'orders:write' })).error).toBe('invalid_scope');
  expect((await asks({ resource: `${scene.home.issuer}/rpc` })).error).toBe('invalid_target');
  expect((await asks({ resource: '' })).error).toBe('invalid_target');
});

test('where the tenant has not put it in force, nothing of it is there: no page, no word in metadata, no answer to its headers', async () => {
  const document = async () => (await fetch(`${scene.home.issuer}/.well-known/openid-configuration`)).text();
  expect(await document()).toMatch(/"challenge_endpoint":"[^"]+\/oauth2\/challenge"/);
  const request = await asking(scene);
  await setClientAttestation(scene.home, false);
  expect(await document()).not.toMatch(/attest|challenge_endpoint/);
  expect((await send(ask(scene.home.issuer, '/oauth2/challenge', {}))).status).toBe(404);
  const refused = await send(request);
  expect(refused).toMatchObject({ status: 401, body: { error: 'invalid_client' } });
  expect(refused.headers.has('oauth-client-attestation-challenge')).toBe(false);
  const usual = authenticated(ask(scene.home.issuer, '/oauth2/introspect', { token: 'x' }), viewer);
  usual.headers.set('oauth-client-attestation', 'whatever');
  expect((await send(usual)).body).toEqual({ active: false });
  await setClientAttestation(scene.home, true);
  expect((await send(request)).status).toBe(200);
});
