import { fromBinary } from '@bufbuild/protobuf';
import { type AgentId, newId, type SessionId, type TokenId } from '@mono-auth/core/ids';
import type { Principal } from '@mono-auth/core/principal';
import { actorChain } from '@mono-auth/core/token-claims';
import type { Minted } from '@mono-auth/minting';
import { EventSchema, Outcome } from '@mono-auth/proto/monoauth/audit/v1/audit';
import { FakeRuntime, openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { assertClient, type TestClient } from '../client-key.ts';
import { type ControlBench, openControlBench, type TestHost } from '../control-bench.ts';
import { type Answer, type EndpointBench, type FormFields, openEndpointBench } from '../endpoint-bench.ts';
import { openTenantBench, type TenantBench } from '../tenant-bench.ts';
import { verifyAccessToken } from '../verify-access-token.ts';

const grant_type = 'urn:ietf:params:oauth:grant-type:token-exchange';
const accessToken = 'urn:ietf:params:oauth:token-type:access_token';
const resourceOf = (name: string) => `https://${name}.test`;
const names = ['files', 'archive', 'index', 'mail', 'sink'];
const resources = names.map(resourceOf);

const runtime = new FakeRuntime();
let db: TestDatabase;
let bench: TenantBench;
let endpoints: EndpointBench;
let control: ControlBench;
let host: TestHost;
let agent: AgentId;
let owner: Principal;
let machine: TestClient;
const services: Record<string, TestClient> = {};

beforeAll(async () => {
  db = await openTestDatabase();
  bench = await openTenantBench({ ...db, slugs: ['acme', 'other'], runtime, kek: testKek });
  endpoints = openEndpointBench(bench);
  control = openControlBench(bench);
  const access = { scopes: ['files:read', 'files:write'], audiences: resources };
  host = await control.enrolHost(bench.home, 'host-1', access);
  agent = await control.createAgent(host, 'agent-1', ['files:read']);
  owner = await control.ownerOf(bench.home, agent);
  machine = await endpoints.createClient(bench.home, { kind: 'machine', name: 'builder', ...access });
  for (const name of names) {
    const resource = resourceOf(name);
    services[name] = await endpoints.createClient(bench.home, { kind: 'service', name, resource, ...access });
  }
});
afterAll(() => db.close());

/** The owner of the agent: nobody else lets it act for them. */
const person = (change: Parameters<TenantBench['mint']>[1] = {}) =>
  bench.mint(bench.home, { subject: owner, ...change });
const verify = (token: unknown) => verifyAccessToken(bench, bench.home, token as string, { holder: {} });
const exchange = (client: TestClient, form: FormFields) =>
  endpoints.ask(client, '/oauth2/token', { grant_type, subject_token_type: accessToken, ...form });

async function actorToken(of: TestHost = host, agentId: string | undefined = agent): Promise<string> {
  const form = { grant_type: 'client_credentials', ...(agentId && { agent: agentId }) };
  return (await endpoints.ask(of, '/oauth2/token', form)).body.access_token as string;
}

/** An exchange that is right in every part; `change` bends it. */
async function delegate(subject: Minted, change: FormFields = {}, client: TestClient = host): Promise<Answer> {
  const actor = { actor_token: await actorToken(), actor_token_type: accessToken };
  return exchange(client, { subject_token: subject.token, ...actor, resource: resourceOf('files'), ...change });
}

/** The service at `from` passes what was sent to it on to the service at `to`. */
const hop = (token: unknown, from: string, to: string) =>
  exchange(services[from] as TestClient, { subject_token: token as string, resource: resourceOf(to) });

const events = async (type: string) => {
  const rows = await db.admin<{ envelope: Uint8Array }>(
    'select envelope from mono.audit_events where type = $1 order by id desc',
    [type],
  );
  return rows.map(({ envelope }) => fromBinary(EventSchema, new Uint8Array(envelope)));
};

describe('a person’s token and an agent’s', () => {
  test('become one that carries both, and the host', async () => {
    const subject = await person();
    const answer = await delegate(subject);
    expect(answer).toMatchObject({
      status: 200,
      body: { token_type: 'Bearer', issued_token_type: accessToken, scope: 'files:read' },
    });
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(answer.body).not.toHaveProperty('refresh_token');
    const claims = await verify(answer.body.access_token);
    expect(claims).toMatchObject({
      sub: subject.claims.sub,
      act: { sub: `agent:${agent}`, sub_profile: 'ai_agent', act: { sub: `host:${host.hostId}` } },
      aud: resourceOf('files'),
      client_id: host.id,
      sid: subject.claims.sid,
      tenant_role: 'member',
    });
    expect(claims.act?.act?.act).toBeUndefined();
    expect(claims.pjti).toHaveLength(2);
    expect(claims.pjti?.[0]).toBe(subject.claims.jti);
    expect(answer.body.expires_in).toBe(claims.exp - claims.iat);
  });

  test('leave the evidence of the exchange, with the decision', async () => {
    const subject = await person();
    const claims = await verify((await delegate(subject)).body.access_token);
    const [event] = await events('token.exchanged');
    expect(event).toMatchObject({
      actor: `host:${host.hostId}`,
      subject: subject.claims.sub,
      tokenId: claims.jti,
      decisionId: claims.did,
      policyVersion: 1n,
      outcome: Outcome.SUCCESS,
    });
    const detail = { audience: resourceOf('files'), scope: 'files:read', actors: actorChain(claims.act).join(' ') };
    expect(JSON.parse(event?.detailJson ?? '')).toMatchObject(detail);
  });

  test('give no more scope than everybody holds, whatever is asked for', async () => {
    const subject = await person({ scope: ['files:read', 'mail:read'] });
    expect((await delegate(subject, { scope: 'files:read files:write mail:read' })).body.scope).toBe('files:read');
    for (const scope of ['files:write', 'mail:read', 'unknown']) {
      expect((await delegate(subject, { scope })).body.error).toBe('invalid_scope');
    }
    expect((await delegate(await person({ scope: ['mail:read'] }))).body.error).toBe('invalid_scope');
    await db.admin(`update mono.agents set scopes = '{files:write}' where name = 'agent-1'`);
    const older = { actor_token: await actorToken() };
    await db.admin(`update mono.agents set scopes = '{files:read}' where name = 'agent-1'`);
    expect((await delegate(await person(), older)).body.error).toBe('invalid_scope');
  });

  test('give a client that acts itself no more scope than it holds', async () => {
    const access = { scopes: ['files:read'], audiences: resources };
    const reader = await endpoints.createClient(bench.home, { kind: 'machine', name: 'reader', ...access });
    const form = { subject_token: (await person()).token, resource: resourceOf('files') };
    expect((await exchange(reader, form)).body.scope).toBe('files:read');
    expect((await exchange(reader, { ...form, scope: 'files:write' })).body.error).toBe('invalid_scope');
  });

  test('give a token that ends with the first of them', async () => {
    const subject = await person();
    runtime.advance(500_000);
    const answer = await delegate(subject);
    expect(answer.body.expires_in).toBe(100);
    runtime.advance(100_000);
    expect((await delegate(subject)).body.error).toBe('invalid_request');
  });

  test('may be named as JWTs too, and the result is called what was asked for', async () => {
    const jwt = 'urn:ietf:params:oauth:token-type:jwt';
    expect((await delegate(await person(), { subject_token_type: jwt, actor_token_type: jwt })).status).toBe(200);
    const answer = await delegate(await person(), { requested_token_type: jwt });
    expect(answer.body).toMatchObject({ issued_token_type: jwt, token_type: 'Bearer' });
    await verify(answer.body.access_token);
  });

  test('a host that leaves its agent out acts for nobody who has not named it', async () => {
    const form = { grant_type: 'client_credentials', resource: bench.home.issuer };
    const own = (await endpoints.ask(host, '/oauth2/token', form)).body.access_token as string;
    expect((await delegate(await person(), { actor_token: own })).body.error).toBe('invalid_request');
    const named = await person({ mayAct: `host:${host.hostId}` });
    const claims = await verify((await delegate(named, { actor_token: own })).body.access_token);
    expect(actorChain(claims.act)).toEqual([`host:${host.hostId}`]);
  });
});

describe('RFC 8693 §2.1', () => {
  test.each<[string, FormFields, string]>([
    ['no subject_token', { subject_token: '' }, 'invalid_request'],
    ['no subject_token_type', { subject_token_type: '' }, 'invalid_request'],
    ['another subject_token_type', { subject_token_type: accessToken.replace('access', 'id') }, 'invalid_request'],
    ['an actor_token without its type', { actor_token_type: '' }, 'invalid_request'],
    ['an actor_token_type without a token', { actor_token: '' }, 'invalid_request'],
    ['another actor_token_type', { actor_token_type: 'x' }, 'invalid_request'],
    ['another requested_token_type', { requested_token_type: `${accessToken}s` }, 'invalid_request'],
    ['no target', { resource: '' }, 'invalid_request'],
    ['two targets', { resource: resources }, 'invalid_target'],
    ['a target of nobody’s', { resource: 'https://else.test' }, 'invalid_target'],
    ['the management API', { resource: 'https://id.test/t/acme/rpc' }, 'invalid_target'],
    ['a repeated subject_token', { subject_token: ['a.b.c', 'a.b.c'] }, 'invalid_request'],
  ])('%s is refused', async (_, change, error) => {
    expect(await delegate(await person(), change)).toMatchObject({ status: 400, body: { error } });
  });

  test('audience names the target as well as resource does', async () => {
    const answer = await delegate(await person(), { audience: resourceOf('mail'), resource: '' });
    expect((await verify(answer.body.access_token)).aud).toBe(resourceOf('mail'));
  });
});

describe('RFC 8693 §2.2.2: a subject token is refused as invalid_request', () => {
  const refused = async (subject_token: string) => (await delegate(await person(), { subject_token })).body.error;

  test('in every spelling but its own, unsigned, or signed as something else', async () => {
    const { token, claims } = await person();
    const [header, payload, signature] = token.split('.') as [string, string, string];
    const none = btoa(JSON.stringify({ alg: 'none', typ: 'at+jwt' })).replace(/=/g, '');
    const variants = ['x', `${token}=`, `${token} `, `${header}.${payload}.`, `${none}.${payload}.${signature}`];
    variants.push(await bench.sign(bench.home, claims, 'JWT'), await bench.sign(bench.other, claims));
    for (const variant of variants) expect(await refused(variant), variant).toBe('invalid_request');
  });

  test('of another tenant, for another audience, of the gateway, bound to a key', async () => {
    const { claims } = await person();
    const gateway = await person({ use: 'gateway' });
    const tokens = [
      (await bench.mint(bench.other)).token,
      (await person({ audience: `${bench.home.issuer}/rpc` })).token,
      (await person({ audience: resourceOf('files') })).token,
      gateway.token,
      await bench.sign(bench.home, { ...claims, cnf: { jkt: 'thumbprint' } }),
    ];
    for (const token of tokens) expect(await refused(token)).toBe('invalid_request');
  });

  test('once it, its session or its tenant’s epoch is gone', async () => {
    const [one, two] = [await person(), await person()];
    await bench.revoke(bench.home, { kind: 'token', id: one.claims.jti as TokenId });
    await bench.revoke(bench.home, { kind: 'session', id: two.claims.sid as SessionId });
    for (const { token } of [one, two]) expect(await refused(token)).toBe('invalid_request');
    const three = await person();
    await bench.revoke(bench.home, { kind: 'tenant' });
    expect(await refused(three.token)).toBe('invalid_request');
    expect((await delegate(await person())).status).toBe(200);
  });

  test('when may_act names somebody else; whom it names needs no other word of the person, and hands it to nobody', async () => {
    const stranger = `user:${newId(runtime, 'usr')}` as const;
    const naming = (mayAct: Principal) => person({ mayAct, subject: stranger });
    expect(await refused((await naming(`agent:${newId(runtime, 'agt')}`)).token)).toBe('invalid_request');
    const { body } = await delegate(await naming(`agent:${agent}`));
    expect(await verify(body.access_token)).not.toHaveProperty('may_act');
    expect(await refused((await person({ subject: stranger })).token)).toBe('invalid_request');
  });
});

describe('an actor token is refused', () => {
  const refused = async (actor_token: string) => (await delegate(await person(), { actor_token })).body.error;

  test('of another host’s agent, of a person, for another audience, or without one at a host', async () => {
    const neighbour = await control.enrolHost(bench.home, 'host-2', { scopes: ['files:read'] });
    const theirs = await control.createAgent(neighbour, 'agent-2', ['files:read']);
    const form = { grant_type: 'client_credentials', agent, resource: `${bench.home.issuer}/rpc` };
    const forRpc = (await endpoints.ask(host, '/oauth2/token', form)).body.access_token as string;
    for (const token of [await actorToken(neighbour, theirs), (await person()).token, forRpc]) {
      expect(await refused(token)).toBe('invalid_request');
    }
    expect((await delegate(await person(), { actor_token: '', actor_token_type: '' })).body.error).toBe(
      'invalid_request',
    );
  });

  test('of an agent that was suspended meanwhile, without waiting for the feed', async () => {
    const token = await actorToken();
    await db.admin(`update mono.agents set status = 'suspended' where name = 'agent-1'`);
    expect(await refused(token)).toBe('invalid_request');
    await db.admin(`update mono.agents set status = 'active' where name = 'agent-1'`);
    expect(await refused(token)).toBeUndefined();
  });
});

describe('law 6: a token that has an actor takes no simpler path', () => {
  test('the service that it was sent to passes it on as one more actor', async () => {
    const first = (await delegate(await person())).body.access_token;
    const claims = await verify((await hop(first, 'files', 'archive')).body.access_token);
    const chain = [`service:${services.files?.id}`, `agent:${agent}`, `host:${host.hostId}`];
    expect(actorChain(claims.act)).toEqual(chain);
    expect(claims.pjti).toHaveLength(3);
  });

  test('nobody else does: not the host, not another service, not a machine without an actor', async () => {
    const first = await delegate(await person());
    const subject_token = first.body.access_token as string;
    expect((await delegate(await person(), { subject_token })).body.error).toBe('invalid_request');
    expect((await hop(subject_token, 'archive', 'files')).body.error).toBe('invalid_request');
    const atIssuer = await person({ act: { sub: `agent:${agent}` }, ttlSeconds: 300 });
    const alone = { subject_token: atIssuer.token, resource: resourceOf('files') };
    expect((await exchange(machine, alone)).body.error).toBe('invalid_request');
    expect((await exchange(machine, { ...alone, subject_token: (await person()).token })).status).toBe(200);
  });

  test('a chain ends at five actors and never meets itself', async () => {
    let token = (await delegate(await person())).body.access_token;
    for (const [from, to] of [
      ['files', 'archive'],
      ['archive', 'index'],
      ['index', 'mail'],
    ] as const) {
      const again = await hop(token, from, 'files');
      token = (await hop(token, from, to)).body.access_token;
      if (from !== 'files')
        expect((await hop(again.body.access_token, 'files', to)).body.error).toBe('invalid_request');
    }
    expect(actorChain((await verify(token)).act)).toHaveLength(5);
    expect((await hop(token, 'mail', 'sink')).body.error).toBe('invalid_request');
  });
});

describe('what is taken away takes everything with it', () => {
  test('a derived token dies with each of its ancestors', async () => {
    const subject = await person();
    const first = (await delegate(subject)).body.access_token;
    const second = (await hop(first, 'files', 'archive')).body.access_token;
    await verify(second);
    await bench.revoke(bench.home, { kind: 'token', id: (await verify(first)).jti as TokenId });
    await expect(verify(second)).rejects.toThrow('revoked');
    const other = (await delegate(subject)).body.access_token;
    await bench.revoke(bench.home, { kind: 'token', id: subject.claims.jti as TokenId });
    await expect(verify(other)).rejects.toThrow('revoked');
  });

  test('no exchange outruns the revocation of its host, however they meet', async () => {
    const doomed = await control.enrolHost(bench.home, 'host-5', { scopes: ['files:read'], audiences: resources });
    const doomedAgent = await control.createAgent(doomed, 'agent-5', ['files:read']);
    const subject = await person({ subject: await control.ownerOf(bench.home, doomedAgent) });
    const actor_token = await actorToken(doomed, doomedAgent);
    const early = await delegate(subject, { actor_token }, doomed);
    expect(early.status).toBe(200);
    const attempts = Array.from({ length: 8 }, () => delegate(subject, { actor_token }, doomed));
    const [answers] = await Promise.all([Promise.all(attempts), control.revokeHost(doomed)]);
    const issued = [early, ...answers].filter(({ status }) => status === 200);
    for (const { body } of issued) await expect(verify(body.access_token)).rejects.toThrow('revoked');
    for (const { status } of answers) expect([200, 400, 401]).toContain(status);
    expect((await delegate(subject, { actor_token }, doomed)).status).toBe(401);
  });
});

test('parallel exchanges get tokens of their own, and one assertion gets one', async () => {
  const subject = await person();
  const answers = await Promise.all(Array.from({ length: 6 }, () => delegate(subject)));
  const ids = await Promise.all(answers.map(async ({ body }) => (await verify(body.access_token)).jti));
  expect(new Set(ids).size).toBe(6);
  const form = {
    grant_type,
    ...(await assertClient(machine)),
    subject_token: subject.token,
    subject_token_type: accessToken,
    resource: resourceOf('files'),
  };
  const same = await Promise.all([1, 2, 3].map(() => endpoints.post(bench.home, '/oauth2/token', form)));
  expect(same.map(({ status }) => status).sort()).toEqual([200, 401, 401]);
});

test('policy has the last word: a denial is access_denied, and its evidence names the decision', async () => {
  const forbid = `permit (principal, action, resource);
    forbid (principal, action == Action::"token.exchange", resource)
    when { context has actor && context.actor == "agent:${agent}" &&
      context has audience && context.audience == "${resourceOf('sink')}" };`;
  await control.publishPolicy(bench.home, forbid, 1);
  const subject = await person();
  const denied = await delegate(subject, { resource: resourceOf('sink') });
  expect(denied).toMatchObject({ status: 403, body: { error: 'access_denied' } });
  expect((await delegate(subject)).status).toBe(200);
  const [event] = await events('token.refused');
  expect(event).toMatchObject({
    outcome: Outcome.DENIED,
    reason: 'denied',
    actor: `host:${host.hostId}`,
    subject: subject.claims.sub,
    policyVersion: 2n,
  });
  expect(event?.decisionId).toMatch(/^dec_/);
});
