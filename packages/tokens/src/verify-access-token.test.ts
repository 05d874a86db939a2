import { FakeRuntime, openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openTenantBench, type TenantBench } from './tenant-bench.ts';
import { verifyAccessToken } from './verify-access-token.ts';

const runtime = new FakeRuntime();
let db: TestDatabase;
let bench: TenantBench;

beforeAll(async () => {
  db = await openTestDatabase();
  bench = await openTenantBench({ ...db, slugs: ['acme', 'other'], runtime, kek: testKek });
});
afterAll(() => db.close());

const verify = (token: string, tenant = bench.home) => verifyAccessToken(bench, tenant, token, { holder: {} });
const refused = expect.objectContaining({ reason: 'not_authenticated' });

/** One that was found good, and is remembered as such. */
async function known(): Promise<string> {
  const { token, claims } = await bench.mint(bench.home);
  expect(await verify(token)).toEqual(claims);
  expect(await verify(token)).toEqual(claims);
  return token;
}

test('a token that was verified is taken again by its very signature, and by no other one over the same claims', async () => {
  const token = await known();
  const [header, payload, signature = ''] = token.split('.');
  const another = (await bench.mint(bench.home)).token.split('.')[2];
  for (const forged of [another, 'A'.repeat(86), `${signature}=`, `${signature} `, signature.slice(1), '']) {
    await expect(verify(`${header}.${payload}.${forged}`)).rejects.toEqual(refused);
  }
  await expect(verify(`${header}.${payload}`)).rejects.toEqual(refused);
  await verify(token);
});

test('it is nothing at another tenant', async () => {
  await expect(verify(await known(), bench.other)).rejects.toEqual(refused);
});

test('it is refused once it has been revoked', async () => {
  const { token, claims } = await bench.mint(bench.home);
  await verify(token);
  await bench.revoke(bench.home, { kind: 'token', id: claims.jti as never });
  await expect(verify(token)).rejects.toEqual(refused);
});

test('it is refused once it has expired, and after a minute its signature is looked at again', async () => {
  const { token, claims } = await bench.mint(bench.home);
  await verify(token);
  runtime.advance(90_000);
  await verify(token);
  runtime.advance((claims.exp - claims.iat) * 1_000);
  await expect(verify(token)).rejects.toEqual(refused);
});

test('it is refused once its key is none of the tenant’s any more', async () => {
  const token = await known();
  await db.admin(
    `update mono.signing_keys set state = 'revoked' where tenant_id = (select id from mono.tenants where slug = 'acme')`,
  );
  await db.admin(`update mono.tenants set key_version = key_version + 1 where slug = 'acme'`);
  runtime.advance(1_001);
  await expect(verify(token)).rejects.toEqual(refused);
});
