import { fromBinary, type JsonObject } from '@bufbuild/protobuf';
import { refusals } from '@mono-auth/core/errors';
import { type AgentId, newId, type TokenId } from '@mono-auth/core/ids';
import type { Principal } from '@mono-auth/core/principal';
import { ErrorInfoSchema } from '@mono-auth/proto/google/rpc/error_details';
import { TokenService } from '@mono-auth/proto/monoauth/tokens/v1/tokens';
import type { Tenant } from '@mono-auth/tenants';
import { FakeRuntime, openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { createRpcFetch } from '@mono-auth/transport';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { assertClient, type TestClient } from './client-key.ts';
import { openControlBench, type TestHost } from './control-bench.ts';
import { type DpopKey, makeDpopKey } from './dpop-key.ts';
import { type EndpointBench, type FormFields, openEndpointBench } from './endpoint-bench.ts';
import { tokenService } from './service.ts';
import { openTenantBench, type TenantBench } from './tenant-bench.ts';

const grant_type = 'urn:ietf:params:oauth:grant-type:token-exchange';
const accessToken = 'urn:ietf:params:oauth:token-type:access_token';
const files = 'https://files.test';
const path = '/monoauth.tokens.v1.TokenService/Exchange';

const runtime = new FakeRuntime();
let db: TestDatabase;
let bench: TenantBench;
let endpoints: EndpointBench;
let host: TestHost;
let agent: AgentId;
/** Of the agent: nobody else lets it act for them. */
let owner: Principal;
let service: TestClient;
let key: DpopKey;
/** The URLs of the clients that were to be brought up to date. */
const prepared: string[] = [];

beforeAll(async () => {
  db = await openTestDatabase();
  bench = await openTenantBench({ ...db, slugs: ['acme', 'other'], runtime, kek: testKek });
  endpoints = openEndpointBench(bench, {
    prepareClient: async (_, form) => void prepared.push(form.get('client_id') ?? ''),
  });
  const control = openControlBench(bench);
  const access = { scopes: ['files:read'], audiences: [files, 'https://mail.test'] };
  host = await control.enrolHost(bench.home, 'host-1', access);
  agent = await control.createAgent(host, 'agent-1', ['files:read']);
  owner = await control.ownerOf(bench.home, agent);
  service = await endpoints.createClient(bench.home, { kind: 'service', name: 'files', resource: files, ...access });
  key = await makeDpopKey(runtime);
});
afterAll(() => db.close());

interface RpcAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: JsonObject;
}

/** `tenant`: the one that the ingress names, if it does. */
async function post(message: object, tenant: Tenant | undefined, headers: Record<string, string>): Promise<RpcAnswer> {
  const rpc = createRpcFetch({
    routes: (router) => router.service(TokenService, tokenService(endpoints.deps)),
    authenticate: async () => expect.fail('a public method asks for no token'),
    record: async () => {},
    isPlatform: () => false,
    onRefusal: () => {},
  });
  const init = {
    method: 'POST',
    body: JSON.stringify(message),
    headers: { 'content-type': 'application/json', ...headers },
  };
  const prefix = tenant ? `/t/${tenant.slug}/rpc` : '';
  const possession = { method: 'POST', path: `${prefix}${path}`, dpop: headers.dpop, certificate: undefined };
  const ingress = { requestId: newId(runtime, 'req'), ip: '192.0.2.7', tenant, possession };
  const answer = await rpc(new Request(`${bench.baseUrl}${prefix}${path}`, init), path, ingress);
  if (!answer) throw new Error('no such method');
  return { status: answer.status, headers: answer.headers, body: (await answer.json()) as JsonObject };
}

/** The message of a form: names in the contract's JSON spelling. */
const messageOf = (form: FormFields) =>
  Object.fromEntries(
    Object.entries(form).map(([name, value]) => {
      const repeated = name === 'resource' || name === 'audience';
      return [name.replace(/_./g, (c) => c.slice(1).toUpperCase()), repeated ? [value].flat() : value];
    }),
  );

const exchange = (form: FormFields, headers = {}) => post(messageOf(form), bench.home, headers);

/** What a refusal says, in the words of the table. */
function saidBy({ body }: RpcAnswer) {
  const [detail] = body.details as { value: string }[];
  const { reason } = fromBinary(ErrorInfoSchema, Buffer.from(detail?.value ?? '', 'base64'));
  return { reason: reason as keyof typeof refusals, text: body.message, code: body.code };
}

async function actorToken(): Promise<string> {
  const answer = await endpoints.ask(host, '/oauth2/token', { grant_type: 'client_credentials', agent });
  return answer.body.access_token as string;
}

