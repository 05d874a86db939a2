import { newId } from '@mono-auth/core/ids';
import { FakeRuntime, openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { decodeProtectedHeader } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { assertClient, makeClientKey, type TestClient } from '../client-key.ts';
import { type ControlBench, openControlBench, type TestHost } from '../control-bench.ts';
import { type Answer, type EndpointBench, type FormFields, openEndpointBench } from '../endpoint-bench.ts';
import { openTenantBench, type TenantBench } from '../tenant-bench.ts';
import { verifyAccessToken } from '../verify-access-token.ts';

const runtime = new FakeRuntime();
const files = 'https://files.test';
let db: TestDatabase;
let bench: TenantBench;
let endpoints: EndpointBench;
let machines: ControlBench;
let machine: TestClient;
let host: TestHost;
let agent: string;

beforeAll(async () => {
  db = await openTestDatabase();
  bench = await openTenantBench({ ...db, slugs: ['acme', 'other'], runtime, kek: testKek });
  endpoints = openEndpointBench(bench);
  machines = openControlBench(bench);
  const access = { scopes: ['files:read', 'files:write'], audiences: [files] };
  machine = await endpoints.createClient(bench.home, { kind: 'machine', name: 'builder', ...access });
  host = await machines.enrolHost(bench.home, 'host-1', access);
  agent = await machines.createAgent(host, 'agent-1', ['files:read']);
});
afterAll(() => db.close());

const ask = (client: TestClient, form: FormFields = {}) =>
  endpoints.ask(client, '/oauth2/token', { grant_type: 'client_credentials', ...form });
const claimsOf = ({ body }: Answer) =>
  verifyAccessToken(bench, bench.home, body.access_token as string, { holder: {} });
const refusals = () =>
  db.admin<{ type: string; actor: string; outcome: number }>(
    `select type, actor, outcome from mono.audit_events where type = 'token.refused' order by id desc`,
  );

describe('RFC 6749 §4.4', () => {
  test('a machine gets a token of its own, with all its scope, for the management API', async () => {
    const answer = await ask(machine);
    expect(answer).toMatchObject({ status: 200, body: { token_type: 'Bearer', expires_in: 300 } });
    expect(answer.body).not.toHaveProperty('refresh_token');
    const claims = await claimsOf(answer);
    expect(claims).toMatchObject({
      sub: `client:${machine.id}`,
      client_id: machine.id,
      aud: `${bench.home.issuer}/rpc`,
      scope: 'files:read files:write',
    });
    expect(claims.act).toBeUndefined();
    expect(claims.did).toMatch(/^dec_/);
    expect(claims.pv).toBeGreaterThan(0);
    expect(decodeProtectedHeader(answer.body.access_token as string)).toMatchObject({ typ: 'at+jwt', alg: 'ES256' });
  });

  test('the answer is JSON that nobody stores', async () => {
    const { headers } = await ask(machine);
    expect(headers.get('content-type')).toContain('application/json');
    expect(headers.get('cache-control')).toBe('no-store');
  });

  test('a service and a host speak of themselves', async () => {
    const service = await endpoints.createClient(bench.home, {
      kind: 'service',
      name: 'files',
      scopes: ['files:read'],
      resource: files,
    });
    expect((await claimsOf(await ask(service))).sub).toBe(`service:${service.id}`);
    expect((await claimsOf(await ask(host))).sub).toBe(`host:${host.hostId}`);
  });

  test('a requested scope is granted as it is or refused, never cut', async () => {
    expect((await ask(machine, { scope: 'files:read' })).body.scope).toBe('files:read');
    for (const scope of ['files:read files:delete', 'files:delete', 'a"b', ' ']) {
      expect((await ask(machine, { scope })).body.error).toBe('invalid_scope');
    }
  });

  test('an audience is one of the client’s, the management API or the issuer', async () => {
    const { issuer } = bench.home;
    for (const resource of [files, issuer, `${issuer}/rpc`]) {
      expect((await claimsOf(await ask(machine, { resource }))).aud).toBe(resource);
    }
    expect((await claimsOf(await ask(machine, { audience: files, resource: files }))).aud).toBe(files);
    const wrong: FormFields[] = [
      { resource: 'https://else.test' },
      { resource: `${files}#part` },
      { resource: 'files' },
      { audience: `${bench.other.issuer}/rpc` },
      { resource: [files, issuer] },
    ];
    for (const form of wrong) expect((await ask(machine, form)).body.error).toBe('invalid_target');
  });
});

describe('agents', () => {
  test('a host gets its agent’s token: the agent, acted for by the host, for exchange at the issuer', async () => {
    const claims = await claimsOf(await ask(host, { agent }));
    expect(claims).toMatchObject({
      sub: `agent:${agent}`,
      act: { sub: `host:${host.hostId}` },
      client_id: host.id,
      aud: bench.home.issuer,
      scope: 'files:read',
    });
  });

  test('an agent holds no more than itself and its host', async () => {
    expect((await ask(host, { agent, scope: 'files:write' })).body.error).toBe('invalid_scope');
  });

  test('nobody else’s agent, no agent that is suspended, and one that never was: one answer', async () => {
    const neighbour = await machines.enrolHost(bench.home, 'host-2', { scopes: ['files:read'] });
    const theirs = await machines.createAgent(neighbour, 'agent-2', ['files:read']);
    const suspended = await machines.createAgent(host, 'agent-3', ['files:read']);
    await db.admin(`update mono.agents set status = 'suspended' where name = 'agent-3'`);
    const answers = [];
    for (const id of [theirs, suspended, newId(runtime, 'agt')]) answers.push((await ask(host, { agent: id })).body);
    expect(answers[0]).toMatchObject({ error: 'invalid_request' });
    expect(answers[1]).toEqual(answers[0]);
    expect(answers[2]).toEqual(answers[0]);
  });

  test('only a host speaks for agents', async () => {
    expect((await ask(machine, { agent })).body.error).toBe('unauthorized_client');
    expect((await ask(host, { agent: 'agt_x' })).body.error).toBe('invalid_request');
  });

  test('a host that is quarantined or revoked gets nothing, for itself or its agents', async () => {
    const doomed = await machines.enrolHost(bench.home, 'host-4', { scopes: ['files:read'] });
    await db.admin(`update mono.hosts set status = 'quarantined' where name = 'host-4'`);
    expect((await ask(doomed)).body.error).toBe('unauthorized_client');
    await db.admin(`update mono.hosts set status = 'active' where name = 'host-4'`);
    expect((await ask(doomed)).status).toBe(200);
    await machines.revokeHost(doomed);
    expect((await ask(doomed)).status).toBe(401);
  });
});

describe('client authentication, RFC 7523 §2.2', () => {
  test.each<[string, (client: TestClient) => Record<string, unknown>]>([
    ['the token endpoint as audience', ({ tenant }) => ({ aud: `${tenant.issuer}/oauth2/token` })],
    ['the issuer among others', ({ tenant }) => ({ aud: [tenant.issuer, 'https://else.test'] })],
    ['the issuer with a slash', ({ tenant }) => ({ aud: `${tenant.issuer}/` })],
    ['an assertion that has expired', () => ({ exp: 1 })],
    ['an assertion for longer than five minutes', () => ({ exp: Math.floor(runtime.nowMs() / 1000) + 3600 })],
    ['another issuer than subject', () => ({ iss: newId(runtime, 'cli') })],
  ])('%s is refused', async (_, change) => {
    const form = { grant_type: 'client_credentials', ...(await assertClient(machine, change(machine))) };
    const answer = await endpoints.post(bench.home, '/oauth2/token', form);
    expect(answer).toMatchObject({ status: 401, body: { error: 'invalid_client' } });
  });

  test('an assertion works once, also when used at the same moment', async () => {
    const form = { grant_type: 'client_credentials', ...(await assertClient(machine)) };
    const answers = await Promise.all([1, 2, 3].map(() => endpoints.post(bench.home, '/oauth2/token', form)));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 401, 401]);
  });

  test('an assertion that was spent on a refusal is spent', async () => {
    const assertion = await assertClient(machine);
    const form = { grant_type: 'client_credentials', ...assertion };
    const refused = await endpoints.post(bench.home, '/oauth2/token', { ...form, scope: 'files:delete' });
    expect(refused.body.error).toBe('invalid_scope');
    expect((await endpoints.post(bench.home, '/oauth2/token', form)).status).toBe(401);
  });

  test('another key, another tenant’s client and no assertion at all are one answer', async () => {
    const imposter = { ...machine, key: await makeClientKey(runtime) };
    const abroad = { ...machine, tenant: bench.other };
    const forms = [await assertClient(imposter), {}];
    const answers = [];
    for (const form of forms) {
      answers.push(await endpoints.post(bench.home, '/oauth2/token', { grant_type: 'client_credentials', ...form }));
    }
    answers.push(await ask(abroad));
    for (const { status, body } of answers) {
      expect(status).toBe(401);
      expect(body).toEqual(answers[0]?.body);
    }
  });

  test('a secret beside the assertion is one method too many', async () => {
    expect((await ask(machine, { client_secret: 'x' })).body.error).toBe('invalid_request');
    const form = { grant_type: 'client_credentials', ...(await assertClient(machine)) };
    const header = { authorization: `Basic ${btoa('a:b')}` };
    expect((await endpoints.post(bench.home, '/oauth2/token', form, header)).body.error).toBe('invalid_request');
    const basic = await endpoints.post(bench.home, '/oauth2/token', { grant_type: 'client_credentials' }, header);
    expect(basic.status).toBe(401);
    expect(basic.headers.get('www-authenticate')).toContain('Basic');
  });

  test('a refusal leaves its evidence, by whom it was as far as that is proven', async () => {
    await ask(machine, { scope: 'files:delete' });
    expect((await refusals())[0]).toMatchObject({ actor: `client:${machine.id}`, outcome: 2 });
    await endpoints.post(bench.home, '/oauth2/token', { grant_type: 'client_credentials' });
    expect((await refusals())[0]).toMatchObject({ actor: 'anonymous:' });
  });
});

