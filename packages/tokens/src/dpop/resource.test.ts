import { Refusal } from '@mono-auth/core/errors';
import { newId } from '@mono-auth/core/ids';
import type { Confirmation } from '@mono-auth/core/token-claims';
import { FakeRuntime, openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import type { ClientCertificate } from '@mono-auth/transport';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { authenticateBearer } from '../authenticate-bearer.ts';
import { type DpopKey, makeDpopKey, type ProofChange } from '../dpop-key.ts';
import { openTenantBench, type TenantBench } from '../tenant-bench.ts';

const runtime = new FakeRuntime();
const path = '/t/acme/rpc/monoauth.tenants.v1.TenantService/GetTenant';
let db: TestDatabase;
let bench: TenantBench;
let key: DpopKey;
let stranger: DpopKey;

beforeAll(async () => {
  db = await openTestDatabase();
  bench = await openTenantBench({ ...db, slugs: ['acme', 'other'], runtime, kek: testKek });
  key = await makeDpopKey(runtime);
  stranger = await makeDpopKey(runtime);
});
afterAll(() => db.close());

const url = () => `${bench.baseUrl}${path}`;
const nonceOf = () => bench.dpopNonces.current(bench.home.id);
const prove = async (accessToken: string, change: ProofChange = {}, of = key) =>
  of.prove('POST', url(), await nonceOf(), { accessToken, ...change });

async function mint(cnf?: Confirmation): Promise<string> {
  const audience = `${bench.home.issuer}/rpc`;
  return (await bench.mint(bench.home, { audience, scope: ['tenants:read'], ...(cnf && { cnf }) })).token;
}

/** The outcome of a call: what it is refused for, and whether a nonce comes with that. */
async function enter(authorization: string, dpop?: string, certificate?: ClientCertificate) {
  const possession = { method: 'POST', path, dpop, certificate };
  const { id, slug } = bench.home;
  const ingress = { requestId: newId(runtime, 'req'), ip: '192.0.2.7', tenant: { id, slug }, possession };
  try {
    await authenticateBearer(bench)(authorization, ingress);
    return 'authenticated';
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return error.dpopNonce === undefined ? error.reason : `${error.reason} with a nonce`;
  }
}

describe('a token that is bound to a DPoP key (RFC 9449 §7)', () => {
  test('opens the API with a proof of this request, whatever the case of the scheme', async () => {
    const token = await mint({ jkt: key.jkt });
    for (const scheme of ['DPoP', 'dpop', 'DPOP']) {
      expect(await enter(`${scheme} ${token}`, await prove(token))).toBe('authenticated');
    }
  });

  test('is refused as a bearer token, with or without a proof', async () => {
    const token = await mint({ jkt: key.jkt });
    expect(await enter(`Bearer ${token}`)).toBe('not_authenticated with a nonce');
    expect(await enter(`Bearer ${token}`, await prove(token))).toBe('not_authenticated with a nonce');
  });

  test('is refused without a proof, and with one that counts already', async () => {
    const token = await mint({ jkt: key.jkt });
    expect(await enter(`DPoP ${token}`)).toBe('invalid_dpop_proof');
    const proof = await prove(token);
    expect(await enter(`DPoP ${token}`, proof)).toBe('authenticated');
    expect(await enter(`DPoP ${token}`, proof)).toBe('invalid_dpop_proof');
  });

  test('of fifty uses of one proof at the same moment one is let in', async () => {
    const token = await mint({ jkt: key.jkt });
    const proof = await prove(token);
    const answers = await Promise.all(Array.from({ length: 50 }, () => enter(`DPoP ${token}`, proof)));
    expect(answers.filter((answer) => answer === 'authenticated')).toHaveLength(1);
    expect(answers.filter((answer) => answer === 'invalid_dpop_proof')).toHaveLength(49);
  });

  test.each<[string, ProofChange]>([
    ['another token', { accessToken: 'x.y.z' }],
    ['no ath', { claims: { ath: undefined } }],
    ['another method', { claims: { htm: 'GET' } }],
    ['another path', { claims: { htu: 'https://id.test/t/acme/feed' } }],
    ['another host', { claims: { htu: `https://evil.test${path}` } }],
    ['another kind of token', { header: { typ: 'JWT' } }],
    ['an old time', { claims: { iat: 1 } }],
  ])('is refused with a proof of %s', async (_, change) => {
    const token = await mint({ jkt: key.jkt });
    expect(await enter(`DPoP ${token}`, await prove(token, change))).toBe('invalid_dpop_proof');
  });

  test('is refused with a proof of another key', async () => {
    const token = await mint({ jkt: key.jkt });
    expect(await enter(`DPoP ${token}`, await prove(token, {}, stranger))).toBe('invalid_dpop_proof');
  });

  test('is asked for a nonce of this tenant and this store', async () => {
    const token = await mint({ jkt: key.jkt });
    for (const nonce of [undefined, 'x', await bench.dpopNonces.current(bench.other.id)]) {
      expect(await enter(`DPoP ${token}`, await prove(token, { claims: { nonce } }))).toBe(
        'use_dpop_nonce with a nonce',
      );
    }
    const proof = await prove(token);
    expect(await enter(`DPoP ${token}`, proof)).toBe('authenticated');
    await db.admin('truncate mono.ephemeral, mono.ephemeral_incarnation');
    // What knew that it was used is lost, and so is the nonce that it carries.
    expect(await enter(`DPoP ${token}`, proof)).toBe('use_dpop_nonce with a nonce');
  });
});

test('a token that is not bound proves nothing under the DPoP scheme', async () => {
  const token = await mint();
  expect(await enter(`DPoP ${token}`, await prove(token))).toBe('not_authenticated');
  expect(await enter(`Bearer ${token}`)).toBe('authenticated');
});

describe('a token that is bound to a certificate (RFC 8705 §3)', () => {
  const certificate = { subjectDn: 'CN=x', thumbprint: 'thumb' };

  test('opens the API over a connection of that certificate alone', async () => {
    const token = await mint({ 'x5t#S256': 'thumb' });
    expect(await enter(`Bearer ${token}`, undefined, certificate)).toBe('authenticated');
    expect(await enter(`Bearer ${token}`)).toBe('not_authenticated');
    expect(await enter(`Bearer ${token}`, undefined, { ...certificate, thumbprint: 'other' })).toBe(
      'not_authenticated',
    );
  });

  test('and to a key as well needs both', async () => {
    const token = await mint({ 'x5t#S256': 'thumb', jkt: key.jkt });
    expect(await enter(`DPoP ${token}`, await prove(token), certificate)).toBe('authenticated');
    expect(await enter(`DPoP ${token}`, await prove(token))).toBe('not_authenticated');
    expect(await enter(`Bearer ${token}`, undefined, certificate)).toBe('not_authenticated with a nonce');
  });
});

test('where no edge has seen the request, no bound token is good', async () => {
  const token = await mint({ jkt: key.jkt });
  const ingress = { requestId: newId(runtime, 'req'), ip: '', tenant: undefined };
  await expect(authenticateBearer(bench)(`DPoP ${token}`, ingress)).rejects.toMatchObject({
    reason: 'invalid_dpop_proof',
  });
});
