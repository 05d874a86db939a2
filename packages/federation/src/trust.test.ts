import { newId, type TenantId, type UserId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import { addMember, systemCaller } from '@mono-auth/tenants';
import { FakeRuntime, openTestDatabase, type TestDatabase } from '@mono-auth/testing';
import { exportJWK, generateKeyPair } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type LinkSubjectInput, linkSubject } from './link-subject.ts';
import { removeIssuer } from './remove-issuer.ts';
import { selectSubject } from './store/subjects.ts';
import { suspendIssuer } from './suspend-issuer.ts';
import { type TrustIssuerInput, trustIssuer } from './trust-issuer.ts';
import { type TrustResourceServerInput, trustResourceServer } from './trust-resource-server.ts';
import type { TrustedIssuer } from './trusted-issuer.ts';

const runtime = new FakeRuntime();
const ground = { baseUrl: 'https://id.example.com', allowLoopback: false };
let db: TestDatabase;
let tenantId: TenantId;
let call: Call;
let user: UserId;
let tenants = 0;
/** What was put into the feed, in order. */
const entries: unknown[] = [];
const feed = { append: async (_tx: unknown, appended: readonly unknown[]) => entries.push(...appended) };

beforeAll(async () => {
  db = await openTestDatabase();
});
beforeEach(async () => {
  const slug = `t${++tenants}`;
  tenantId = await db.createTenantRow(slug);
  call = { runtime, caller: systemCaller({ id: tenantId, slug }, newId(runtime, 'req')) };
  user = newId(runtime, 'usr');
  const session = { tenantId, userId: user, sessionId: newId(runtime, 'ses'), nowMs: runtime.nowMs() };
  await db.seedSession({ ...session, expiresAtMs: runtime.nowMs() + 60_000 });
  await db.database.forTenant(tenantId, (tx) => addMember(tx, user, 'member', runtime.nowMs()));
  entries.length = 0;
});
afterAll(() => db.close());

const { publicKey } = await generateKeyPair('ES256');
const jwks = { keys: [{ ...(await exportJWK(publicKey)), kid: 'k1' }] };

const right: TrustIssuerInput = {
  ...{ issuer: 'https://idp.example', name: 'an identity provider', purposes: ['id_jag'] },
  ...{ jwks, jwksUri: undefined, clientIds: [], scopes: ['orders:read'], audiences: ['https://orders.example'] },
  ...{ assertionTtlSecondsMax: 0, oneTime: false, multiTenant: false, acrValues: [], maxAgeSeconds: 0 },
  idempotencyKey: undefined,
};
const trust = (change: Partial<TrustIssuerInput> = {}, allowLoopback = false): Promise<TrustedIssuer> =>
  db.database.forTenant(tenantId, (tx) => trustIssuer(tx, call, { ...right, ...change }, { ...ground, allowLoopback }));
const link = (issuer: TrustedIssuer, change: Partial<LinkSubjectInput> = {}) =>
  db.database.forTenant(tenantId, (tx) =>
    linkSubject(tx, call, {
      ...{ issuerId: issuer.id, subject: 'alice', subjectTenant: '', principal: { kind: 'user', id: user } },
      ...{ idempotencyKey: undefined, ...change },
    }),
  );