describe('the endpoint', () => {
  test('knows the grants it names and no other', async () => {
    for (const grant_type of [
      'password',
      'implicit',
      'urn:openid:params:grant-type:ciba',
      'urn:ietf:params:oauth:grant-type:saml2-bearer',
    ]) {
      expect((await ask(machine, { grant_type })).body.error).toBe('unsupported_grant_type');
    }
    // Served, but not what this client was approved for.
    for (const grant_type of ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code']) {
      expect((await ask(machine, { grant_type })).body.error).toBe('unauthorized_client');
    }
    expect((await ask(machine, { grant_type: '' })).body.error).toBe('invalid_request');
    expect((await ask(machine, { grant_type: ['client_credentials', 'client_credentials'] })).body.error).toBe(
      'invalid_request',
    );
  });

  test('is nothing at a tenant that is not there', async () => {
    const nowhere = { ...bench.home, issuer: `${bench.baseUrl}/t/nobody`, slug: 'nobody' };
    expect((await endpoints.post(nowhere, '/oauth2/token', {})).status).toBe(404);
  });

  test('reads no body beyond its limit, announced or not', async () => {
    const url = `${bench.home.issuer}/oauth2/token`;
    const body = `grant_type=client_credentials&padding=${'x'.repeat(40_000)}`;
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    expect((await endpoints.app.request(url, { method: 'POST', headers, body })).status).toBe(413);
    const stream = new Blob([body]).stream();
    const init: RequestInit & { duplex: 'half' } = { method: 'POST', headers, body: stream, duplex: 'half' };
    expect((await endpoints.app.request(new Request(url, init))).status).toBe(413);
  });

  test('mints nothing for a tenant that is suspended', async () => {
    await db.admin(`update mono.tenants set status = 'suspended' where slug = 'acme'`);
    expect((await ask(machine)).body.error).toBe('access_denied');
    await db.admin(`update mono.tenants set status = 'active' where slug = 'acme'`);
  });
});
