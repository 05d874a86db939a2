import { type ClientId, newId, type TokenId, uuidOf } from '@mono-auth/core/ids';
import type { Minted } from '@mono-auth/minting';
import { TokenService } from '@mono-auth/proto/monoauth/tokens/v1/tokens';
import type { Tenant } from '@mono-auth/tenants';
import { FakeRuntime, openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { assertClient, type TestClient } from './client-key.ts';
import { type EndpointBench, openEndpointBench } from './endpoint-bench.ts';
import { openRpcBench } from './rpc-bench.ts';
import { tokenService } from './service.ts';
import { openTenantBench, type TenantBench } from './tenant-bench.ts';

const runtime = new FakeRuntime();
const files = 'https://files.test';
let db: TestDatabase;
let bench: TenantBench;
let endpoints: EndpointBench;
let inspector: TestClient;
let service: TestClient;
let machine: TestClient;

beforeAll(async () => {
  db = await openTestDatabase();
  bench = await openTenantBench({ ...db, slugs: ['acme', 'other'], runtime, kek: testKek });
  endpoints = openEndpointBench(bench);
  const { home: acme } = bench;
  inspector = await endpoints.createClient(acme, { kind: 'machine', name: 'ops', scopes: ['tokens:introspect'] });
  service = await endpoints.createClient(acme, { kind: 'service', name: 'files', resource: files });
  machine = await endpoints.createClient(acme, { kind: 'machine', name: 'builder', scopes: ['files:read'] });
});
afterAll(() => db.close());

const person = (audience = files, tenant = bench.home) => bench.mint(tenant, { audience });
const introspect = (client: TestClient, token: string) => endpoints.ask(client, '/oauth2/introspect', { token });
const revoke = (client: TestClient, token: string) => endpoints.ask(client, '/oauth2/revoke', { token });

/** Everything that is no good, each for another reason. */
async function deadTokens(): Promise<string[]> {
  const revoked = await person();
  await bench.revoke(bench.home, { kind: 'token', id: revoked.claims.jti as TokenId });
  const { token, claims } = await person();
  const expired = await bench.sign(bench.home, { ...claims, exp: claims.iat - 31 });
  const foreign = await person(files, bench.other);
  return [revoked.token, expired, foreign.token, 'x', `${token}=`, await bench.sign(bench.home, claims, 'JWT')];
}

describe('RFC 7662', () => {
  test('a token that is good now says everything, the chain of actors included', async () => {
    const act = { sub: `agent:${newId(runtime, 'agt')}`, act: { sub: `host:${newId(runtime, 'hst')}` } } as const;
    const { token, claims } = await bench.mint(bench.home, { audience: files, act });
    for (const client of [inspector, service]) {
      const answer = await introspect(client, token);
      expect(answer.status).toBe(200);
      expect(answer.headers.get('cache-control')).toBe('no-store');
      expect(answer.body).toEqual({ active: true, token_type: 'Bearer', ...claims });
    }
  });

  test('expired, revoked, foreign and malformed tokens are exactly inactive', async () => {
    for (const token of await deadTokens()) {
      const { status, body } = await introspect(inspector, token);
      expect({ status, body }).toEqual({ status: 200, body: { active: false } });
    }
  });

  test('a service sees what was sent to it, and whoever may see nothing learns nothing', async () => {
    const elsewhere = await person('https://else.test');
    expect((await introspect(service, elsewhere.token)).body).toEqual({ active: false });
    expect((await introspect(machine, (await person()).token)).body).toEqual({ active: false });
    expect((await introspect(inspector, elsewhere.token)).body.active).toBe(true);
  });

  test('who does not authenticate is refused', async () => {
    const { token } = await person();
    expect((await endpoints.post(bench.home, '/oauth2/introspect', { token })).status).toBe(401);
    const form = { token, ...(await assertClient(inspector)) };
    expect((await endpoints.post(bench.home, '/oauth2/introspect', form)).status).toBe(200);
    expect((await endpoints.post(bench.home, '/oauth2/introspect', form)).status).toBe(401);
    expect((await introspect(inspector, '')).body.error).toBe('invalid_request');
  });

  test('a suspended tenant has no active tokens', async () => {
    const { token } = await person();
    await db.admin(`update mono.tenants set status = 'suspended' where slug = 'acme'`);
    expect((await introspect(inspector, token)).body).toEqual({ active: false });
    await db.admin(`update mono.tenants set status = 'active' where slug = 'acme'`);
  });
});

describe('what a client may see besides', () => {
  test('a client sees the tokens that were issued to it, and a server those of its registered resource', async () => {
    const own = await bench.mint(bench.home, { audience: 'https://else.test', clientId: machine.id });
    expect((await introspect(machine, own.token)).body).toMatchObject({ active: true, client_id: machine.id });
    const sent = await person('https://registered.test');
    expect((await introspect(service, sent.token)).body).toEqual({ active: false });
    await db.admin(
      `insert into mono.resources (tenant_id, identifier, name, environment, product, scopes, access_token_ttl_seconds,
         dpop_required, is_default, client_id, retired, version, created_at)
       values ($1, 'https://registered.test', 'r', 'production', '', '{}', 0, false, false, $2, false, 1, $3)`,
      [uuidOf(bench.home.id), uuidOf(service.id as ClientId), new Date(runtime.nowMs())],
    );
    expect((await introspect(service, sent.token)).body.active).toBe(true);
    expect((await introspect(machine, sent.token)).body).toEqual({ active: false });
  });

  test('a bound token says so, and its shower needs no proof to ask', async () => {
    const { token } = await bench.mint(bench.home, { audience: files, cnf: { jkt: 'thumbprint' } });
    const { body } = await introspect(service, token);
    expect(body).toMatchObject({ active: true, token_type: 'DPoP', cnf: { jkt: 'thumbprint' } });
  });

  test('a hint about the type is a hint, also a wrong or unknown one (RFC 7662 §2.1)', async () => {
    const { token } = await person();
    for (const token_type_hint of ['access_token', 'refresh_token', 'pigeon']) {
      const answer = await endpoints.ask(inspector, '/oauth2/introspect', { token, token_type_hint });
      expect(answer.body.active).toBe(true);
    }
  });

  test('a public client authenticates by nothing, so it sees nothing', async () => {
    const open = await endpoints.createClient(bench.home, { kind: 'machine', name: 'open' });
    await db.changeManifest(open.id, { authMethod: 'none' });
    const { token } = await bench.mint(bench.home, { clientId: open.id });
    const answer = await endpoints.post(bench.home, '/oauth2/introspect', { token, client_id: open.id });
    expect(answer).toMatchObject({ status: 401, body: { error: 'invalid_client' } });
  });
});

describe('RFC 9701', () => {
  const ask = async (client: TestClient, token: string, accept: string) => {
    const body = new URLSearchParams({ token, ...(await assertClient(client)) });
    const url = `${bench.home.issuer}/oauth2/introspect`;
    return endpoints.app.request(url, { method: 'POST', body, headers: { accept } });
  };
  const mediaType = 'application/token-introspection+jwt';
  const keys = async () =>
    createLocalJWKSet((await (await endpoints.app.request(`${bench.home.issuer}/jwks`)).json()) as JSONWebKeySet);

  test('the answer is signed for who asked, by the tenant’s RSA key, and is no token itself', async () => {
    const { token, claims } = await person();
    const answer = await ask(service, token, mediaType);
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, mediaType]);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    const jwt = await answer.text();
    const { payload, protectedHeader } = await jwtVerify(jwt, await keys(), { typ: 'token-introspection+jwt' });
    expect(protectedHeader.alg).toBe('RS256');
    expect(payload).toEqual({
      iss: bench.home.issuer,
      aud: service.id,
      iat: Math.floor(runtime.nowMs() / 1000),
      token_introspection: { active: true, token_type: 'Bearer', ...claims },
    });
    expect((await introspect(inspector, jwt)).body).toEqual({ active: false });
  });

  test('what is not active says so in the same form, and nothing else', async () => {
    for (const token of await deadTokens()) {
      const { payload } = await jwtVerify(await (await ask(inspector, token, mediaType)).text(), await keys());
      expect(payload.token_introspection).toEqual({ active: false });
    }
  });

  test.each(['application/json', '*/*', 'text/html', `${mediaType};q=0.1, application/json`])(
    'who accepts %s gets JSON',
    async (accept) => {
      const { token } = await person();
      const answer = await ask(service, token, accept);
      expect(answer.headers.get('content-type')).toMatch(/^application\/json/);
    },
  );
});