describe('an issuer is trusted', () => {
  test('as it was asked for, for five minutes unless somebody says otherwise', async () => {
    expect(await trust()).toMatchObject({ issuer: 'https://idp.example', assertionTtlSecondsMax: 300, keys: { jwks } });
  });

  test.each([
    ['no URL', { issuer: 'idp.example' }, 'issuer'],
    ['plain http', { issuer: 'http://idp.example' }, 'issuer'],
    ['plain http on this machine', { issuer: 'http://127.0.0.1/t/idp' }, 'issuer'],
    ['a query', { issuer: 'https://idp.example?x=1' }, 'issuer'],
    ['a fragment', { issuer: 'https://idp.example#x' }, 'issuer'],
    ['a user part', { issuer: 'https://me@idp.example' }, 'issuer'],
    ['keys twice', { jwksUri: 'https://idp.example/keys' }, 'jwks'],
    ['no keys', { jwks: undefined }, 'jwks'],
    ['keys over an open line', { jwks: undefined, jwksUri: 'http://idp.example/keys' }, 'jwks_uri'],
    ['a symmetric key', { jwks: { keys: [{ kty: 'oct', k: 'AAAA', kid: 'k' }] } }, 'jwks'],
    ['a life that is too short', { assertionTtlSecondsMax: 5 }, 'assertion_ttl_seconds_max'],
    ['a life that is too long', { assertionTtlSecondsMax: 100_000 }, 'assertion_ttl_seconds_max'],
    ['two scope values in one', { scopes: ['orders:read orders:write'] }, 'scopes'],
    ['an audience that is no URI', { audiences: ['orders'] }, 'audiences'],
  ] as const)('never with %s', async (_, change, field) => {
    const refused = { reason: 'invalid_request', detail: expect.stringContaining(field) };
    await expect(trust(change as Partial<TrustIssuerInput>)).rejects.toMatchObject(refused);
  });

  test('never when it is this tenant itself', async () => {
    const own = `https://id.example.com/t/${call.caller.tenantSlug}`;
    await expect(trust({ issuer: own })).rejects.toMatchObject({ reason: 'invalid_request' });
  });

  test('with keys at any address that is https, one with a query as well', async () => {
    const jwksUri = 'https://keys.example/discovery?policy=workforce';
    expect((await trust({ jwks: undefined, jwksUri })).keys).toEqual({ jwksUri });
  });

  test('on this machine alone where the installation is there itself', async () => {
    expect((await trust({ issuer: 'http://127.0.0.1:1/t/idp' }, true)).issuer).toBe('http://127.0.0.1:1/t/idp');
  });

  test('once at a time, and again, as somebody new, after it was removed', async () => {
    const first = await trust();
    const subject = await link(first);
    await expect(trust()).rejects.toMatchObject({ reason: 'already_exists' });
    await db.database.forTenant(tenantId, (tx) => removeIssuer(tx, call, feed, { id: first.id, reason: 'over' }));
    const second = await trust();
    expect(second.id).not.toBe(first.id);
    const found = await db.database.forTenant(tenantId, (tx) => selectSubject(tx, { ...subject, issuerId: second.id }));
    expect(found).toBeUndefined();
    await expect(link(first, { subject: 'bob' })).rejects.toMatchObject({ reason: 'not_found' });
  });
});

describe('a subject is linked', () => {
  test('once, to somebody who is here', async () => {
    const issuer = await trust();
    await link(issuer);
    await expect(link(issuer)).rejects.toMatchObject({ reason: 'already_exists' });
    const stranger = { kind: 'user', id: newId(runtime, 'usr') } as const;
    await expect(link(issuer, { subject: 'bob', principal: stranger })).rejects.toMatchObject({ reason: 'not_found' });
  });

  test('with a tenant where its issuer has several, and only there', async () => {
    const [one, many] = [await trust(), await trust({ issuer: 'https://many.example', multiTenant: true })];
    await expect(link(one, { subjectTenant: 'north' })).rejects.toMatchObject({ reason: 'invalid_request' });
    await expect(link(many)).rejects.toMatchObject({ reason: 'invalid_request' });
    await link(many, { subjectTenant: 'north' });
    await link(many, { subjectTenant: 'south' });
  });

  test('to a kind of principal that its issuer is trusted for', async () => {
    const issuer = await trust({ purposes: ['workload'] });
    await expect(link(issuer)).rejects.toMatchObject({ reason: 'invalid_request' });
  });
});

test('a suspension is told to the feed with the handle of the issuer, once', async () => {
  const { id } = await trust();
  const suspend = () =>
    db.database.forTenant(tenantId, (tx) => suspendIssuer(tx, call, feed, { id, reason: 'x'.repeat(600) }));
  expect((await suspend()).status).toBe('suspended');
  expect((await suspend()).status).toBe('suspended');
  expect(entries).toHaveLength(1);
  expect(entries[0]).toMatchObject({ kind: 'revocation', payload: { target: { kind: 'grant', id } } });
});

test('a client goes nowhere but to other domains, and under the profile of MCP only for named resources', async () => {
  const asked: TrustResourceServerInput = {
    ...{ issuer: 'https://as.example', name: 'there', clientId: newId(runtime, 'cli'), remoteClientId: 'we' },
    ...{ profile: 'enterprise_managed', resources: [], scopes: [], idempotencyKey: undefined },
  };
  const ask = (change: Partial<TrustResourceServerInput>) =>
    db.database.forTenant(tenantId, (tx) => trustResourceServer(tx, call, { ...asked, ...change }, ground));
  const own = `https://id.example.com/t/${call.caller.tenantSlug}`;
  await expect(ask({})).rejects.toMatchObject({
    reason: 'invalid_request',
    detail: expect.stringContaining('resources'),
  });
  await expect(ask({ issuer: own })).rejects.toMatchObject({ reason: 'invalid_request' });
  await expect(ask({ resources: ['https://mcp.example'] })).rejects.toMatchObject({ reason: 'not_found' });
});