/** An exchange that is right in every part. */
async function delegation(change: FormFields = {}, subject?: string): Promise<FormFields> {
  return {
    ...(await assertClient(host)),
    subject_token: subject ?? (await bench.mint(bench.home, { subject: owner })).token,
    subject_token_type: accessToken,
    actor_token: await actorToken(),
    actor_token_type: accessToken,
    resource: files,
    ...change,
  };
}

test('a person’s token and an agent’s become one, which no cache keeps', async () => {
  const form = await delegation();
  const { status, headers, body } = await exchange(form);
  expect([status, headers.get('cache-control')]).toEqual([200, 'no-store']);
  expect(body).toEqual({
    accessToken: expect.any(String),
    issuedTokenType: accessToken,
    tokenType: 'Bearer',
    expiresIn: 300,
    scope: 'files:read',
  });
  expect(decodeJwt(body.accessToken as string)).toMatchObject({
    sub: decodeJwt(form.subject_token as string).sub,
    act: { sub: `agent:${agent}`, act: { sub: `host:${host.hostId}` } },
    aud: files,
    client_id: host.id,
  });
});

test('an empty field is an absent one, and values that name the same service are one', async () => {
  const empty = { scope: '', requested_token_type: '', client_id: '', client_secret: '' };
  const form = await delegation({ ...empty, resource: [files, '', files], audience: ['', files] });
  expect((await exchange(form)).status).toBe(200);
});

test('a service passes on what was sent to it, and authenticates by Basic as well', async () => {
  const sent = (await bench.mint(bench.home, { audience: files })).token;
  const form = { subject_token: sent, subject_token_type: accessToken, resource: 'https://mail.test' };
  const asserted = await exchange({ ...form, ...(await assertClient(service)) });
  expect(decodeJwt(asserted.body.accessToken as string).act).toMatchObject({ sub: `service:${service.id}` });
  const authorization = `Basic ${Buffer.from(`${service.id}:not-its-secret`).toString('base64')}`;
  expect(saidBy(await exchange(form, { authorization })).reason).toBe('invalid_client');
});

describe('where nothing but the message names the tenant', () => {
  const atRoot = async (subject?: string) => post(messageOf(await delegation({}, subject)), undefined, {});

  test('it is the one that issued the subject token', async () => {
    const { status, body } = await atRoot();
    expect([status, decodeJwt(body.accessToken as string).tenant_id]).toEqual([200, bench.home.id]);
  });

  test('a client of another tenant is nobody there, whatever it can prove elsewhere', async () => {
    const foreign = (await bench.mint(bench.other)).token;
    expect(saidBy(await atRoot(foreign))).toMatchObject({ reason: 'invalid_client', code: 'unauthenticated' });
  });

  test('one that is not there or is named twofold is not found; what it did not sign is not believed', async () => {
    const none = { reason: 'not_found', text: 'tenant not found', code: 'not_found' };
    const { claims } = await bench.mint(bench.home, { subject: owner });
    const never = await bench.sign(bench.home, { ...claims, tenant_id: newId(runtime, 'ten') });
    const twofold = await bench.sign(bench.home, { ...claims, iss: bench.other.issuer });
    for (const subject of [never, twofold]) expect(saidBy(await atRoot(subject))).toEqual(none);
    for (const subject of [await bench.sign(bench.other, claims), '', 'a.b']) {
      const said = saidBy(await atRoot(subject));
      expect(said).toMatchObject({ reason: 'invalid_request', text: expect.stringMatching(/^subject_token: /) });
    }
  });
});