describe('refresh tokens', () => {
  const facts = () => ({
    grantId: newId(runtime, 'gra'),
    client_id: machine.id as ClientId,
    sub: `user:${newId(runtime, 'usr')}` as const,
    scope: 'openid offline_access',
    iat: 1,
    exp: 2,
  });

  /** Endpoints over one living refresh token, and which grants they have ended. */
  function openWith(living: ReturnType<typeof facts>) {
    const ended: string[] = [];
    const other = openEndpointBench(bench, {
      refreshTokens: {
        read: async (tenantId, token) => (tenantId === bench.home.id && token === 'rt-1' ? living : undefined),
        end: async ({ caller }, grantId) => void ended.push(`${grantId} by ${caller.principal}`),
      },
    });
    return { ended, ask: (client: TestClient, path: string, token: string) => other.ask(client, path, { token }) };
  }

  test('its client is told of it, and nobody else, not even who may see every access token', async () => {
    const { grantId: _, ...told } = facts();
    const scene = openWith({ ...told, grantId: newId(runtime, 'gra') });
    expect((await scene.ask(machine, '/oauth2/introspect', 'rt-1')).body).toEqual({ active: true, ...told });
    for (const client of [inspector, service]) {
      expect((await scene.ask(client, '/oauth2/introspect', 'rt-1')).body).toEqual({ active: false });
    }
    expect((await scene.ask(machine, '/oauth2/introspect', 'rt-2')).body).toEqual({ active: false });
  });

  test('its client ends the grant with it; another’s is refused and goes on; an unknown one is no error', async () => {
    const living = facts();
    const scene = openWith(living);
    expect((await scene.ask(inspector, '/oauth2/revoke', 'rt-1')).body.error).toBe('unauthorized_client');
    expect((await scene.ask(machine, '/oauth2/revoke', 'rt-2')).status).toBe(200);
    expect(scene.ended).toEqual([]);
    expect((await scene.ask(machine, '/oauth2/revoke', 'rt-1')).status).toBe(200);
    expect(scene.ended).toEqual([`${living.grantId} by client:${machine.id}`]);
  });
});

