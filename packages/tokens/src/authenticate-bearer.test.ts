import { Refusal } from '@mono-auth/core/errors';
import { newId, type SessionId, type TokenId } from '@mono-auth/core/ids';
import type { MintRequest } from '@mono-auth/minting';
import type { Tenant } from '@mono-auth/tenants';
import { FakeRuntime, openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import type { Ingress } from '@mono-auth/transport';
import { decodeProtectedHeader } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { authenticateBearer } from './authenticate-bearer.ts';
import { openTenantBench, type TenantBench } from './tenant-bench.ts';

const runtime = new FakeRuntime();
let db: TestDatabase;
let bench: TenantBench;
let authenticate: ReturnType<typeof authenticateBearer>;
let acme: Tenant;

beforeAll(async () => {
  db = await openTestDatabase();
  bench = await openTenantBench({ ...db, slugs: ['acme', 'other'], runtime, kek: testKek });
  ({ home: acme } = bench);
});
beforeEach(() => {
  authenticate = authenticateBearer(bench);
});
afterAll(() => db.close());

const ingress = (tenant?: Tenant): Ingress => ({ requestId: newId(runtime, 'req'), ip: '192.0.2.7', tenant });
const mintRpc = (tenant: Tenant, change: Partial<MintRequest> = {}) =>
  bench.mint(tenant, { audience: `${tenant.issuer}/rpc`, scope: ['tenants:read'], ...change });
const reasonOf = (attempt: Promise<unknown>) =>
  attempt.then(
    () => 'authenticated',
    (error) => (error instanceof Refusal ? error.reason : String(error)),
  );
const enter = (header: string | null, tenant: Tenant | undefined = acme) =>
  reasonOf(authenticate(header, ingress(tenant)));

describe('a good token', () => {
  test('becomes the caller that it speaks of, with its scope and no more', async () => {
    const { token, claims } = await mintRpc(acme);
    const caller = await authenticate(`Bearer ${token}`, ingress(acme));
    expect(caller).toMatchObject({
      principal: claims.sub,
      tenantId: acme.id,
      tenantSlug: 'acme',
      tenantRole: 'member',
      tokenId: claims.jti,
      sessionId: claims.sid,
      clientId: undefined,
      ip: '192.0.2.7',
    });
    expect([...caller.scope]).toEqual(['tenants:read']);
  });

  test('names its tenant itself where the ingress names none', async () => {
    const { token } = await mintRpc(bench.other);
    expect((await authenticate(`Bearer ${token}`, ingress())).tenantId).toBe(bench.other.id);
  });

  test('is found whatever the case of the scheme', async () => {
    const { token } = await mintRpc(acme);
    for (const scheme of ['Bearer', 'bearer', 'BEARER'])
      expect(await enter(`${scheme} ${token}`)).toBe('authenticated');
  });
});

test('no header, another scheme, two headers or something that is no token is not authenticated', async () => {
  const { token } = await mintRpc(acme);
  const headers = [
    null,
    '',
    'Bearer',
    token,
    `Basic ${token}`,
    `DPoP ${token}`,
    `Bearer ${token}, Bearer ${token}`,
    `Bearer ${token} x`,
    'Bearer a.b.c',
    `Bearer ${'a'.repeat(9000)}.b.c`,
  ];
  for (const header of headers) expect(await enter(header)).toBe('not_authenticated');
});

test('a token of another tenant than the ingress is not found, before any query', async () => {
  const { token } = await mintRpc(bench.other);
  const silent = authenticateBearer({
    ...bench,
    tenants: { byId: () => Promise.reject(new Error('queried')) },
    keys: { publicKeys: () => Promise.reject(new Error('queried')) },
  });
  expect(await reasonOf(silent(`Bearer ${token}`, ingress(acme)))).toBe('not_found');
  // Also when only one of the two claims disagrees.
  const { claims } = await mintRpc(acme);
  for (const change of [{ iss: bench.other.issuer }, { tenant_id: bench.other.id }]) {
    const mixed = await bench.sign(acme, { ...claims, ...change });
    expect(await reasonOf(silent(`Bearer ${mixed}`, ingress(acme)))).toBe('not_found');
  }
});

test('a key of one tenant never signs for another', async () => {
  const { claims } = await mintRpc(acme);
  const forged = await bench.sign(bench.other, claims);
  expect(await enter(`Bearer ${forged}`)).toBe('not_authenticated');
  expect(await enter(`Bearer ${forged}`, undefined)).toBe('not_authenticated');
});

test('every other spelling of a token is refused or is the same token to revocation', async () => {
  const { token, claims } = await mintRpc(acme);
  const [header, payload, signature] = token.split('.') as [string, string, string];
  const lastUnusedBits = `${signature.slice(0, -1)}${signature.at(-1) === 'A' ? 'B' : 'A'}`;
  const spellings = [`${token}=`, `${token}==`, `${token} `, `${token}\n`, `${header}.${payload}.${lastUnusedBits}`];
  for (const spelling of spellings) expect(await enter(`Bearer ${spelling}`)).toBe('not_authenticated');
  // ES256 has two values for one signature, (r, s) and (r, n - s): revocation goes by jti, so both die.
  const twin = `${header}.${payload}.${withTwinS(signature)}`;
  expect(await enter(`Bearer ${twin}`)).toBe('authenticated');
  await bench.revoke(acme, { kind: 'token', id: claims.jti as TokenId });
  expect(await enter(`Bearer ${token}`)).toBe('not_authenticated');
  expect(await enter(`Bearer ${twin}`)).toBe('not_authenticated');
});

function withTwinS(signature: string): string {
  const n = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
  const bytes = Buffer.from(signature, 'base64url');
  const s = n - BigInt(`0x${bytes.subarray(32).toString('hex')}`);
  return Buffer.concat([bytes.subarray(0, 32), Buffer.from(s.toString(16).padStart(64, '0'), 'hex')]).toString(
    'base64url',
  );
}

test('a signed token that is no access token for the management API is refused', async () => {
  const { claims } = await mintRpc(acme);
  const { jti: _, ...withoutJti } = claims;
  const variants: [object, string?][] = [
    [claims, 'JWT'],
    [claims, 'application/at+jwt'],
    [{ ...claims, aud: acme.issuer }],
    [{ ...claims, aud: [claims.aud, 'https://files.test'] }],
    [{ ...claims, iss: `${acme.issuer}/` }],
    [{ ...claims, sub: 'root' }],
    [{ ...claims, sub: 'system:platform' }],
    [{ ...claims, act: { sub: 'anonymous:' } }],
    [{ ...claims, scope: ['tenants:read'] }],
    [{ ...claims, ep: '1' }],
    [{ ...claims, fs: -1 }],
    [{ ...claims, cnf: { jkt: 'thumbprint' } }],
    [withoutJti],
  ];
  expect(await enter(`Bearer ${await bench.sign(acme, claims)}`)).toBe('authenticated');
  for (const [variant, typ] of variants) {
    const reason = await reasonOf(authenticate(`Bearer ${await bench.sign(acme, variant, typ)}`, ingress()));
    expect(reason, JSON.stringify(variant)).toBe('not_authenticated');
  }
});

describe('a token dies', () => {
  test('when its time is over, whatever the skew forgives', async () => {
    const { token, claims } = await mintRpc(acme);
    runtime.advance((claims.exp - claims.iat + 31) * 1000);
    expect(await enter(`Bearer ${token}`)).toBe('not_authenticated');
  });

  test('with its session', async () => {
    const { token, claims } = await mintRpc(acme);
    expect(await enter(`Bearer ${token}`)).toBe('authenticated');
    await bench.revoke(acme, { kind: 'session', id: claims.sid as MintRequest['sessionId'] & string });
    expect(await enter(`Bearer ${token}`)).toBe('not_authenticated');
  });

  test('with a token that it was made from', async () => {
    const parent = await bench.mint(acme, { scope: ['tenants:read'] });
    const { token } = await mintRpc(acme, {
      subject: parent.claims.sub,
      parents: [parent.claims],
      sessionId: parent.claims.sid as SessionId,
      act: { sub: `agent:${newId(runtime, 'agt')}` },
    });
    expect(await enter(`Bearer ${token}`)).toBe('authenticated');
    await bench.revoke(acme, { kind: 'token', id: parent.claims.jti as TokenId });
    expect(await enter(`Bearer ${token}`)).toBe('not_authenticated');
  });

  test('with a host anywhere in its chain of actors', async () => {
    const host = newId(runtime, 'hst');
    const act = { sub: `agent:${newId(runtime, 'agt')}`, act: { sub: `host:${host}` } } as const;
    const { token } = await mintRpc(acme, { act });
    expect(await enter(`Bearer ${token}`)).toBe('authenticated');
    await bench.revoke(acme, { kind: 'host', id: host });
    expect(await enter(`Bearer ${token}`)).toBe('not_authenticated');
  });

  test('with the epoch of its tenant, and what is minted afterwards lives', async () => {
    const { token } = await mintRpc(bench.other);
    await bench.revoke(bench.other, { kind: 'tenant' });
    expect(await enter(`Bearer ${token}`, bench.other)).toBe('not_authenticated');
    const { token: next } = await mintRpc(bench.other);
    expect(await enter(`Bearer ${next}`, bench.other)).toBe('authenticated');
  });
});

test('a token dies with the key that signed it, when that is revoked and not only retired', async () => {
  const { token } = await mintRpc(bench.other);
  const kid = decodeProtectedHeader(token).kid as string;
  const announce = (state: 'retired' | 'revoked') =>
    bench.database.forTenant(bench.other.id, (tx) =>
      bench.feed.append(tx, [{ kind: 'key', payload: { v: 1, kid, state } }]),
    );
  await announce('retired');
  expect(await enter(`Bearer ${token}`, bench.other)).toBe('authenticated');
  await announce('revoked');
  expect(await enter(`Bearer ${token}`, bench.other)).toBe('not_authenticated');
});

test('a suspended tenant’s tokens open nothing', async () => {
  const { token } = await mintRpc(acme);
  await db.admin(`update mono.tenants set status = 'suspended' where slug = 'acme'`);
  bench.tenants.forget(acme);
  expect(await enter(`Bearer ${token}`)).toBe('not_authenticated');
  await db.admin(`update mono.tenants set status = 'active' where slug = 'acme'`);
  expect(await enter(`Bearer ${token}`)).toBe('authenticated');
});