/** Every way in which the request is bent; the same form goes to both doors, each time with an assertion of its own. */
const bent: Record<string, () => FormFields | Promise<FormFields>> = {
  'no subject_token': () => ({ subject_token: '' }),
  'no subject_token_type': () => ({ subject_token_type: '' }),
  'a subject_token_type that is not taken': () => ({ subject_token_type: 'urn:ietf:params:oauth:token-type:saml2' }),
  'a subject token that is no token': () => ({ subject_token: 'x' }),
  'a subject token of another tenant': async () => ({ subject_token: (await bench.mint(bench.other)).token }),
  'an expired subject token': async () => {
    const { claims } = await bench.mint(bench.home);
    return { subject_token: await bench.sign(bench.home, { ...claims, exp: claims.iat - 31 }) };
  },
  'a revoked subject token': async () => {
    const { token, claims } = await bench.mint(bench.home);
    await bench.revoke(bench.home, { kind: 'token', id: claims.jti as TokenId });
    return { subject_token: token };
  },
  'a bound subject token without its proof': async () => ({
    subject_token: (await bench.mint(bench.home, { cnf: { jkt: key.jkt } })).token,
  }),
  'a subject token for somebody else': async () => ({
    subject_token: (await bench.mint(bench.home, { audience: 'https://else.test' })).token,
  }),
  'an actor_token without its type': () => ({ actor_token_type: '' }),
  'an actor_token_type without its token': () => ({ actor_token: '' }),
  'an actor that is the person': async () => ({ actor_token: (await bench.mint(bench.home)).token }),
  'another requested_token_type': () => ({ requested_token_type: 'urn:ietf:params:oauth:token-type:id_token' }),
  'no target': () => ({ resource: '' }),
  'two targets': () => ({ audience: 'https://mail.test' }),
  'a resource with a fragment': () => ({ resource: `${files}#part` }),
  'a resource that is not the client’s': () => ({ resource: 'https://nowhere.test' }),
  'a scope that nobody holds': () => ({ scope: 'files:write' }),
  'a malformed scope': () => ({ scope: 'files:read "' }),
  'characters that are not printable': () => ({ scope: 'files:réad' }),
  'a control character': () => ({ audience: `${files}\n` }),
  'too many parameters': () => ({ audience: Array.from({ length: 40 }, () => files) }),
  'no client authentication': () => ({ client_assertion: '', client_assertion_type: '' }),
  'an assertion without its type': () => ({ client_assertion_type: '' }),
  'an assertion and a secret': () => ({ client_secret: 'x', client_id: host.id }),
  'a client_id that is not the assertion’s': () => ({ client_id: service.id }),
  'an assertion for another issuer': () => assertClient(host, { aud: bench.other.issuer }),
};

describe('a request that is not right is refused over RPC as at the endpoint, in the same words', () => {
  test.each(Object.entries(bent))('%s', async (_, bend) => {
    const change = await bend();
    const form = await endpoints.post(bench.home, '/oauth2/token', { grant_type, ...(await delegation(change)) });
    expect(form.status).toBeGreaterThanOrEqual(400);
    const { reason, text, code } = saidBy(await exchange(await delegation(change)));
    expect({ error: refusals[reason].oauth, text }).toEqual({
      error: form.body.error,
      text: form.body.error_description,
    });
    expect(code).toBe(refusals[reason].connect);
  });

  test('an assertion is spent once, whichever door it comes through', async () => {
    const form = await delegation();
    expect((await exchange(form)).status).toBe(200);
    expect(saidBy(await exchange(form)).reason).toBe('invalid_client');
    expect((await endpoints.post(bench.home, '/oauth2/token', { grant_type, ...form })).body.error).toBe(
      'invalid_client',
    );
  });

  test('more bytes than the endpoint takes', async () => {
    const said = saidBy(await exchange(await delegation({ scope: 'x'.repeat(32 * 1024) })));
    expect(said).toMatchObject({ reason: 'too_large', code: 'resource_exhausted' });
  });

  test('and leaves the same evidence', async () => {
    const refused = async () => {
      const rows = await db.admin<{ count: string }>(
        `select count(*) as count from mono.audit_events where type = 'token.refused' and object_id = $1`,
        [host.id],
      );
      return Number(rows[0]?.count);
    };
    const before = await refused();
    await exchange(await delegation({ scope: 'files:write' }));
    expect(await refused()).toBe(before + 1);
  });
});

describe('a DPoP proof (RFC 9449)', () => {
  const url = () => `${bench.home.issuer}/rpc${path}`;

  test('is asked for a nonce, which comes with the refusal, and binds the token', async () => {
    const asked = await exchange(await delegation(), { dpop: await key.prove('POST', url(), undefined) });
    expect(saidBy(asked)).toMatchObject({ reason: 'use_dpop_nonce', code: 'unauthenticated' });
    const nonce = asked.headers.get('dpop-nonce') ?? '';
    expect(nonce).toBe(await bench.dpopNonces.current(bench.home.id));
    const bound = await exchange(await delegation(), { dpop: await key.prove('POST', url(), nonce) });
    expect(bound.body.tokenType).toBe('DPoP');
    expect(bound.headers.get('dpop-nonce')).toBe(nonce);
    expect(decodeJwt(bound.body.accessToken as string).cnf).toEqual({ jkt: key.jkt });
  });

  test('is of this very method: one for the token endpoint is none', async () => {
    const nonce = await bench.dpopNonces.current(bench.home.id);
    const proof = await key.prove('POST', `${bench.home.issuer}/oauth2/token`, nonce);
    expect(saidBy(await exchange(await delegation(), { dpop: proof })).reason).toBe('invalid_dpop_proof');
  });
});

test('a client that calls itself by a URL is brought up to date first', async () => {
  await exchange(await delegation({ client_id: 'https://app.test/client.json' }));
  expect(prepared.at(-1)).toBe('https://app.test/client.json');
});
