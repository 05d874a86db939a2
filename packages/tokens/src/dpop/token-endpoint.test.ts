import { newId, uuidOf } from '@mono-auth/core/ids';
import { FakeRuntime, openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { assertClient, type TestClient } from '../client-key.ts';
import { type DpopKey, makeDpopKey, type ProofChange } from '../dpop-key.ts';
import { type Answer, type EndpointBench, type FormFields, openEndpointBench } from '../endpoint-bench.ts';
import { openTenantBench, type TenantBench } from '../tenant-bench.ts';

const runtime = new FakeRuntime();
const grant_type = 'urn:ietf:params:oauth:grant-type:token-exchange';
const accessToken = 'urn:ietf:params:oauth:token-type:access_token';
const files = 'https://files.test';
const bound = 'https://bound.test';
let db: TestDatabase;
let bench: TenantBench;
let endpoints: EndpointBench;
let machine: TestClient;
let key: DpopKey;
let stranger: DpopKey;

beforeAll(async () => {
  db = await openTestDatabase();
  bench = await openTenantBench({ ...db, slugs: ['acme', 'other'], runtime, kek: testKek });
  endpoints = openEndpointBench(bench);
  const access = { scopes: ['files:read'], audiences: [files, bound] };
  machine = await endpoints.createClient(bench.home, { kind: 'machine', name: 'builder', ...access });
  key = await makeDpopKey(runtime);
  stranger = await makeDpopKey(runtime);
});
afterAll(() => db.close());

const nonceOf = (tenant = bench.home) => bench.dpopNonces.current(tenant.id);
const endpoint = (tenant = bench.home) => `${tenant.issuer}/oauth2/token`;
const prove = async (change: ProofChange = {}, of = key) => of.prove('POST', endpoint(), await nonceOf(), change);

async function ask(proof: string | undefined, form: FormFields = {}, client = machine): Promise<Answer> {
  const fields = { ...(await assertClient(client)), grant_type: 'client_credentials', ...form };
  return endpoints.post(client.tenant, '/oauth2/token', fields, proof === undefined ? {} : { dpop: proof });
}

/** Everything that every refusal of the endpoint keeps to. */
function expectRefusal(answer: Answer, error: string, status = 400): void {
  expect({ status: answer.status, error: answer.body.error }).toEqual({ status, error });
  expect(answer.headers.get('cache-control')).toBe('no-store');
  expect(answer.body).not.toHaveProperty('access_token');
}

const consumed = async () =>
  (await db.admin<{ kind: string }>('select kind from mono.consumed')).map(({ kind }) => kind);

describe('a proof (RFC 9449 §5)', () => {
  test.each(['ES256', 'EdDSA', 'RS256'] as const)('by %s binds the token to its key', async (alg) => {
    const own = await makeDpopKey(runtime, alg);
    const answer = await ask(await prove({}, own));
    expect(answer).toMatchObject({ status: 200, body: { token_type: 'DPoP' } });
    expect(decodeJwt(answer.body.access_token as string).cnf).toEqual({ jkt: own.jkt });
    expect(answer.headers.get('dpop-nonce')).toBe(await nonceOf());
  });

  test('is asked for a nonce of ours, and uses nothing up until it has one', async () => {
    const before = await consumed();
    const form = await assertClient(machine);
    for (const nonce of [undefined, 'x', await nonceOf(bench.other)]) {
      const proof = await key.prove('POST', endpoint(), nonce);
      const answer = await ask(proof, form);
      expectRefusal(answer, 'use_dpop_nonce');
      expect(answer.headers.get('dpop-nonce')).toBe(await nonceOf());
    }
    expect(await consumed()).toEqual(before);
    // The same assertion, with a proof that has the nonce.
    expect((await ask(await prove(), form)).status).toBe(200);
  });

  test('a nonce is good for two windows and no longer', async () => {
    const nonce = await nonceOf();
    const withNonce = () => key.prove('POST', endpoint(), nonce);
    runtime.advance(120_000);
    expect((await ask(await withNonce())).status).toBe(200);
    runtime.advance(120_000);
    expectRefusal(await ask(await withNonce()), 'use_dpop_nonce');
  });

  test('without one a token is a bearer token as before', async () => {
    const answer = await ask(undefined);
    expect(answer).toMatchObject({ status: 200, body: { token_type: 'Bearer' } });
    expect(decodeJwt(answer.body.access_token as string)).not.toHaveProperty('cnf');
    expect(answer.headers.has('dpop-nonce')).toBe(false);
  });

  test('names the endpoint in any spelling that means the same, query and fragment aside', async () => {
    for (const htu of [
      `${endpoint()}?a=b#c`,
      endpoint().replace('https://id.test', 'HTTPS://ID.test:443'),
      endpoint().replace('/oauth2/', '/x/../oauth2/'),
    ]) {
      expect((await ask(await prove({ claims: { htu } }))).status, htu).toBe(200);
    }
  });
});

const now = () => Math.floor(runtime.nowMs() / 1000);
const broken: [string, () => Promise<string>][] = [
  ['two headers', async () => `${await prove()}, ${await prove()}`],
  ['no JWS', async () => 'x'],
  ['too long', async () => prove({ claims: { x: 'x'.repeat(9000) } })],
  ['another spelling of its signature', async () => `${await prove()}=`],
  ['typ JWT', () => prove({ header: { typ: 'JWT' } })],
  ['typ at+jwt', () => prove({ header: { typ: 'at+jwt' } })],
  ['no typ', () => prove({ header: { typ: undefined } })],
  ['no key in its header', () => prove({ header: { jwk: undefined } })],
  ['a private key in its header', () => prove({ header: { jwk: key.privateJwk } })],
  ['a symmetric key in its header', () => prove({ header: { jwk: { kty: 'oct', k: 'AAAA' } } })],
  ['a key that did not sign it', () => prove({ header: { jwk: stranger.publicJwk } })],
  ['a key that is none', () => prove({ header: { jwk: { kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA' } } })],
  ['a key by reference', () => prove({ header: { jwk: undefined, jku: 'https://keys.test/' } })],
  ['no jti', () => prove({ claims: { jti: undefined } })],
  ['an empty jti', () => prove({ claims: { jti: '' } })],
  ['a jti that is no text', () => prove({ claims: { jti: 7 } })],
  ['a jti of 129 characters', () => prove({ claims: { jti: 'x'.repeat(129) } })],
  ['a nonce that is no text', () => prove({ claims: { nonce: 7 } })],
  ['no htm', () => prove({ claims: { htm: undefined } })],
  ['htm GET', () => prove({ claims: { htm: 'GET' } })],
  ['htm in small letters', () => prove({ claims: { htm: 'post' } })],
  ['no htu', () => prove({ claims: { htu: undefined } })],
  ['htu of another path', () => prove({ claims: { htu: `${bench.home.issuer}/oauth2/par` } })],
  ['htu of another tenant', () => prove({ claims: { htu: endpoint(bench.other) } })],
  ['htu of another host', () => prove({ claims: { htu: endpoint().replace('id.test', 'evil.test') } })],
  ['htu of another scheme', () => prove({ claims: { htu: endpoint().replace('https:', 'http:') } })],
  ['htu that is a list', () => prove({ claims: { htu: [endpoint()] } })],
  ['no iat', () => prove({ claims: { iat: undefined } })],
  ['iat 61 seconds ago', () => prove({ claims: { iat: now() - 61 } })],
  ['iat 31 seconds ahead', () => prove({ claims: { iat: now() + 31 } })],
  ['iat that is a text', () => prove({ claims: { iat: String(now()) } })],
  ['exp in the past', () => prove({ claims: { exp: now() - 60 } })],
];

test.each(broken)('refused, and no assertion is used up: %s', async (_, proof) => {
  const form = await assertClient(machine);
  expectRefusal(await ask(await proof(), form), 'invalid_dpop_proof');
  expect((await ask(await prove(), form)).status).toBe(200);
});

test('unsigned and symmetrically signed proofs are refused', async () => {
  const [, payload] = (await prove()).split('.');
  for (const alg of ['none', 'HS256', 'ES384']) {
    const header = Buffer.from(JSON.stringify({ alg, typ: 'dpop+jwt', jwk: key.publicJwk })).toString('base64url');
    expectRefusal(await ask(`${header}.${payload}.AAAA`), 'invalid_dpop_proof');
  }
});

describe('a proof counts once', () => {
  test('whoever shows it again is refused, with whatever assertion, and it leaves evidence', async () => {
    const proof = await prove();
    expect((await ask(proof)).status).toBe(200);
    expectRefusal(await ask(proof), 'invalid_dpop_proof');
    const [last] = await db.admin<{ type: string }>('select type from mono.audit_events order by id desc limit 1');
    expect(last?.type).toBe('token.refused');
  });

  test('also when the store of nonces was lost in between', async () => {
    const proof = await prove();
    expect((await ask(proof)).status).toBe(200);
    await db.admin('truncate mono.ephemeral, mono.ephemeral_incarnation');
    // The nonce is of the store that is gone; and with a new one the proof would be another proof.
    expectRefusal(await ask(proof), 'use_dpop_nonce');
    const jti = runtime.uuid();
    const twin = async () => prove({ claims: { jti } });
    expect((await ask(await twin())).status).toBe(200);
    await db.admin('truncate mono.ephemeral, mono.ephemeral_incarnation');
    // Signed anew, with the new store's nonce and the old jti: what was used stands in Postgres.
    expectRefusal(await ask(await twin()), 'invalid_dpop_proof');
  });

  test('of fifty at the same moment one wins, ten times', async () => {
    for (let round = 0; round < 10; round++) {
      const proof = await prove();
      const answers = await Promise.all(Array.from({ length: 50 }, () => ask(proof)));
      expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array.from({ length: 49 }, () => 400)]);
      for (const answer of answers) if (answer.status !== 200) expectRefusal(answer, 'invalid_dpop_proof');
    }
  }, 60_000);

  test('fifty of one client assertion, each with a proof of its own, have one winner', async () => {
    const form = await assertClient(machine);
    const proofs = await Promise.all(Array.from({ length: 50 }, () => prove()));
    const answers = await Promise.all(proofs.map((proof) => ask(proof, form)));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array.from({ length: 49 }, () => 401)]);
  });

  test('the same jti of another key is another proof', async () => {
    const jti = runtime.uuid();
    for (const of of [key, stranger]) expect((await ask(await prove({ claims: { jti } }, of))).status).toBe(200);
  });

  test('one tenant’s proof is nothing in another, and is not used up there', async () => {
    const proof = await prove();
    const theirs = await endpoints.createClient(bench.other, {
      kind: 'machine',
      name: 'theirs',
      scopes: ['files:read'],
    });
    expectRefusal(await ask(proof, {}, theirs), 'invalid_dpop_proof');
    expect((await ask(proof)).status).toBe(200);
  });
});

describe('who must bind its tokens', () => {
  test('a client that is registered so gets none without a proof (RFC 9449 §5.2)', async () => {
    await db.changeManifest(machine.id, { dpopBoundAccessTokens: true });
    expectRefusal(await ask(undefined), 'invalid_dpop_proof');
    expect((await ask(await prove())).status).toBe(200);
    await db.changeManifest(machine.id, { dpopBoundAccessTokens: false });
  });

  test('a resource that takes no other', async () => {
    await db.admin(
      `insert into mono.resources (tenant_id, identifier, name, environment, product, scopes, access_token_ttl_seconds,
         dpop_required, is_default, retired, version, created_at)
       values ($1, $2, 'bound', 'production', '', '{}', 0, true, false, false, 1, $3)`,
      [uuidOf(bench.home.id), bound, new Date(runtime.nowMs())],
    );
    expectRefusal(await ask(undefined, { resource: bound }), 'invalid_dpop_proof');
    expect((await ask(undefined, { resource: files })).status).toBe(200);
    expect((await ask(await prove(), { resource: bound })).status).toBe(200);
  });

  test('everybody in a tenant that says so', async () => {
    await db.admin(
      `insert into mono.security_policies (tenant_id, policy, version, updated_at) values ($1, $2, 1, $3)`,
      [uuidOf(bench.home.id), JSON.stringify({ dpopRequired: true }), new Date(runtime.nowMs())],
    );
    expectRefusal(await ask(undefined), 'invalid_dpop_proof');
    expect((await ask(await prove())).status).toBe(200);
    await db.admin('delete from mono.security_policies');
  });
});

describe('an exchange of a bound token', () => {
  const exchange = async (proof: string | undefined, cnf: { jkt: string } | undefined) => {
    const subject = await bench.mint(bench.home, { audience: bench.home.issuer, ...(cnf && { cnf }) });
    const form = { grant_type, subject_token: subject.token, subject_token_type: accessToken, resource: files };
    return ask(proof, form);
  };

  test('needs a proof of the same key, and stays bound to it', async () => {
    const answer = await exchange(await prove(), { jkt: key.jkt });
    expect(answer).toMatchObject({ status: 200, body: { token_type: 'DPoP' } });
    expect(decodeJwt(answer.body.access_token as string).cnf).toEqual({ jkt: key.jkt });
    expectRefusal(await exchange(undefined, { jkt: key.jkt }), 'invalid_request');
    expectRefusal(await exchange(await prove({}, stranger), { jkt: key.jkt }), 'invalid_request');
  });

  test('one that is not bound becomes bound to the key of whoever exchanges it', async () => {
    const answer = await exchange(await prove(), undefined);
    expect(decodeJwt(answer.body.access_token as string).cnf).toEqual({ jkt: key.jkt });
    expect((await exchange(undefined, undefined)).body.token_type).toBe('Bearer');
  });
});

test('a client of another tenant learns nothing from a proof: unknown is unknown', async () => {
  const ghost = { ...machine, id: newId(runtime, 'cli') };
  expectRefusal(await ask(await prove(), {}, ghost), 'invalid_client', 401);
});
