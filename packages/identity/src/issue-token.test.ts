import { fromBase64url } from '@mono-auth/core/encoding';
import { systemRuntime } from '@mono-auth/core/runtime';
import type { AccessTokenClaims } from '@mono-auth/core/token-claims';
import { verifyJwt } from '@mono-auth/keys';
import { addMember, advanceEpoch, type Tenant } from '@mono-auth/tenants';
import { openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Browser, openBrowser } from './browser.ts';
import { knownAgent, openScene, type Scene } from './identity-scene.ts';

const baseUrl = 'http://127.0.0.1:8420';
const password = 'correct horse battery';
let db: TestDatabase;
let scene: Scene;
let acme: Tenant;
/** What happens between the mint and the second look at the session. */
let meanwhile: (() => Promise<void>) | undefined;

beforeAll(async () => {
  db = await openTestDatabase();
  scene = openScene({
    ...db,
    runtime: systemRuntime,
    baseUrl,
    kek: testKek,
    change: ({ minter }) => ({
      minter: {
        ...minter,
        mint: async (...args) => {
          const minted = await minter.mint(...args);
          await meanwhile?.();
          return minted;
        },
      },
    }),
  });
  acme = await scene.openTenant('acme');
  await scene.openUser(acme, 'owner@example.com', password);
});
afterAll(() => db.close());

async function signIn(email: string): Promise<Browser> {
  const browser = openBrowser(scene, baseUrl);
  expect((await browser.post('/t/acme/auth/sign-in/email', { email, password })).status).toBe(200);
  return browser;
}

interface Answer {
  access_token: string;
  token_type: string;
  expires_in: number;
  scope: string;
}

async function verified(token: string, audience: string): Promise<AccessTokenClaims> {
  const { keys } = await scene.keys.jwks(acme.id);
  return verifyJwt(token, keys, { typ: 'at+jwt', issuer: acme.issuer, audience, nowMs: systemRuntime.nowMs() });
}

test('JSON and form ask alike; the answer is never stored', async () => {
  const browser = await signIn('owner@example.com');
  for (const body of ['scope=audit%3Aread', { scope: 'audit:read' }]) {
    const response = await browser.post('/t/acme/auth/token', body);
    expect([response.status, response.headers.get('cache-control')]).toEqual([200, 'no-store']);
    const answer = (await response.json()) as Answer;
    expect(answer).toMatchObject({ token_type: 'Bearer', expires_in: 600, scope: 'audit:read' });
    const claims = await verified(answer.access_token, `${acme.issuer}/rpc`);
    expect(claims).toMatchObject({ scope: 'audit:read', tenant_role: 'owner' });
    expect(claims.use).toBeUndefined();
  }
});

test('each audience gets its kind of token, and an unknown one none', async () => {
  const browser = await signIn('owner@example.com');
  const ask = async (body: object) => {
    const response = await browser.post('/t/acme/auth/token', body);
    return { status: response.status, ...((await response.json()) as Answer & { reason?: string }) };
  };
  const gateway = await ask({ use: 'gateway' });
  expect(gateway.expires_in).toBe(60);
  expect(await verified(gateway.access_token, `${acme.issuer}/gateway`)).toMatchObject({ use: 'gateway' });
  const subject = await ask({ audience: acme.issuer, scope: 'orders:read' });
  expect(await verified(subject.access_token, acme.issuer)).toMatchObject({ scope: 'orders:read' });
  const resource = await ask({ audience: 'https://orders.example', scope: 'orders:read' });
  expect(await verified(resource.access_token, 'https://orders.example')).toMatchObject({ scope: 'orders:read' });
  expect(await ask({ audience: 'https://other.example', scope: 'x' })).toMatchObject({
    status: 400,
    reason: 'invalid_target',
  });
  expect(await ask({ audience: `${baseUrl}/t/globex/rpc` })).toMatchObject({ status: 400, reason: 'invalid_target' });
  expect(await ask({ audience: acme.issuer })).toMatchObject({ status: 400, reason: 'invalid_scope' });
});

