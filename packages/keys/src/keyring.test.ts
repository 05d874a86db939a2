import { utf8 } from '@mono-auth/core/encoding';
import { type TenantId, uuidOf } from '@mono-auth/core/ids';
import { FakeRuntime, openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { checkKek } from './check-kek.ts';
import { createLocalKms, type KeyPurpose, type Keyring, type Kms, openKeyring, signJwt, verifyJwt } from './index.ts';

const purposes: readonly KeyPurpose[] = ['token', 'feed', 'invite', 'join', 'log'];
const runtime = new FakeRuntime();
const kms = createLocalKms(testKek);
let db: TestDatabase;
let platform: TenantId;
let acme: TenantId;
let globex: TenantId;
let keys: Keyring;

/** A process of its own: nothing cached. */
const openAnother = (other = kms, limits: { signersMax?: number } = {}): Keyring =>
  openKeyring({
    database: db.database,
    runtime,
    kms: other,
    platformIssuer: 'https://mono.test/t/platform',
    rootTenant: async () => platform,
    ...limits,
  });

beforeAll(async () => {
  db = await openTestDatabase();
  platform = await db.createTenantRow('platform');
  acme = await db.createTenantRow('acme');
  globex = await db.createTenantRow('globex');
  keys = openAnother();
  for (const tenant of [acme, globex]) await db.database.forTenant(tenant, (tx) => keys.provision(tx));
});
afterAll(() => db.close());

test('provisioning makes the keys of all purposes, all different, in well below a second', async () => {
  const tenant = await db.createTenantRow('quick');
  const started = performance.now();
  await db.database.forTenant(tenant, (tx) => keys.provision(tx));
  expect(performance.now() - started).toBeLessThan(1000);
  const all = await Promise.all(purposes.map((purpose) => keys.publicKeys(tenant, purpose)));
  expect(all.map((list) => list.map((jwk) => jwk.alg).sort())).toEqual([
    ['ES256', 'RS256'],
    ['ES256'],
    ['ES256'],
    ['ES256'],
    ['EdDSA'],
  ]);
  const kids = all.flat().map((jwk) => jwk.kid);
  expect(new Set(kids).size).toBe(6);
  for (const kid of kids) expect(kid).toMatch(/^key_/);
});

test('provisioning again, and twice at once, changes nothing', async () => {
  const tenant = await db.createTenantRow('twice');
  await Promise.all([1, 2, 3].map(() => db.database.forTenant(tenant, (tx) => keys.provision(tx))));
  const before = await keys.jwks(tenant);
  await db.database.forTenant(tenant, (tx) => keys.provision(tx));
  expect(await openAnother().jwks(tenant)).toEqual(before);
  const [row] = await db.admin<{ n: string }>('select count(*) as n from mono.signing_keys where tenant_id = $1', [
    uuidOf(tenant),
  ]);
  expect(row?.n).toBe('6');
});

test('the JWK Set holds the token keys alone and no private member', async () => {
  const { keys: jwks } = await keys.jwks(acme);
  expect(jwks.map((jwk) => jwk.alg).sort()).toEqual(['ES256', 'RS256']);
  for (const jwk of jwks) {
    expect(jwk.use).toBe('sig');
    for (const member of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k']) expect(jwk).not.toHaveProperty(member);
  }
  expect(jwks.find((jwk) => jwk.kty === 'RSA')?.n).toHaveLength(342);
});

test('a signature made for one power does not pass for another, nor in another tenant', async () => {
  const expected = { typ: 'test+jwt', nowMs: runtime.nowMs() };
  const claims = { exp: runtime.nowMs() / 1000 + 60 };
  const token = await signJwt(await keys.signer(acme, 'invite'), 'test+jwt', claims);
  expect(await verifyJwt(token, await keys.publicKeys(acme, 'invite'), expected)).toEqual(claims);
  for (const [tenant, purpose] of [
    [acme, 'token'],
    [acme, 'join'],
    [globex, 'invite'],
  ] as const) {
    await expect(verifyJwt(token, await keys.publicKeys(tenant, purpose), expected)).rejects.toMatchObject({
      reason: 'not_authenticated',
    });
  }
});

test('signatures have the form that JWS asks for, and the log signs with Ed25519', async () => {
  const sizes = [];
  for (const [purpose, alg] of [
    ['token', 'ES256'],
    ['token', 'RS256'],
    ['log', undefined],
  ] as const) {
    const signer = await keys.signer(acme, purpose, alg);
    sizes.push([signer.alg, (await signer.sign(utf8('data'))).length]);
  }
  expect(sizes).toEqual([
    ['ES256', 64],
    ['RS256', 256],
    ['EdDSA', 64],
  ]);
});

test('keys survive the process: another one signs with the same', async () => {
  const again = await openAnother().signer(acme, 'token');
  expect(again.publicJwk).toEqual((await keys.signer(acme, 'token')).publicJwk);
});

test.each([
  ['tenant', "update mono.signing_keys set tenant_id = $2 where tenant_id = $1 and purpose = 'feed'", 'feed'],
  ['purpose', "update mono.signing_keys set purpose = 'join' where tenant_id = $1 and purpose = 'feed'", 'join'],
  ['kid', "update mono.signing_keys set kid = $2 where tenant_id = $1 and purpose = 'feed'", 'feed'],
] as const)('a wrapped key put under another %s does not unwrap', async (what, move, purpose) => {
  const from = await db.createTenantRow(`move-${what}`);
  const to = await db.createTenantRow(`to-${what}`);
  await db.database.forTenant(from, (tx) => keys.provision(tx));
  await db.admin("delete from mono.signing_keys where tenant_id = $1 and purpose = 'join'", [uuidOf(from)]);
  await db.admin(move, what === 'purpose' ? [uuidOf(from)] : [uuidOf(from), uuidOf(to)]);
  await expect(openAnother().signer(what === 'tenant' ? to : from, purpose)).rejects.toThrow('does not belong here');
});

test('private keys are not in the table in any readable form', async () => {
  const rows = await db.admin<{ wrapped: Buffer; jwk: object }>(
    'select wrapped_private_key as wrapped, public_jwk as jwk from mono.signing_keys',
  );
  expect(rows.length).toBeGreaterThan(0);
  for (const { wrapped, jwk } of rows) {
    expect(jwk).not.toHaveProperty('d');
    const imported = crypto.subtle.importKey('pkcs8', new Uint8Array(wrapped), { name: 'Ed25519' }, false, ['sign']);
    await expect(imported).rejects.toThrow();
  }
});

test('a tenant without keys, and a key of another algorithm, are not found', async () => {
  const bare = await db.createTenantRow('bare');
  await expect(keys.signer(bare, 'token')).rejects.toMatchObject({ reason: 'not_found' });
  await expect(keys.signer(acme, 'feed', 'RS256')).rejects.toMatchObject({ reason: 'not_found' });
});

test('inside a transaction its own keys serve at once, and nothing of a failed one is remembered', async () => {
  const tenant = await db.createTenantRow('inside');
  const failed = db.database.forTenant(tenant, async (tx) => {
    await keys.provision(tx);
    expect((await keys.signer(tx, 'token')).alg).toBe('ES256');
    expect((await keys.jwks(tx)).keys).toHaveLength(2);
    throw new Error('rolled back');
  });
  await expect(failed).rejects.toThrow('rolled back');
  await expect(keys.signer(tenant, 'token')).rejects.toMatchObject({ reason: 'not_found' });
  await db.database.forTenant(tenant, async (tx) => {
    await keys.provision(tx);
    await keys.signer(tx, 'token');
  });
  expect((await keys.jwks(tenant)).keys).toHaveLength(2);
});

test('a retiring key still verifies, a retired one does not, and caches give way within a minute', async () => {
  const tenant = await db.createTenantRow('rotated');
  await db.database.forTenant(tenant, (tx) => keys.provision(tx));
  const old = await keys.signer(tenant, 'invite');
  await db.admin("update mono.signing_keys set state = 'retiring' where tenant_id = $1 and purpose = 'invite'", [
    uuidOf(tenant),
  ]);
  await db.database.forTenant(tenant, (tx) => keys.provision(tx));
  runtime.advance(60_001);
  const next = await keys.signer(tenant, 'invite');
  expect(next.kid).not.toBe(old.kid);
  expect((await keys.publicKeys(tenant, 'invite')).map((jwk) => jwk.kid)).toEqual([next.kid, old.kid]);
  await db.admin("update mono.signing_keys set state = 'retired' where tenant_id = $1 and state = 'retiring'", [
    uuidOf(tenant),
  ]);
  runtime.advance(60_001);
  expect((await keys.publicKeys(tenant, 'invite')).map((jwk) => jwk.kid)).toEqual([next.kid]);
});

test('a signer is unwrapped once and kept, and no more of them are kept than the limit says', async () => {
  let unwrapped = 0;
  const counting: Kms = {
    ...kms,
    unwrap: (wrapped, aad) => {
      unwrapped++;
      return kms.unwrap(wrapped, aad);
    },
  };
  const small = openAnother(counting, { signersMax: 2 });
  for (const purpose of ['feed', 'invite', 'feed', 'invite'] as const) await small.signer(acme, purpose);
  expect(unwrapped).toBe(2);
  await small.signer(acme, 'join');
  await small.signer(acme, 'feed');
  expect(unwrapped).toBe(4);
});

test('the platform root certifies a feed key, and two processes agree on the root', async () => {
  const [root, other] = await Promise.all([keys.rootJwk(), openAnother().rootJwk()]);
  expect(other).toEqual(root);
  const certificate = await keys.certificate(acme, 'feed');
  expect(await keys.certificate(acme, 'feed')).toBe(certificate);
  const claims = await verifyJwt(certificate, [root], {
    typ: 'mono-key-cert+jwt',
    issuer: 'https://mono.test/t/platform',
    nowMs: runtime.nowMs(),
    expiry: 'optional',
  });
  expect(claims).toEqual({
    iss: 'https://mono.test/t/platform',
    tenant_id: acme,
    purpose: 'feed',
    jwk: (await keys.signer(acme, 'feed')).publicJwk,
    iat: Math.floor(runtime.nowMs() / 1000),
  });
  expect((await keys.jwks(platform)).keys).toEqual([]);
});

test('the application login can neither read another tenant’s keys nor overwrite a key', async () => {
  await db.database.forTenant(acme, async (tx) => {
    const rows = await tx.sql<{ tenant_id: string }>`select distinct tenant_id from mono.signing_keys`;
    expect(rows).toEqual([{ tenant_id: uuidOf(acme) }]);
  });
  const overwrite = db.database.forTenant(acme, (tx) => tx.sql`update mono.signing_keys set wrapped_private_key = ''`);
  await expect(overwrite).rejects.toThrow('permission denied');
  const remove = db.database.forTenant(acme, (tx) => tx.sql`delete from mono.signing_keys`);
  await expect(remove).rejects.toThrow('permission denied');
});

test('a wrong key-encryption key is one clear error at start and unwraps nothing', async () => {
  const wrong = createLocalKms(new Uint8Array(32).fill(8));
  await checkKek({ database: db.database, kms });
  await checkKek({ database: db.database, kms });
  await expect(checkKek({ database: db.database, kms: wrong })).rejects.toThrow(/^MONO_KEK: not the key/);
  await expect(openAnother(wrong).signer(acme, 'token')).rejects.toThrow('the key-encryption key is another one');
});