describe('TokenService.Introspect', () => {
  const call = (tenant: Tenant, token: string) =>
    openRpcBench(runtime, (router) => router.service(TokenService, tokenService(endpoints.deps)))(
      tenant,
      'tokens.v1.TokenService/Introspect',
      { token },
    );

  test('says what the token says to callers of its own tenant, and nothing to others', async () => {
    const { token, claims } = await person();
    expect(await call(bench.home, token)).toEqual({ active: true, claims });
    expect(await call(bench.other, token)).toEqual({});
    for (const dead of await deadTokens()) expect(await call(bench.home, dead)).toEqual({});
  });
});

describe('RFC 7009', () => {
  const own = async (client: TestClient): Promise<Minted['token']> =>
    (await endpoints.ask(client, '/oauth2/token', { grant_type: 'client_credentials' })).body.access_token as string;

  test('a client takes its own token back, and it is dead', async () => {
    const token = await own(machine);
    expect((await introspect(inspector, token)).body.active).toBe(true);
    const answer = await revoke(machine, token);
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({});
    expect((await introspect(inspector, token)).body).toEqual({ active: false });
    expect((await revoke(machine, token)).status).toBe(200);
  });

  test('a token that is no good is revoked already', async () => {
    for (const token of await deadTokens()) expect((await revoke(machine, token)).status).toBe(200);
  });

  test('another client’s token is refused and stays alive', async () => {
    const token = await own(machine);
    expect((await revoke(inspector, token)).body.error).toBe('unauthorized_client');
    expect((await introspect(inspector, token)).body.active).toBe(true);
    expect((await endpoints.post(bench.home, '/oauth2/revoke', { token })).status).toBe(401);
    expect((await introspect(inspector, token)).body.active).toBe(true);
  });
});