test('a person names the agent that may act, in a token for exchange; one that could not act is refused', async () => {
  const browser = await signIn('owner@example.com');
  const ask = (mayAct: string, audience = acme.issuer) =>
    browser.post('/t/acme/auth/token', { audience, scope: 'orders:read', may_act: mayAct });
  const { access_token } = (await (await ask(`agent:${knownAgent}`)).json()) as Answer;
  expect(await verified(access_token, acme.issuer)).toMatchObject({ may_act: { sub: `agent:${knownAgent}` } });
  for (const refused of [
    ask('agent:agt_01h2xcejqtf2nbrexx3vqjhp42'),
    ask(`agent:${knownAgent}`, 'https://orders.example'),
    ask('host:hst_01h2xcejqtf2nbrexx3vqjhp41'),
  ]) {
    expect((await refused).status).toBe(400);
  }
});

test('a member’s token, for whatever audience, carries no permission that the role does not hold', async () => {
  const id = await scene.identity.createUser(acme, { email: 'member@example.com', password, name: 'M' });
  const nobody = await signIn('member@example.com');
  expect((await nobody.post('/t/acme/auth/token', {})).status).toBe(403);
  await db.database.forTenant(acme.id, (tx) => addMember(tx, id, 'member', systemRuntime.nowMs()));
  for (const audience of [`${acme.issuer}/rpc`, acme.issuer, 'https://orders.example']) {
    const response = await nobody.post('/t/acme/auth/token', { audience, scope: 'policy:publish tenants:read' });
    expect(((await response.json()) as Answer).scope).toBe('tenants:read');
    expect((await nobody.post('/t/acme/auth/token', { audience, scope: 'policy:publish' })).status).toBe(400);
  }
});

test('no cookie, a forged one and one of a changed signature get 401', async () => {
  const browser = await signIn('owner@example.com');
  const [[name, value] = ['', '']] = [...browser.jar];
  const decoded = decodeURIComponent(value);
  const dot = decoded.lastIndexOf('.');
  const signature = fromBase64url(
    decoded
      .slice(dot + 1)
      .replaceAll('+', '-')
      .replaceAll('/', '_')
      .replace(/=+$/, ''),
  );
  signature[0] = (signature[0] as number) ^ 1;
  const forged = `${decoded.slice(0, dot)}.${Buffer.from(signature).toString('base64')}`;
  const cookies = ['', `${name}=`, `${name}=${decoded.slice(0, dot)}`, `${name}=${encodeURIComponent(forged)}`];
  for (const cookie of cookies) {
    const response = await openBrowser(scene, baseUrl).post('/t/acme/auth/token', {}, { cookie });
    expect([cookie, response.status]).toEqual([cookie, 401]);
  }
  const right = await openBrowser(scene, baseUrl).post('/t/acme/auth/token', {}, { cookie: `${name}=${value}` });
  expect(right.status).toBe(200);
});

test('a session that dies while its token is being minted takes the token with it', async () => {
  const browser = await signIn('owner@example.com');
  meanwhile = async () => {
    meanwhile = undefined;
    await db.admin('update mono.tenants set epoch = epoch + 1 where slug = $1', ['acme']);
  };
  const response = await browser.post('/t/acme/auth/token', {});
  expect(response.status).toBe(401);
  expect(await response.text()).not.toContain('access_token');
  expect(meanwhile).toBeUndefined();
  await db.database.forTenant(acme.id, advanceEpoch);
});

test('a body that is too large, malformed or of another type is refused', async () => {
  const browser = await signIn('owner@example.com');
  expect((await browser.post('/t/acme/auth/token', { scope: 'x'.repeat(20_000) })).status).toBe(413);
  expect((await browser.post('/t/acme/auth/token', 'use=gateway&use=gateway')).status).toBe(400);
  const headers = { 'content-type': 'text/plain' };
  expect((await browser.post('/t/acme/auth/token', {}, headers)).status).toBe(400);
  const [[name, value] = ['', '']] = [...browser.jar];
  for (const body of ['[]', '{', 'null', '1']) {
    const init = { method: 'POST', body, headers: { 'content-type': 'application/json', cookie: `${name}=${value}` } };
    expect((await scene.fetch('/t/acme/auth/token', init)).status, body).toBe(400);
  }
});
