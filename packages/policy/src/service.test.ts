import { fromBase64url } from '@mono-auth/core/encoding';
import { newId, type TenantId } from '@mono-auth/core/ids';
import { permissionsOf } from '@mono-auth/core/permissions';
import { type Caller, tenantRoles } from '@mono-auth/core/principal';
import { Feed } from '@mono-auth/feed';
import { createLocalKms, type Keyring, openKeyring, verifyJwt } from '@mono-auth/keys';
import { decodeSnapshot, defaultPolicyText, hashSnapshot } from '@mono-auth/policy-engine';
import { PolicyService } from '@mono-auth/proto/monoauth/policy/v1/policy';
import { FakeRuntime, openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { createRpcFetch, type RpcFetch } from '@mono-auth/transport';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { decide } from './decide.ts';
import { createPolicySource, type PolicySource } from './policy-source.ts';
import { policyProvisionStep } from './provision-policy.ts';
import { publishVersion } from './publish-draft.ts';
import { policyService } from './service.ts';

const runtime = new FakeRuntime();
/** Nobody registers one here. */
const noProducts = { findResource: async () => undefined, isPrincipal: async () => false };
const issuerOf = (slug: string) => `https://id.example.com/t/${slug}`;
let db: TestDatabase;
let keys: Keyring;
let policies: PolicySource;
let rpc: RpcFetch;
let one: TenantId;
let two: TenantId;

function callerIn(tenantId: TenantId): Caller {
  const none = { tokenId: undefined, sessionId: undefined, clientId: undefined, act: undefined };
  const requestId = newId(runtime, 'req');
  const scope = new Set<string>(permissionsOf(tenantRoles[0], false));
  return {
    principal: 'system:platform',
    tenantId,
    tenantSlug: 'x',
    tenantRole: 'owner',
    requestId,
    ip: '',
    scope,
    ...none,
  };
}
const callIn = (tenantId: TenantId) => ({ runtime, caller: callerIn(tenantId) });

beforeAll(async () => {
  db = await openTestDatabase();
  const { database } = db;
  one = await db.createTenantRow('one');
  two = await db.createTenantRow('two');
  const kms = createLocalKms(testKek);
  keys = openKeyring({ database, runtime, kms, platformIssuer: issuerOf('root'), rootTenant: async () => one });
  const wakeUps = { publish: async () => {}, subscribe: async () => () => {} };
  const feed = new Feed({ database, ephemeral: wakeUps, keys, runtime });
  policies = createPolicySource({ database });
  const step = policyProvisionStep({ runtime });
  for (const [tenantId, slug] of [
    [one, 'one'],
    [two, 'two'],
  ] as const) {
    await database.forTenant(tenantId, async (tx) => {
      await keys.provision(tx);
      await feed.provision(tx, 1);
      const tenant = { id: tenantId, slug, issuer: issuerOf(slug), displayName: slug, createdAtMs: 0 };
      // Twice: a step that was interrupted is repeated.
      for (const status of ['provisioning', 'active'] as const) {
        await step.prepare?.(tx, { ...tenant, status, epoch: 1, incarnation: 1, keyVersion: 1 });
      }
    });
  }
  rpc = createRpcFetch({
    routes: (router) =>
      router.service(PolicyService, policyService({ database, runtime, keys, feed, policies, ...noProducts })),
    authenticate: async (authorization) => callerIn(authorization as TenantId),
    record: async () => {},
    isPlatform: () => false,
    onRefusal: () => {},
  });
});
afterAll(() => db.close());

interface Answer {
  readonly code?: string;
  readonly message?: string;
  readonly [member: string]: unknown;
}

async function call(tenantId: TenantId, method: string, body: object = {}): Promise<Answer> {
  const path = `/monoauth.policy.v1.PolicyService/${method}`;
  const request = new Request(`http://localhost${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: tenantId },
    body: JSON.stringify(body),
  });
  const response = await rpc(request, path, { requestId: newId(runtime, 'req'), ip: '', tenant: undefined });
  return (await response?.json()) as Answer;
}
const currentOf = async (tenantId: TenantId) => {
  const listed = (await call(tenantId, 'ListVersions')) as { versions: { version: string }[] };
  return Number(listed.versions[0]?.version);
};
const check = (tenantId: TenantId, over: object = {}) =>
  call(tenantId, 'Check', {
    principal: 'user:usr_1',
    action: 'orders:read',
    resourceType: 'order',
    resourceId: '17',
    context: { scope: ['orders:read'] },
    ...over,
  });
/** Whether it was allowed; an answer that is no decision is a failure. */
async function isAllowed(tenantId: TenantId, over: object = {}): Promise<boolean> {
  const answer = await check(tenantId, over);
  expect(answer.decisionId).toMatch(/^dec_/);
  return answer.allowed === true;
}
const permitAll = '@id("all") permit (principal, action, resource);';

test('a new tenant decides by the default set, published once as version 1', async () => {
  expect(await currentOf(one)).toBe(1);
  const allowed = await check(one);
  expect(allowed).toMatchObject({ allowed: true, policyVersion: '1', reasons: ['access-within-scope'] });
  expect(await isAllowed(one, { action: 'orders:write' })).toBe(false);
});

test('a decision leaves evidence that names it, allowed or not', async () => {
  const { decisionId } = await check(one, { action: 'orders:write' });
  const rows = await db.admin<{ type: string; outcome: number; envelope: Uint8Array }>(
    'select type, outcome, envelope from mono.audit_events where tenant_id = (select id from mono.tenants where slug = $1)',
    ['one'],
  );
  const mine = rows.filter(({ envelope }) => Buffer.from(envelope).includes(decisionId as string));
  expect(mine).toMatchObject([{ type: 'policy.decided', outcome: 2 }]);
});

test('a context of the wrong type is a denial', async () => {
  expect(await isAllowed(one, { context: { scope: 'orders:read' } })).toBe(false);
});

test('a draft is judged without being published', async () => {
  expect(await call(one, 'ValidateDraft', { policyText: defaultPolicyText })).toEqual({ valid: true });
  const bad = (await call(one, 'ValidateDraft', {
    policyText: 'permit (principal, action, resource) when { x };',
  })) as {
    errors: string[];
  };
  expect(bad.errors[0]).toMatch(/line 1/);
  expect(await currentOf(one)).toBe(1);
});

test('a published draft decides from the next call on, in its tenant alone, and rides the feed', async () => {
  const published = await call(two, 'PublishDraft', { policyText: permitAll, basedOn: '1' });
  expect(published).toMatchObject({ version: { version: '2' } });
  expect(await check(two, { context: {} })).toMatchObject({ allowed: true, policyVersion: '2', reasons: ['all'] });
  expect(await isAllowed(one, { context: {} })).toBe(false);
  const entries = await db.admin<{ kind: string; payload: Uint8Array }>('select kind, payload from mono.feed_entries');
  expect(entries).toHaveLength(1);
  const { hash } = (published as { version: { hash: string } }).version;
  const payload = JSON.parse(Buffer.from(entries[0]?.payload as Uint8Array).toString()) as { hash: string };
  expect(payload).toMatchObject({ v: 1, version: 2 });
  expect(Buffer.from(payload.hash, 'base64url').toString('base64')).toBe(hash);
});

test('an invalid draft is refused with its place, and nothing is published', async () => {
  const before = await currentOf(one);
  const refused = await call(one, 'PublishDraft', { policyText: 'permit (principal);', basedOn: String(before) });
  expect(refused).toMatchObject({ code: 'invalid_argument', message: expect.stringContaining('line 1') });
  expect(await currentOf(one)).toBe(before);
});

test('who publishes on a version that is not the current one is refused; of two at once one wins', async () => {
  const basedOn = String(await currentOf(one));
  for (const other of ['0', '99']) {
    expect(await call(one, 'PublishDraft', { policyText: permitAll, basedOn: other })).toMatchObject({
      code: 'aborted',
    });
  }
  const drafts = Array.from({ length: 8 }, (_, at) => `${permitAll}\n// ${at}`);
  const answers = await Promise.all(drafts.map((policyText) => call(one, 'PublishDraft', { policyText, basedOn })));
  expect(answers.filter(({ code }) => code === undefined)).toHaveLength(1);
  expect(answers.filter(({ code }) => code === 'aborted')).toHaveLength(7);
  expect(await currentOf(one)).toBe(Number(basedOn) + 1);
});

test('the snapshot is the bytes that the tenant’s feed key vouches for', async () => {
  const answer = (await call(one, 'GetSnapshot')) as { statement: string; snapshot: string };
  const bytes = new Uint8Array(Buffer.from(answer.snapshot, 'base64'));
  const expected = { typ: 'mono-policy+jwt', nowMs: runtime.nowMs(), expiry: 'optional' } as const;
  const feedKeys = await keys.publicKeys(one, 'feed');
  const statement = await verifyJwt<{ hash: string }>(answer.statement, feedKeys, expected);
  expect(statement).toMatchObject({ tenant_id: one, version: await currentOf(one), incarnation: 1 });
  expect(fromBase64url(statement.hash)).toEqual(hashSnapshot(bytes));
  expect(decodeSnapshot(bytes)).toMatchObject({ tenantId: one, schemaVersion: 1 });
  const tokenKeys = await keys.publicKeys(one, 'token');
  await expect(verifyJwt(answer.statement, tokenKeys, expected)).rejects.toMatchObject({ reason: 'not_authenticated' });
});

test('versions are listed newest first, page by page, those of the tenant alone', async () => {
  for (let at = 0; at < 3; at++) {
    await call(two, 'PublishDraft', { policyText: permitAll, basedOn: String(await currentOf(two)) });
  }
  const seen: string[] = [];
  let pageToken = '';
  do {
    const page = (await call(two, 'ListVersions', { pageSize: 2, pageToken })) as {
      versions: { version: string }[];
      nextPageToken?: string;
    };
    seen.push(...page.versions.map(({ version }) => version));
    pageToken = page.nextPageToken ?? '';
  } while (pageToken !== '');
  expect(seen).toEqual(['5', '4', '3', '2', '1']);
  expect(await call(two, 'ListVersions', { pageToken: '0 or 1=1' })).toMatchObject({ code: 'invalid_argument' });
});

test('a version that a failed transaction has shown does not decide after another one took its number', async () => {
  const basedOn = await currentOf(two);
  const ask = { principal: 'user:usr_1', action: 'x', resource: { type: 'a', id: '1' }, context: {} };
  const failing = db.database.forTenant(two, async (tx) => {
    await publishVersion(tx, callIn(two), '@id("ghost") permit (principal, action, resource);', basedOn);
    expect((await decide(policies, tx, callIn(two), ask)).reasons).toEqual(['ghost']);
    throw new Error('never mind');
  });
  await expect(failing).rejects.toThrow('never mind');
  await db.database.forTenant(two, (tx) => publishVersion(tx, callIn(two), '// nobody', basedOn));
  const decision = await db.database.forTenant(two, (tx) => decide(policies, tx, callIn(two), ask));
  expect(decision).toMatchObject({ allowed: false, policyVersion: basedOn + 1, reasons: [] });
  expect((await policies.current(two)).version).toBe(basedOn + 1);
});

test('a published version cannot be changed or taken back', async () => {
  const change = db.database.forTenant(one, (tx) => tx.sql`update mono.policy_versions set policy_text = ''`);
  await expect(change).rejects.toThrow(/permission denied/);
  const removal = db.database.forTenant(one, (tx) => tx.sql`delete from mono.policy_versions`);
  await expect(removal).rejects.toThrow(/permission denied/);
});

test('a tenant without a policy is refused, never let through', async () => {
  const bare = await db.createTenantRow('bare');
  expect(await check(bare)).toMatchObject({ code: 'unavailable' });
});
