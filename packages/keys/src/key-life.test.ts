import { type TenantId, uuidOf } from '@mono-auth/core/ids';
import { FakeRuntime, openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createLocalKms, defaultKeyLife, type Keyring, openKeyring } from './index.ts';

const runtime = new FakeRuntime();
const { publishedMs, retiringMs } = defaultKeyLife;
let db: TestDatabase;
let tenant: TenantId;
let keys: Keyring;
/** Another process: it has a memory of its own and hears of nothing. */
let other: Keyring;
let tenants = 0;

const openProcess = (): Keyring =>
  openKeyring({
    ...{ database: db.database, runtime, kms: createLocalKms(testKek) },
    platformIssuer: 'https://mono.test/t/platform',
    rootTenant: async () => tenant,
  });

beforeAll(async () => {
  db = await openTestDatabase();
});
afterAll(() => db.close());
beforeEach(async () => {
  tenant = await db.createTenantRow(`t-${++tenants}`);
  [keys, other] = [openProcess(), openProcess()];
  await inTenant((tx) => keys.provision(tx));
});

const inTenant: <T>(work: Parameters<typeof db.database.forTenant<T>>[1]) => Promise<T> = (work) =>
  db.database.forTenant(tenant, work);
const publish = (alg?: 'ES256') => inTenant((tx) => keys.publishNext(tx, 'token', alg));
const replace = () => inTenant((tx) => keys.replaceCompromised(tx, 'token', 'ES256'));
const moveOn = (ring = keys) => inTenant((tx) => ring.moveDue(tx));
const kidsOf = async (ring = keys) => (await ring.jwks(tenant)).keys.map(({ kid }) => kid);
const signing = async (ring = keys) => (await ring.signer(tenant, 'token')).kid;
const stateOf = async (kid: string | undefined) =>
  (await inTenant((tx) => keys.list(tx, { limit: 50 }))).find((key) => key.kid === kid)?.state;

test('a planned rotation publishes, then signs, then retires, each when its time has come and not before', async () => {
  const old = await signing();
  const [change] = await publish('ES256');
  expect(change).toMatchObject({ alg: 'ES256', oldKids: [old], signsAtMs: runtime.nowMs() + publishedMs.token });
  const next = change?.newKid;
  expect([await signing(), await kidsOf()]).toEqual([old, expect.arrayContaining([old, next])]);
  runtime.advance(publishedMs.token - 1);
  expect([await keys.tenantsDue(), await moveOn(), await signing()]).toEqual([[], [], old]);
  runtime.advance(1);
  expect(await keys.tenantsDue()).toEqual([tenant]);
  expect(await moveOn()).toEqual([{ kid: next, purpose: 'token', alg: 'ES256', to: 'active' }]);
  expect([await signing(), await kidsOf()]).toEqual([next, expect.arrayContaining([old, next])]);
  runtime.advance(retiringMs.token - 1);
  expect([await moveOn(), (await kidsOf()).includes(old)]).toEqual([[], true]);
  runtime.advance(1);
  expect(await moveOn()).toEqual([{ kid: old, purpose: 'token', alg: 'ES256', to: 'retired' }]);
  expect([(await kidsOf()).includes(old), await stateOf(old), await stateOf(next)]).toEqual([
    false,
    'retired',
    'active',
  ]);
});

test('one next key waits at a time; a rotation of all algorithms gives each its own', async () => {
  const changes = await publish();
  expect(changes.map(({ alg }) => alg)).toEqual(['ES256', 'RS256']);
  await expect(publish('ES256')).rejects.toMatchObject({ reason: 'already_exists' });
  await expect(inTenant((tx) => keys.publishNext(tx, 'token', 'EdDSA'))).rejects.toMatchObject({ reason: 'not_found' });
  runtime.advance(publishedMs.token);
  expect((await moveOn()).map(({ to }) => to)).toEqual(['active', 'active']);
  expect(await kidsOf()).toHaveLength(4);
});

test('two workers at once move a key on once, and a failed move leaves everything as it was', async () => {
  const [change] = await publish('ES256');
  runtime.advance(publishedMs.token);
  const failed = inTenant(async (tx) => {
    expect(await keys.moveDue(tx)).toHaveLength(1);
    throw new Error('killed');
  });
  await expect(failed).rejects.toThrow('killed');
  expect(await stateOf(change?.newKid)).toBe('next');
  const moves = await Promise.all([moveOn(keys), moveOn(other), moveOn(openProcess())]);
  expect(moves.flat()).toHaveLength(1);
  expect(await signing(other)).toBe(change?.newKid);
});

test('a compromised key signs nothing more in any process, and is nowhere in the key set', async () => {
  const old = await signing();
  expect(await signing(other)).toBe(old);
  const [planned] = await publish('ES256');
  const [change] = await replace();
  // The key that waited stood in the same store: it goes as well.
  expect(change?.oldKids).toEqual([planned?.newKid, old]);
  expect([await signing(), await signing(other)]).toEqual([change?.newKid, change?.newKid]);
  await inTenant(async (tx) => expect((await other.signer(tx, 'token')).kid).toBe(change?.newKid));
  expect([await stateOf(old), await stateOf(planned?.newKid)]).toEqual(['revoked', 'revoked']);
  expect(await kidsOf()).not.toContain(old);
  runtime.advance(publishedMs.token + retiringMs.token);
  expect(await moveOn()).toEqual([]);
});

test('another process serves the key set as it is within a second, and looks at once for a kid that it lacks', async () => {
  const old = await signing(other);
  await kidsOf(other);
  const [change] = await replace();
  const known = async (kid?: string) => (await other.publicKeys(tenant, 'token', kid)).map((key) => key.kid);
  expect(await known(old)).toContain(old);
  expect(await known(change?.newKid)).toContain(change?.newKid);
  const [again] = await replace();
  runtime.advance(1_001);
  expect(await kidsOf(other)).not.toContain(change?.newKid);
  expect(await kidsOf(other)).toContain(again?.newKid);
});

test('an invite key has nobody to tell: the next one signs at once, the old one verifies until its last invite has ended', async () => {
  const old = (await other.signer(tenant, 'invite')).kid;
  const [change] = await inTenant(async (tx) => {
    const changes = await keys.publishNext(tx, 'invite');
    await keys.moveDue(tx);
    return changes;
  });
  expect((await other.signer(tenant, 'invite')).kid).toBe(change?.newKid);
  const verifying = async () => (await other.publicKeys(tenant, 'invite')).map(({ kid }) => kid);
  expect(await verifying()).toEqual([change?.newKid, old]);
  runtime.advance(retiringMs.invite);
  await moveOn();
  expect(await verifying()).toEqual([change?.newKid]);
});

test('a version that the transaction has read saves the statement, and an older one never brings an older key', async () => {
  const version = async () => {
    const [row] = await db.admin<{ key_version: string }>('select key_version from mono.tenants where id = $1', [
      uuidOf(tenant),
    ]);
    return Number(row?.key_version);
  };
  const before = await version();
  await other.signer(tenant, 'token');
  const [change] = await replace();
  expect(await version()).toBe(before + 1);
  const current = await version();
  const signed = await inTenant((tx) => other.signer(tx, 'token', 'ES256', current));
  expect(signed.kid).toBe(change?.newKid);
});

test('the worker’s login learns which tenants are due and nothing of a key', async () => {
  await publish();
  const read = db.database.forPlatform('test', (tx) => tx.sql`select wrapped_private_key from mono.signing_keys`);
  await expect(read).rejects.toThrow('permission denied');
  runtime.advance(publishedMs.token);
  const due = await keys.tenantsDue();
  expect(due).toContain(tenant);
});
