import { newId, type TenantId } from '@mono-auth/core/ids';
import { FakeRuntime, openTestDatabase, type TestDatabase } from '@mono-auth/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { policyOf, readPolicy, type SecurityPolicy } from './security-policy.ts';
import { systemCaller } from './tenant.ts';
import { readSecurityPolicy, updateSecurityPolicy } from './update-security-policy.ts';

const runtime = new FakeRuntime();
const { policy: defaults } = policyOf(undefined);
let db: TestDatabase;
let one: TenantId;
let two: TenantId;

beforeAll(async () => {
  db = await openTestDatabase();
  one = await db.createTenantRow('one');
  two = await db.createTenantRow('two');
});
afterAll(() => db.close());

function update(version: number, change: Partial<SecurityPolicy>) {
  const caller = systemCaller({ id: one, slug: 'one' }, newId(runtime, 'req'));
  const policy = { ...defaults, ...change };
  return db.database.forTenant(one, (tx) => updateSecurityPolicy(tx, { runtime, caller }, { policy, version }));
}
const read = (tenantId: TenantId) => db.database.forTenant(tenantId, readSecurityPolicy);
const events = () => db.admin(`select id from mono.audit_events where type = 'tenant.security_policy_updated'`);

test('a tenant that has said nothing has the defaults; what one sets is its own', async () => {
  expect(await read(one)).toEqual(defaults);
  expect(await update(0, { dpopRequired: true })).toEqual({ policy: { ...defaults, dpopRequired: true }, version: 1 });
  expect((await read(one)).dpopRequired).toBe(true);
  expect(await read(two)).toEqual(defaults);
});

test('a change on an old version is refused, and the last one once more changes nothing', async () => {
  const lower = { accessTokenTtlSecondsMax: 600 };
  const { version } = await update(1, lower);
  const before = (await events()).length;
  expect((await update(1, lower)).version).toBe(version);
  expect(await events()).toHaveLength(before);
  await expect(update(1, { accessTokenTtlSecondsMax: 900 })).rejects.toMatchObject({ reason: 'stale_version' });
  expect((await read(one)).accessTokenTtlSecondsMax).toBe(600);
});

test('of changes at the same time one wins', async () => {
  const lives = [700, 701, 702, 703, 704];
  const outcomes = await Promise.allSettled(lives.map((seconds) => update(2, { accessTokenTtlSecondsMax: seconds })));
  expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
});

test('what an earlier release did not know has its default', () => {
  const { policy } = policyOf({ policy: { dpopRequired: true }, version: 3 });
  expect(policy).toEqual({ ...defaults, dpopRequired: true });
});

test.each<[Partial<SecurityPolicy>, string]>([
  [{ accessTokenTtlSecondsMax: 59 }, 'policy.access_token_ttl_seconds_max: 60 to 86400'],
  [{ accessTokenTtlSecondsMax: 86_401 }, 'policy.access_token_ttl_seconds_max'],
  [{ refreshTokenTtlSecondsMax: 299 }, 'policy.refresh_token_ttl_seconds_max'],
  [{ clientSecretTtlSecondsMax: 3_599 }, 'policy.client_secret_ttl_seconds_max'],
  [{ clientSecretTtlSecondsMax: 4_000.5 }, 'policy.client_secret_ttl_seconds_max'],
  [{ grantTypes: ['two words'] }, 'policy.grant_types'],
  [{ scopes: ['a b'] }, 'policy.scopes'],
])('%j is refused, naming the field', (change, field) => {
  expect(() => readPolicy({ ...defaults, ...change })).toThrow(field);
});
