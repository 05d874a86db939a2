import { append } from '@mono-auth/audit';
import { Refusal } from '@mono-auth/core/errors';
import { type AgentId, type ClientId, newId, type TokenId, type UserId } from '@mono-auth/core/ids';
import type { Caller } from '@mono-auth/core/principal';
import { beginGrant } from '@mono-auth/grants';
import type { RevocationTarget } from '@mono-auth/revocation';
import { systemCaller, type Tenant } from '@mono-auth/tenants';
import { FakeRuntime, openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { VerifiedClaims } from '../access-token.ts';
import { type ControlBench, openControlBench, type TestHost } from '../control-bench.ts';
import { type EndpointBench, openEndpointBench } from '../endpoint-bench.ts';
import { openTenantBench, type TenantBench } from '../tenant-bench.ts';
import { verifyAccessToken } from '../verify-access-token.ts';
import { type Explained, type Explanation, explainToken } from './explain-token.ts';

const accessToken = 'urn:ietf:params:oauth:token-type:access_token';
const files = 'https://files.test';

const runtime = new FakeRuntime();
let db: TestDatabase;
let bench: TenantBench;
let endpoints: EndpointBench;
let host: TestHost;
let control: ControlBench;
/** Of the last delegation. */
let agent: AgentId;

beforeAll(async () => {
  db = await openTestDatabase();
  bench = await openTenantBench({ ...db, slugs: ['acme', 'other'], runtime, kek: testKek });
  endpoints = openEndpointBench(bench);
  control = openControlBench(bench);
  host = await control.enrolHost(bench.home, 'host-1', { scopes: ['files:read'], audiences: [files] });
});
afterAll(() => db.close());

const callerAt = (tenant: Tenant, ...scope: string[]): Caller => ({
  ...systemCaller(tenant, newId(runtime, 'req')),
  scope: new Set(scope),
});
/** By a caller who may have any token explained, and by one who may do nothing at all. */
const explain = (asked: Explained, tenant = bench.home) =>
  explainToken(endpoints.deps, callerAt(tenant, 'tokens:explain'), asked);
const explainAsNobody = (asked: Explained) => explainToken(endpoints.deps, callerAt(bench.home), asked);

async function refusalOf(answer: Promise<Explanation>): Promise<{ reason: string; detail: string }> {
  const error = await answer.then(
    () => expect.fail('it was explained'),
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof Refusal)) throw error;
  return { reason: error.reason, detail: error.detail };
}

interface Delegated {
  readonly token: string;
  readonly claims: VerifiedClaims;
  readonly subject: VerifiedClaims;
  readonly actor: VerifiedClaims;
}

/** A person's token, in a session and from a grant, as an agent on a host holds it. */
async function delegate(): Promise<Delegated> {
  const grantId = newId(runtime, 'gra');
  agent = await control.createAgent(host, runtime.uuid(), ['files:read']);
  // The agent's owner: nobody else lets it act for them.
  const userId = (await control.ownerOf(bench.home, agent)).slice('user:'.length) as UserId;
  await bench.database.forTenant(bench.home.id, (tx) =>
    beginGrant(
      tx,
      { runtime, caller: callerAt(bench.home) },
      {
        ...{ id: grantId, clientId: host.id as ClientId, userId, sessionId: undefined, scopes: ['files:read'] },
        ...{ resources: [], authTimeMs: runtime.nowMs(), dpopJkt: undefined, epoch: 1, feedSeq: 0, refreshable: false },
        expiresAtMs: runtime.nowMs() + 86_400_000,
      },
    ),
  );
  const subject = await bench.mint(bench.home, { subject: `user:${userId}`, grants: [grantId] });
  const asked = await endpoints.ask(host, '/oauth2/token', { grant_type: 'client_credentials', agent });
  const actor = asked.body.access_token as string;
  const { body } = await endpoints.ask(host, '/oauth2/token', {
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    ...{ subject_token: subject.token, subject_token_type: accessToken },
    ...{ actor_token: actor, actor_token_type: accessToken, resource: files },
  });
  const token = body.access_token as string;
  return { token, claims: decodeJwt(token), subject: subject.claims, actor: decodeJwt(actor) };
}

const isGood = (token: string) =>
  verifyAccessToken(bench, bench.home, token, { holder: {} }).then(
    () => true,
    () => false,
  );

