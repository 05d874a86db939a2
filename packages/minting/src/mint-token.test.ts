import { createHash } from 'node:crypto';
import { newId, type TenantId } from '@mono-auth/core/ids';
import type { Call, Principal } from '@mono-auth/core/principal';
import { issuerOf } from '@mono-auth/core/tenant-slug';
import type { AccessTokenClaims } from '@mono-auth/core/token-claims';
import { Feed } from '@mono-auth/feed';
import { createLocalKms, type Keyring, openKeyring, verifyJwt } from '@mono-auth/keys';
import { systemCaller } from '@mono-auth/tenants';
import { FakeRuntime, openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { IdTokenClaims } from './id-token.ts';
import type { MintRequest } from './mint-request.ts';
import { type Minter, openMinter } from './mint-token.ts';

const baseUrl = 'https://id.test';
const runtime = new FakeRuntime();
const user = `user:${newId(runtime, 'usr')}` as Principal;
const agent = `agent:${newId(runtime, 'agt')}` as Principal;
const request: MintRequest = {
  subject: user,
  clientId: 'mono-auth-session',
  audience: `${baseUrl}/t/acme`,
  scope: ['files:read', 'files:write'],
  ttlSeconds: 600,
  sessionId: newId(runtime, 'ses'),
  tenantRole: 'member',
};

let db: TestDatabase;
let keys: Keyring;
let feed: Feed;
let minter: Minter;
let acme: TenantId;
let call: Call;

beforeAll(async () => {
  db = await openTestDatabase();
  const { database } = db;
  acme = await db.createTenantRow('acme');
  const kms = createLocalKms(testKek, runtime);
  keys = openKeyring({ database, runtime, kms, platformIssuer: baseUrl, rootTenant: async () => acme });
  const ephemeral = { publish: async () => {}, subscribe: async () => () => {} };
  feed = new Feed({ database, ephemeral, keys, runtime });
  await database.forTenant(acme, async (tx) => {
    await keys.provision(tx);
    await feed.provision(tx, 1);
  });
  minter = openMinter({ database, runtime, keys, feed, baseUrl });
  call = { runtime, caller: systemCaller({ id: acme, slug: 'acme' }, newId(runtime, 'req')) };
});
afterAll(() => db.close());

const mint = (change: Partial<MintRequest> = {}) =>
  db.database.forTenant(acme, async (tx) => minter.mint(tx, call, await minter.begin(tx), { ...request, ...change }));
const appendEntry = () =>
  db.database.forTenant(acme, (tx) => feed.append(tx, [{ kind: 'epoch', payload: { v: 1, epoch: 1 } }]));
const eventsOf = (jti: string) =>
  db.admin<{ type: string }>('select type from mono.audit_events where object_id = $1', [jti]);
const reasonOf = (attempt: Promise<unknown>) =>
  attempt.then(
    () => 'granted',
    (error) => error.reason ?? error.name,
  );

test('a token is an at+jwt by the tenant’s ES256 key and says everything by which it can die', async () => {
  const { token, claims } = await mint();
  const verified = await verifyJwt<AccessTokenClaims>(token, await keys.publicKeys(acme, 'token'), {
    typ: 'at+jwt',
    issuer: issuerOf(baseUrl, 'acme'),
    audience: request.audience,
    nowMs: runtime.nowMs(),
  });
  expect(verified).toEqual(claims);
  expect(JSON.parse(atob(token.split('.')[0] as string)).alg).toBe('ES256');
  expect(claims).toMatchObject({
    sub: user,
    tenant_id: acme,
    sid: request.sessionId,
    ep: 1,
    client_id: request.clientId,
  });
  expect(claims.jti).toMatch(/^tok_/);
  expect(claims.exp - claims.iat).toBe(600);
});

test('an ID token goes with it: RS256, for the client alone, bound to the access token, and nothing more than needed', async () => {
  const grant = newId(runtime, 'gra');
  const idRequest = {
    audience: 'cli_1',
    authTimeMs: runtime.nowMs() - 5500,
    nonce: 'n-1',
    sessionId: newId(runtime, 'ses'),
  };
  const {
    token,
    claims,
    idToken = '',
  } = await mint({ idToken: idRequest, grants: [grant], cnf: { jkt: 'thumbprint' } });
  expect(claims).toMatchObject({ grants: [grant], cnf: { jkt: 'thumbprint' } });
  expect(JSON.parse(atob(idToken.split('.')[0] as string))).toMatchObject({ alg: 'RS256', typ: 'JWT' });
  const expectation = { typ: 'JWT', issuer: issuerOf(baseUrl, 'acme'), audience: 'cli_1', nowMs: runtime.nowMs() };
  const verified = await verifyJwt<IdTokenClaims>(idToken, await keys.publicKeys(acme, 'token'), expectation);
  // OpenID Connect Core §3.1.3.6.
  const half = createHash('sha256').update(token).digest().subarray(0, 16).toString('base64url');
  expect(verified).toEqual({
    iss: claims.iss,
    sub: user,
    aud: 'cli_1',
    exp: claims.iat + 600,
    iat: claims.iat,
    auth_time: Math.floor((runtime.nowMs() - 5500) / 1000),
    nonce: 'n-1',
    sid: idRequest.sessionId,
    at_hash: half,
  });
  const [event] = await db.admin<{ text: string }>(
    `select encode(envelope, 'escape') as text from mono.audit_events where object_id = $1`,
    [claims.jti],
  );
  for (const fact of ['"id_token":true', grant, '"jkt":"thumbprint"']) expect(event?.text).toContain(fact);
  const asAccessToken = verifyJwt(idToken, await keys.publicKeys(acme, 'token'), {
    typ: 'at+jwt',
    nowMs: runtime.nowMs(),
  });
  await expect(asAccessToken).rejects.toMatchObject({ reason: 'not_authenticated' });
});

test('the evidence is written in the transaction that mints, and a transaction that fails leaves neither', async () => {
  const { claims } = await mint();
  expect(await eventsOf(claims.jti)).toEqual([{ type: 'token.issued' }]);
  let lost = '';
  const failing = db.database.forTenant(acme, async (tx) => {
    lost = (await minter.mint(tx, call, await minter.begin(tx), request)).claims.jti;
    throw new Error('the caller fails');
  });
  await expect(failing).rejects.toThrow('the caller fails');
  expect(lost).toMatch(/^tok_/);
  expect(await eventsOf(lost)).toEqual([]);
});

test('a process that nobody has told signs with the new key as soon as the old one has ended', async () => {
  const kidOf = (token: string) => JSON.parse(atob(token.split('.')[0] as string)).kid;
  const before = kidOf((await mint()).token);
  // Of another process: the minter's own keyring hears nothing.
  const other = openKeyring({
    ...{ database: db.database, runtime, kms: createLocalKms(testKek, runtime), platformIssuer: baseUrl },
    rootTenant: async () => acme,
  });
  const [change] = await db.database.forTenant(acme, (tx) => other.replaceCompromised(tx, 'token', 'ES256'));
  expect(change?.oldKids).toEqual([before]);
  expect(kidOf((await mint()).token)).toBe(change?.newKid);
});

test('a token that is made from others is recorded as exchanged', async () => {
  const { claims: parent } = await mint();
  const { claims } = await mint({ act: { sub: agent }, parents: [parent], scope: ['files:read'] });
  expect(claims.pjti).toEqual([parent.jti]);
  expect(await eventsOf(claims.jti)).toEqual([{ type: 'token.exchanged' }]);
});

test('no evidence, no token', async () => {
  await db.admin('alter table mono.audit_events rename to hidden');
  try {
    expect(await reasonOf(mint())).toBe('audit_unavailable');
  } finally {
    await db.admin('alter table mono.hidden rename to audit_events');
  }
});

test('fs is the head before anything else is read: an entry that commits later is not claimed to be seen', async () => {
  const before = await appendEntry();
  const minted = await db.database.forTenant(acme, async (tx) => {
    const context = await minter.begin(tx);
    // Another connection, so that the revocation commits between the reads of this transaction.
    await db.admin('update mono.feed_heads set seq = seq + 1');
    return minter.mint(tx, call, context, request);
  });
  await db.admin('update mono.feed_heads set seq = seq - 1');
  expect(minted.claims.fs).toBe(before);
});

test('a child keeps the fs of its parent', async () => {
  const { claims: parent } = await mint();
  expect(await appendEntry()).toBeGreaterThan(parent.fs);
  const { claims } = await mint({ act: { sub: agent }, parents: [parent] });
  expect(claims.fs).toBe(parent.fs);
});

test('a context serves its own transaction alone', async () => {
  const stale = await db.database.forTenant(acme, (tx) => minter.begin(tx));
  const misuse = db.database.forTenant(acme, (tx) => minter.mint(tx, call, stale, request));
  expect(await reasonOf(misuse)).toBe('TypeError');
  const forged = db.database.forTenant(acme, async (tx) => {
    const context = await minter.begin(tx);
    return minter.mint(tx, call, { ...context, fs: 10_000 }, request);
  });
  expect(await reasonOf(forged)).toBe('TypeError');
});

test('nothing is made from a token of an earlier epoch', async () => {
  const { claims: parent } = await mint();
  await db.admin('update mono.tenants set epoch = 2');
  expect(await reasonOf(mint({ parents: [parent], act: { sub: agent } }))).toBe('invalid_request');
  expect((await mint()).claims.ep).toBe(2);
});

test('a tenant that is suspended or still being made mints nothing', async () => {
  for (const status of ['suspended', 'provisioning']) {
    await db.admin('update mono.tenants set status = $1', [status]);
    expect(await reasonOf(mint())).toBe('denied');
  }
  await db.admin(`update mono.tenants set status = 'active'`);
  expect(await reasonOf(mint())).toBe('granted');
});