describe('RFC 7009 §5, a public client', () => {
  test('takes its own token back by its name alone, and nobody else’s', async () => {
    const open = await endpoints.createClient(bench.home, { kind: 'machine', name: 'browser' });
    await db.changeManifest(open.id, { authMethod: 'none' });
    const take = (token: string) => endpoints.post(bench.home, '/oauth2/revoke', { token, client_id: open.id });
    const [own, foreign] = [await bench.mint(bench.home, { clientId: open.id }), await person()];
    expect((await take(foreign.token)).body.error).toBe('unauthorized_client');
    expect((await introspect(inspector, foreign.token)).body.active).toBe(true);
    const hinted = { token: own.token, client_id: open.id, token_type_hint: 'pigeon' };
    expect((await endpoints.post(bench.home, '/oauth2/revoke', hinted)).status).toBe(200);
    expect((await introspect(inspector, own.token)).body).toEqual({ active: false });
  });
});

describe('public documents', () => {
  const get = (path: string, headers: Record<string, string> = {}) =>
    endpoints.app.request(`${bench.home.issuer}${path}`, { headers });

  test('the keys are public, cacheable and the same for who has them already', async () => {
    const first = await get('/jwks');
    expect(first.headers.get('content-type')).toBe('application/jwk-set+json');
    expect(first.headers.get('cache-control')).toBe('public, max-age=300');
    const { keys } = (await first.json()) as { keys: Record<string, unknown>[] };
    expect(keys.map(({ alg }) => alg).sort()).toEqual(['ES256', 'RS256']);
    for (const key of keys) expect(Object.keys(key).filter((name) => /^(d|p|q|dp|dq|qi|k)$/.test(name))).toEqual([]);
    const etag = first.headers.get('etag') as string;
    for (const held of [etag, `"x", W/${etag}`, '*']) {
      expect((await get('/jwks', { 'if-none-match': held })).status).toBe(304);
    }
    expect((await get('/jwks', { 'if-none-match': '"x"' })).status).toBe(200);
  });

  test('a stock JOSE library verifies a token with nothing but the published keys', async () => {
    const { token, claims } = await person();
    const keys = createLocalJWKSet((await (await get('/jwks')).json()) as JSONWebKeySet);
    const expected = {
      issuer: bench.home.issuer,
      audience: files,
      typ: 'at+jwt',
      currentDate: new Date(runtime.nowMs()),
    };
    expect((await jwtVerify(token, keys, expected)).payload).toEqual(claims);
  });

  test('discovery answers below the issuer, and nobody is there for a tenant that is not', async () => {
    const document = await (await get('/.well-known/openid-configuration')).json();
    expect(document).toMatchObject({ issuer: bench.home.issuer, jwks_uri: `${bench.home.issuer}/jwks` });
    for (const slug of ['nobody', 'No-Body', '%00']) {
      expect((await endpoints.app.request(`${bench.baseUrl}/t/${slug}/jwks`)).status).toBeGreaterThanOrEqual(400);
      expect((await endpoints.app.request(`${bench.baseUrl}/t/${slug}/jwks`)).status).toBeLessThan(500);
    }
  });
});