describe('a token that carries a person, an agent and a host', () => {
  test('is explained: who acts for whom, who decided, by which key, and what it was made from', async () => {
    const { token, claims, subject, actor } = await delegate();
    const found = await explain({ token });
    expect(found).toMatchObject({
      ...{ basis: 'token', state: 'active', jti: claims.jti, issuer: bench.home.issuer, endings: [], untold: [] },
      ...{ subject: subject.sub, actors: [`agent:${agent}`, `host:${host.hostId}`], hostId: host.hostId },
      ...{ clientId: host.id, sessionId: subject.sid, audience: [files], scope: 'files:read' },
      ...{ issuedAtMs: claims.iat * 1000, expiresAtMs: claims.exp * 1000, epoch: 1, feedSeq: claims.fs },
      ...{ decisionId: claims.did, policyVersion: 1, policies: [expect.any(String)] },
      key: { kid: decodeProtectedHeader(token).kid, alg: 'ES256', state: 'active', purpose: 'token' },
      grantsKnown: [{ id: subject.grants?.[0], grant: { clientId: host.id, endedAtMs: undefined } }],
      lineage: [
        { jti: subject.jti, endedBy: undefined, facts: { subject: subject.sub, actors: [], ancestors: [] } },
        { jti: actor.jti, facts: { subject: `agent:${agent}`, actors: [`host:${host.hostId}`], clientId: host.id } },
      ],
      evidence: { type: 'token.exchanged', actor: `host:${host.hostId}`, objectId: claims.jti },
    });
  });

  test('is explained by its id as by itself', async () => {
    const { token, claims } = await delegate();
    const { basis, ...shown } = await explain({ token });
    expect(await explain({ jti: claims.jti })).toEqual({ ...shown, basis: 'evidence' });
    expect(basis).toBe('token');
  });

  test('names everything by which it can die: each handle, ended alone, ends it and is told', async () => {
    const roles = (await explain({ token: (await delegate()).token })).handles.map(({ role }) => role);
    expect(roles).toEqual([
      ...['token', 'subject', 'actor', 'actor', 'client', 'session', 'grant', 'ancestor', 'ancestor', 'tenant', 'key'],
    ]);
    for (const [at, role] of roles.entries()) {
      // The two that end more than this test has: below.
      if (role === 'tenant' || role === 'key') continue;
      const { token, claims } = await delegate();
      const target = (await explain({ token })).handles[at]?.target as Exclude<RevocationTarget, { kind: 'tenant' }>;
      expect(await isGood(token)).toBe(true);
      await bench.revoke(bench.home, target);
      expect(await isGood(token), role).toBe(false);
      for (const asked of [{ token }, { jti: claims.jti }]) {
        const { state, endings, handles } = await explain(asked);
        expect(state).toBe('revoked');
        expect(endings).toEqual([
          {
            ...{ why: target.kind, handle: target.id, id: expect.stringMatching(/^rev_/), seq: expect.any(Number) },
            ...{ atMs: runtime.nowMs(), order: expect.objectContaining({ reason: 'test', target }) },
          },
        ]);
        const ended = handles.filter(({ endedBy }) => endedBy !== undefined);
        expect(ended).toEqual([{ role, target, endedBy: endings[0]?.seq }]);
      }
    }
  });

  test('that several have ended says so of each, the latest first; the epoch of the tenant is one', async () => {
    const { token, subject } = await delegate();
    await bench.revoke(bench.home, { kind: 'token', id: subject.jti as TokenId });
    runtime.advance(1_000);
    await bench.revoke(bench.home, { kind: 'tenant' });
    const { endings, handles, lineage } = await explain({ token });
    expect(endings.map(({ why }) => why)).toEqual(['epoch', 'tenant', 'token']);
    expect(endings.map(({ atMs }) => atMs)).toEqual([runtime.nowMs(), runtime.nowMs(), runtime.nowMs() - 1_000]);
    expect(handles.find(({ role }) => role === 'tenant')?.endedBy).toBe(endings[0]?.seq);
    expect(lineage[0]?.endedBy).toBe(endings[2]?.seq);
    expect((await explain({ token: (await delegate()).token })).state).toBe('active');
  });

  test('is explained after it has expired, also when its key has left since', async () => {
    const { token } = await delegate();
    runtime.advance(301_000);
    expect((await explain({ token })).state).toBe('expired');
    const kid = decodeProtectedHeader(token).kid as string;
    await db.admin(`update mono.signing_keys set state = 'retired' where purpose = 'token' and alg = 'ES256'`);
    expect(await explain({ token })).toMatchObject({ state: 'expired', key: { kid, state: 'retired' } });
    await db.admin(`update mono.signing_keys set state = 'active' where purpose = 'token' and alg = 'ES256'`);
  });
});

describe('who only holds the token', () => {
  test('sees it, its ancestors by their ids, and what has ended it, but not by whose order', async () => {
    const { token, claims, subject } = await delegate();
    await bench.revoke(bench.home, { kind: 'session', id: subject.sid as never });
    const { lineage, endings, ...rest } = await explainAsNobody({ token });
    const { lineage: all, endings: told, ...same } = await explain({ token });
    expect(rest).toEqual(same);
    expect(lineage).toEqual(claims.pjti?.map((jti) => ({ jti, endedBy: undefined, facts: undefined })));
    expect(all.every(({ facts }) => facts !== undefined)).toBe(true);
    expect(endings).toEqual(told.map((ending) => ({ ...ending, order: undefined })));
  });
});

