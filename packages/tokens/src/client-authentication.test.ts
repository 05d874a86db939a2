import { newId } from '@mono-auth/core/ids';
import { FakeRuntime, openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { assertClient, type TestClient } from './client-key.ts';
import { type Answer, type EndpointBench, type FormFields, openEndpointBench } from './endpoint-bench.ts';
import { openTenantBench, type TenantBench } from './tenant-bench.ts';

const runtime = new FakeRuntime();
const secret = 'f: +%&=/u';
let db: TestDatabase;
let bench: TenantBench;
let endpoints: EndpointBench;
let keyed: TestClient;
let basic: TestClient;
let post: TestClient;
let tls: TestClient;
let open: TestClient;
let theirs: TestClient;

beforeAll(async () => {
  db = await openTestDatabase();
  bench = await openTenantBench({ ...db, slugs: ['acme', 'other'], runtime, kek: testKek });
  endpoints = openEndpointBench(bench, {
    certificateOf: (request) => {
      const subjectDn = request.headers.get('x-test-subject');
      return subjectDn === null ? undefined : { subjectDn, thumbprint: 'thumb' };
    },
  });
  const make = (name: string, tenant = bench.home) =>
    endpoints.createClient(tenant, { kind: 'machine', name, scopes: ['files:read'] });
  keyed = await make('keyed');
  basic = await make('basic');
  post = await make('post');
  tls = await make('tls');
  open = await make('open');
  theirs = await make('theirs', bench.other);
  await db.changeManifest(basic.id, { authMethod: 'client_secret_basic' });
  await db.changeManifest(post.id, { authMethod: 'client_secret_post' });
  await db.changeManifest(tls.id, { authMethod: 'tls_client_auth', tlsSubjectDn: 'CN=batch,O=Acme' });
  await db.changeManifest(open.id, { authMethod: 'none' });
  for (const client of [basic, post])
    await db.addSecret({ tenantId: client.tenant.id, id: client.id }, secret, runtime.nowMs());
});
afterAll(() => db.close());

const encode = (text: string) => new URLSearchParams({ '': text }).toString().slice(1);
const header = (id: string, password: string) => ({
  authorization: `Basic ${btoa(`${encode(id)}:${encode(password)}`)}`,
});
const ask = (form: FormFields, headers: Record<string, string> = {}, tenant = bench.home, path = '/oauth2/token') =>
  endpoints.post(tenant, path, { grant_type: 'client_credentials', token: 'x', ...form }, headers);

describe('a client gets its token', () => {
  test('by its assertion, its secret in header or form, or its certificate', async () => {
    const answers = [
      await ask(await assertClient(keyed)),
      await ask({}, header(basic.id, secret)),
      await ask({ client_id: post.id, client_secret: secret }),
      await ask({ client_id: tls.id }, { 'x-test-subject': 'CN=batch,O=Acme' }),
    ];
    for (const answer of answers) expect(answer.status).toBe(200);
    const claims = answers.map(({ body }) => decodeJwt(body.access_token as string));
    expect(claims.map(({ client_id }) => client_id)).toEqual([keyed.id, basic.id, post.id, tls.id]);
    // RFC 8705 §3: only the certificate binds.
    expect(claims.map(({ cnf }) => cnf)).toEqual([undefined, undefined, undefined, { 'x5t#S256': 'thumb' }]);
  });

  test('but a public one gets none of its own, and none for having been handed a token', async () => {
    for (const grant_type of ['client_credentials', 'urn:ietf:params:oauth:grant-type:token-exchange']) {
      const { status, body } = await ask({ client_id: open.id, grant_type });
      expect({ status, error: body.error }).toEqual({ status: 400, error: 'unauthorized_client' });
    }
  });

  test('and none by a grant that its manifest does not name', async () => {
    await db.changeManifest(post.id, { grantTypes: [] });
    const { status, body } = await ask({ client_id: post.id, client_secret: secret });
    expect({ status, error: body.error }).toEqual({ status: 400, error: 'unauthorized_client' });
    await db.changeManifest(post.id, { grantTypes: ['client_credentials'] });
  });
});

interface Attempt {
  readonly form?: FormFields;
  readonly headers?: Record<string, string>;
}
const attempts: [string, () => Attempt | Promise<Attempt>][] = [
  ['nothing', () => ({})],
  ['an unknown client', () => ({ form: { client_id: newId(runtime, 'cli') } })],
  ['a client_id that is none', () => ({ form: { client_id: 'admin' } })],
  ['a client_id that is a URL', () => ({ form: { client_id: 'https://app.example.com/client.json' } })],
  ['a confidential client by its name alone', () => ({ form: { client_id: basic.id } })],
  ['a keyed client by its name alone', () => ({ form: { client_id: keyed.id } })],
  ['a wrong secret in the form', () => ({ form: { client_id: post.id, client_secret: `${secret}x` } })],
  ['the secret of an unknown client', () => ({ form: { client_id: newId(runtime, 'cli'), client_secret: secret } })],
  ['a secret in the form of a client of the header', () => ({ form: { client_id: basic.id, client_secret: secret } })],
  ['a secret without a client', () => ({ form: { client_secret: secret } })],
  ['a secret for a public client', () => ({ form: { client_id: open.id, client_secret: secret } })],
  ['a secret for a keyed client', () => ({ form: { client_id: keyed.id, client_secret: secret } })],
  ['another tenant’s client by its name', () => ({ form: { client_id: theirs.id } })],
  ['another tenant’s assertion', async () => ({ form: await assertClient(theirs) })],
  ['another tenant’s assertion for us', async () => ({ form: await assertClient(theirs, { aud: bench.home.issuer }) })],
  [
    'an assertion of an unknown client',
    async () => ({ form: await assertClient({ ...keyed, id: newId(runtime, 'cli') }) }),
  ],
  ['an assertion of a client with a secret', async () => ({ form: await assertClient(basic) })],
  [
    'an assertion for the token endpoint',
    async () => ({ form: await assertClient(keyed, { aud: `${bench.home.issuer}/oauth2/token` }) }),
  ],
  [
    'an assertion for two',
    async () => ({ form: await assertClient(keyed, { aud: [bench.home.issuer, 'https://x.test'] }) }),
  ],
  ['an expired assertion', async () => ({ form: await assertClient(keyed, { exp: 1 }) })],
  ['an assertion without jti', async () => ({ form: await assertClient(keyed, { jti: '' }) })],
  [
    'an assertion type without an assertion',
    async () => ({ form: { client_assertion_type: (await assertClient(keyed)).client_assertion_type } }),
  ],
  [
    'an assertion of another type',
    async () => ({
      form: {
        ...(await assertClient(keyed)),
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:saml2-bearer',
      },
    }),
  ],
  [
    'an assertion with another client_id',
    async () => ({ form: { ...(await assertClient(keyed)), client_id: post.id } }),
  ],
  ['no certificate', () => ({ form: { client_id: tls.id } })],
  ['another certificate', () => ({ form: { client_id: tls.id }, headers: { 'x-test-subject': 'CN=other,O=Acme' } })],
  [
    'a certificate of a client with a secret',
    () => ({ form: { client_id: basic.id }, headers: { 'x-test-subject': 'CN=batch,O=Acme' } }),
  ],
];
const headerAttempts: [string, () => Attempt][] = [
  ['a wrong secret', () => ({ headers: header(basic.id, `${secret}x`) })],
  ['an unknown client', () => ({ headers: header(newId(runtime, 'cli'), secret) })],
  ['a client of the form', () => ({ headers: header(post.id, secret) })],
  ['another tenant’s client', () => ({ headers: header(theirs.id, secret) })],
  ['another client_id beside', () => ({ headers: header(basic.id, secret), form: { client_id: post.id } })],
  [
    'halves that are not form-urlencoded',
    () => ({ headers: { authorization: `Basic ${btoa(`${basic.id}:${secret}`)}` } }),
  ],
  ['no colon', () => ({ headers: { authorization: `Basic ${btoa('x')}` } })],
  ['the Bearer scheme', () => ({ headers: { authorization: 'Bearer x' } })],
];

function expectRefused(answer: Answer, challenge: string | null): void {
  expect(answer.status).toBe(401);
  // One text for all: who may not be told apart from nobody.
  expect(answer.body).toEqual({
    error: 'invalid_client',
    error_description: 'client authentication failed',
    reason: 'invalid_client',
  });
  expect(answer.headers.get('www-authenticate')).toBe(challenge);
  expect([answer.headers.get('cache-control'), answer.headers.get('pragma')]).toEqual(['no-store', 'no-cache']);
}

describe.each(['/oauth2/token', '/oauth2/introspect', '/oauth2/revoke'])('%s refuses', (path) => {
  test.each(attempts)('%s', async (_, attempt) => {
    const { form = {}, headers } = await attempt();
    expectRefused(await ask(form, headers, bench.home, path), null);
  });

  test.each(headerAttempts)('%s in the header, and names the scheme', async (_, attempt) => {
    const { form = {}, headers } = attempt();
    expectRefused(await ask(form, headers, bench.home, path), 'Basic realm="mono-auth"');
  });

  test('two methods at once as an invalid request', async () => {
    const form = { client_id: post.id, client_secret: secret };
    for (const [fields, headers] of [
      [form, header(post.id, secret)],
      [{ ...form, ...(await assertClient(post)) }, {}],
      [await assertClient(keyed), header(keyed.id, secret)],
    ] as const) {
      const { status, body } = await ask(fields, headers, bench.home, path);
      expect({ status, error: body.error }).toEqual({ status: 400, error: 'invalid_request' });
    }
  });
});

test('what one tenant refused is not used up in the other', async () => {
  const form = await assertClient(theirs);
  expectRefused(await ask(form), null);
  expect((await ask(form, {}, bench.other)).status).toBe(200);
  expectRefused(await ask(form, {}, bench.other), null);
});

test('an unknown client costs what a wrong secret costs: one query more or less would tell', async () => {
  const statements = async (form: FormFields) => {
    let count = 0;
    const counting = new Proxy(bench.database, {
      get: (database, name) =>
        name === 'forTenant' || name === 'forDecision'
          ? (tenantId: typeof bench.home.id, work: (tx: object) => Promise<unknown>) =>
              database[name](tenantId, (tx) => {
                const sql = tx.sql.bind(tx);
                Object.defineProperty(tx, 'sql', {
                  value: (...args: Parameters<typeof sql>) => {
                    count++;
                    return sql(...args);
                  },
                });
                return work(tx);
              })
          : Reflect.get(database, name, database),
    });
    await openEndpointBench({ ...bench, database: counting }).post(bench.home, '/oauth2/introspect', {
      token: 'x',
      ...form,
    });
    return count;
  };
  const wrong = await statements({ client_id: post.id, client_secret: 'x' });
  expect(wrong).toBeGreaterThan(0);
  for (const client_id of [
    newId(runtime, 'cli'),
    'admin',
    'https://app.example.com/client.json',
    keyed.id,
    theirs.id,
  ]) {
    expect(await statements({ client_id, client_secret: 'x' }), client_id).toBe(wrong);
  }
});
