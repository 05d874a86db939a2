import { newId, type TenantId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import { systemCaller } from '@mono-auth/tenants';
import { FakeRuntime, openTestDatabase, type TestDatabase } from '@mono-auth/testing';
import { exportJWK, generateKeyPair } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { BoundsInput } from './issuer-bounds.ts';
import { removeIssuer } from './remove-issuer.ts';
import { trustIssuer } from './trust-issuer.ts';
import type { TrustedIssuer } from './trusted-issuer.ts';
import { updateIssuer } from './update-issuer.ts';

const runtime = new FakeRuntime();
const newKey = async (kid: string) => ({ ...(await exportJWK((await generateKeyPair('ES256')).publicKey)), kid });
const [first, second] = [await newKey('k1'), await newKey('k2')];
const [one, two] = [newId(runtime, 'cli'), newId(runtime, 'cli')];
const bounds: BoundsInput = {
  ...{ name: 'an identity provider', purposes: ['id_jag'], jwks: { keys: [first] }, jwksUri: undefined },
  ...{ clientIds: [], scopes: ['orders:read'], audiences: ['https://orders.example'] },
  ...{ assertionTtlSecondsMax: 300, oneTime: false, acrValues: [], maxAgeSeconds: 0 },
};
const entries: unknown[] = [];
const feed = {
  append: async (_tx: unknown, appended: readonly unknown[]) => entries.push(...appended),
};

let db: TestDatabase;
let tenantId: TenantId;
let call: Call;
let issuers = 0;

beforeAll(async () => {
  db = await openTestDatabase();
  tenantId = await db.createTenantRow('home');
  call = { runtime, caller: systemCaller({ id: tenantId, slug: 'home' }, newId(runtime, 'req')) };
});
beforeEach(() => {
  entries.length = 0;
});
afterAll(() => db.close());

const trust = (change: Partial<BoundsInput> = {}, multiTenant = false): Promise<TrustedIssuer> =>
  db.database.forTenant(tenantId, (tx) => {
    const issuer = `https://idp-${++issuers}.example`;
    const input = { ...bounds, ...change, issuer, multiTenant, idempotencyKey: undefined };
    return trustIssuer(tx, call, input, { baseUrl: 'https://id.example', allowLoopback: false });
  });
const update = ({ id }: TrustedIssuer, change: Partial<BoundsInput>, version = 1): Promise<TrustedIssuer> =>
  db.database.forTenant(tenantId, (tx) =>
    updateIssuer(tx, call, feed, { ...bounds, ...change, id, version }, { allowLoopback: false }),
  );

const full: Partial<BoundsInput> = {
  ...{ purposes: ['id_jag', 'workload'], jwks: { keys: [first, second] }, scopes: ['orders:read', 'orders:write'] },
  ...{ audiences: ['https://orders.example', 'https://files.example'], acrValues: ['urn:mfa', 'urn:hwk'] },
  ...{ maxAgeSeconds: 600 },
};

describe('what takes nothing away ends nothing', () => {
  test.each<[string, Partial<BoundsInput>]>([
    ['another name', { name: 'somebody else' }],
    ['one more purpose, scope value and audience', { ...full, acrValues: [], maxAgeSeconds: 0 }],
    ['a longer life of assertions', { assertionTtlSecondsMax: 600 }],
  ])('%s', async (_, change) => {
    const issuer = await trust();
    expect(await update(issuer, change)).toMatchObject({ id: issuer.id, version: 2, status: 'trusted' });
    expect(entries).toEqual([]);
  });

  test('less that is asked of a sign-in', async () => {
    await update(await trust(full), { ...full, acrValues: [], maxAgeSeconds: 0 });
    await update(await trust(full), { ...full, acrValues: ['urn:mfa', 'urn:hwk', 'urn:pwd'], maxAgeSeconds: 900 });
    expect(entries).toEqual([]);
  });
});

describe('what takes anything away ends what was issued through it, by one entry of the feed', () => {
  test.each<[string, Partial<BoundsInput>]>([
    ['a purpose', { purposes: ['id_jag'] }],
    ['a scope value', { scopes: ['orders:read'] }],
    ['an audience', { audiences: ['https://orders.example'] }],
    ['a key', { jwks: { keys: [second] } }],
    ['keys that are published elsewhere now', { jwks: undefined, jwksUri: 'https://idp.example/keys' }],
    ['a shorter life of assertions', { assertionTtlSecondsMax: 60 }],
    ['an assertion that works once', { oneTime: true }],
    ['fewer ways of signing in', { acrValues: ['urn:hwk'] }],
    ['a sign-in that is more recent', { maxAgeSeconds: 60 }],
  ])('%s', async (_, change) => {
    const issuer = await trust(full);
    await update(issuer, { ...full, ...change });
    expect(entries).toMatchObject([{ kind: 'revocation', payload: { target: { kind: 'grant', id: issuer.id } } }]);
  });

  test.each<[string, Partial<BoundsInput>]>([
    ['a way of signing in where any was good', { acrValues: ['urn:mfa'] }],
    ['a time of signing in where any was good', { maxAgeSeconds: 60 }],
  ])('%s', async (_, change) => {
    await update(await trust(), change);
    expect(entries).toHaveLength(1);
  });
});

test('a change is based on what its author has seen; the same one once more changes nothing', async () => {
  const issuer = await trust(full);
  const changed = await update(issuer, {});
  expect(changed.version).toBe(2);
  expect(await update(issuer, {})).toEqual(changed);
  expect(entries).toHaveLength(1);
  await expect(update(issuer, full)).rejects.toMatchObject({ reason: 'stale_version' });
  await expect(update(issuer, full, 3)).rejects.toMatchObject({ reason: 'stale_version' });
  expect(await update(issuer, full, 2)).toMatchObject({ version: 3 });
});

test('what is no bound is refused as when it was trusted first, and who is not there is not found', async () => {
  const issuer = await trust();
  for (const [change, field] of [
    [{ assertionTtlSecondsMax: 5 }, 'assertion_ttl_seconds_max'],
    [{ jwks: undefined }, 'jwks'],
    [{ jwksUri: 'http://idp.example/keys', jwks: undefined }, 'jwks_uri'],
  ] as const) {
    const refused = { reason: 'invalid_request', detail: expect.stringContaining(field) };
    await expect(update(issuer, change)).rejects.toMatchObject(refused);
  }
  await expect(update(issuer, { clientIds: [one, two] })).rejects.toMatchObject({ reason: 'not_found' });
  await expect(update({ ...issuer, id: newId(runtime, 'gra') }, {})).rejects.toMatchObject({ reason: 'not_found' });
  await db.database.forTenant(tenantId, (tx) => removeIssuer(tx, call, feed, { id: issuer.id, reason: 'over' }));
  await expect(update(issuer, {})).rejects.toMatchObject({ reason: 'not_found' });
});

test('who speaks for many tenants never comes to vouch for instances of clients, neither at first nor by an update', async () => {
  const refusal = { reason: 'invalid_request', detail: expect.stringMatching(/^multi_tenant: /) };
  const vouching = { purposes: ['id_jag', 'client_attestation'] } as const;
  await expect(trust(vouching, true)).rejects.toMatchObject(refusal);
  await expect(update(await trust({}, true), vouching)).rejects.toMatchObject(refusal);
  expect(await update(await trust(), vouching)).toMatchObject(vouching);
});