describe('what is not to be seen', () => {
  const notFound = { reason: 'not_found', detail: 'token not found' };

  test('is not found, in the same words, whatever the cause', async () => {
    const { token, claims } = await delegate();
    const foreign = await bench.mint(bench.other);
    const [header, payload, signature = ''] = token.split('.');
    const [, foreignPayload] = foreign.token.split('.');
    const flipped = `${signature[0] === 'A' ? 'B' : 'A'}${signature.slice(1)}`;
    const tokens = {
      'another tenant’s': foreign.token,
      'with a forged signature': `${header}.${payload}.${flipped}`,
      'with the claims of another': `${header}.${foreignPayload}.${signature}`,
      'of another kind': await bench.sign(bench.home, claims, 'JWT'),
      'that names another issuer': await bench.sign(bench.home, { ...claims, iss: bench.other.issuer }),
      'that names another tenant': await bench.sign(bench.home, { ...claims, tenant_id: bench.other.id }),
      'from the future': await bench.sign(bench.home, { ...claims, iat: claims.iat + 3_600, exp: claims.exp + 3_600 }),
      'that is no access token of ours': await bench.sign(bench.home, { ...claims, jti: 'x' }),
      'without a time': await bench.sign(bench.home, { ...claims, iat: undefined }),
      'whose header is no JSON': `${Buffer.from('{').toString('base64url')}.${payload}.${signature}`,
    };
    for (const [name, each] of Object.entries(tokens)) {
      expect(await refusalOf(explain({ token: each })), name).toEqual(notFound);
      expect(await refusalOf(explainAsNobody({ token: each })), name).toEqual(notFound);
    }
    for (const jti of [newId(runtime, 'tok'), foreign.claims.jti]) {
      expect(await refusalOf(explain({ jti }))).toEqual(notFound);
    }
    for (const jti of [claims.jti, newId(runtime, 'tok'), foreign.claims.jti]) {
      expect(await refusalOf(explainAsNobody({ jti }))).toEqual(notFound);
    }
    expect((await explain({ jti: foreign.claims.jti }, bench.other)).jti).toBe(foreign.claims.jti);
  });

  test('what is no token and no id of one is said to be so, to everybody alike', async () => {
    for (const by of [explain, explainAsNobody]) {
      for (const token of ['x', 'a.b', 'a.b.c.d', 'a.b.c ', newId(runtime, 'tok')]) {
        expect(await refusalOf(by({ token }))).toEqual({ reason: 'invalid_request', detail: 'token: not a JWT' });
      }
      for (const jti of ['x', newId(runtime, 'rev'), `${newId(runtime, 'tok')}x`]) {
        expect((await refusalOf(by({ jti }))).reason).toBe('invalid_request');
      }
    }
  });
});

test('an evidence of an earlier version leaves handles untold, and says which', async () => {
  const jti = newId(runtime, 'tok');
  await bench.database.forTenant(bench.home.id, (tx) =>
    append(
      tx,
      { runtime, caller: callerAt(bench.home) },
      {
        ...{ type: 'token.issued', object: { kind: 'token', id: jti }, tokenId: jti },
        detail: { audience: files, scope: 'files:read', actors: '', ancestors: '', client_id: host.id, exp: 1, fs: 0 },
      },
    ),
  );
  const { untold, handles, key } = await explain({ jti });
  expect(untold).toEqual(['session', 'key', 'epoch']);
  expect(key).toBeUndefined();
  expect(handles.map(({ role }) => role)).toEqual(['token', 'client', 'tenant']);
});

// It ends the tenant's key: it stays the last.
test('a token of a compromised key shows nothing by being held; its evidence is told to who may ask for it', async () => {
  const { token, claims } = await delegate();
  const kid = decodeProtectedHeader(token).kid as string;
  await bench.database.forTenant(bench.home.id, async (tx) => {
    await bench.keys.replaceCompromised(tx, 'token', 'ES256');
    await bench.feed.append(tx, [{ kind: 'key', payload: { v: 1, kid, state: 'revoked' } }]);
  });
  expect((await refusalOf(explainAsNobody({ token }))).reason).toBe('not_found');
  for (const asked of [{ token }, { jti: claims.jti }]) {
    const found = await explain(asked);
    expect(found).toMatchObject({ basis: 'evidence', state: 'revoked', key: { kid, state: 'revoked' } });
    expect(found.endings).toMatchObject([{ why: 'key', handle: kid, order: undefined }]);
    expect(found.handles.find(({ role }) => role === 'key')?.endedBy).toBe(found.endings[0]?.seq);
  }
});
