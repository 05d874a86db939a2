import type { Manifest } from '@mono-auth/clients';
import { type ClientId, type GrantId, uuidOf } from '@mono-auth/core/ids';
import { grantParticipant } from '@mono-auth/grants';
import { FakeRuntime, openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { withGrantSession } from '../authenticate-in-transaction.ts';
import { assertClient, type TestClient } from '../client-key.ts';
import { type Answer, type EndpointBench, openEndpointBench } from '../endpoint-bench.ts';
import type { Form } from '../form.ts';
import type { GrantSession } from '../grant-session.ts';
import type { AuthorizationCode } from '../people.ts';
import { openPersonBench, type PersonBench, type TestPerson } from '../person-bench.ts';
import { openTenantBench, type TenantBench } from '../tenant-bench.ts';
import { verifyAccessToken } from '../verify-access-token.ts';
import { authorizationCode } from './authorization-code.ts';
import type { Grant } from './grant.ts';
import { refreshToken } from './refresh-token.ts';

const runtime = new FakeRuntime();
const day = 86_400_000;
let db: TestDatabase;
let bench: TenantBench;
let people: PersonBench;
let endpoints: EndpointBench;
let app: TestClient;
let neighbour: TestClient;

beforeAll(async () => {
  db = await openTestDatabase();
  bench = await openTenantBench({ ...db, slugs: ['acme', 'other'], runtime, kek: testKek });
  people = openPersonBench(bench, db);
  endpoints = openEndpointBench(bench, { codes: people.codes });
  for (const tenant of [bench.home, bench.other]) await people.registerResource(tenant);
  app = await people.createApp(bench.home, 'app');
  neighbour = await people.createApp(bench.home, 'neighbour');
});
afterAll(() => db.close());

async function begin(change: Partial<AuthorizationCode> = {}, client = app): Promise<Answer & { person: TestPerson }> {
  const person = await people.openPerson(client.tenant);
  const answer = await endpoints.ask(client, '/oauth2/token', people.plantCode(client, person, change));
  expect(answer.status).toBe(200);
  return { ...answer, person };
}
const tokenOf = ({ body }: Answer) => body.refresh_token as string;
const refresh = (refresh_token: string, more: Record<string, string> = {}, client = app) =>
  endpoints.ask(client, '/oauth2/token', { grant_type: 'refresh_token', refresh_token, ...more });
const claimsOf = ({ body }: Answer) => decodeJwt(body.access_token as string);
const isGood = ({ body }: Answer) =>
  verifyAccessToken(bench, bench.home, body.access_token as string, { holder: {} }).then(
    () => true,
    () => false,
  );
const refused = { status: 400, body: { error: 'invalid_grant' } };

describe('a refresh token, RFC 6749 §6', () => {
  test('gives the same access again and the next refresh token, with an ID token that has no nonce', async () => {
    const first = await begin();
    const second = await refresh(tokenOf(first));
    expect(second).toMatchObject({ status: 200, body: { token_type: 'Bearer', scope: first.body.scope } });
    expect(tokenOf(second)).not.toBe(tokenOf(first));
    const [before, after] = [claimsOf(first), claimsOf(second)];
    const same = ({ sub, aud, client_id, tenant_id, tenant_role, grants }: Record<string, unknown>) => [
      ...[sub, aud, client_id, tenant_id, tenant_role, grants],
    ];
    expect(same(after)).toEqual(same(before));
    const [idBefore, idAfter] = [first, second].map(({ body }) => decodeJwt(body.id_token as string));
    expect(idAfter).toMatchObject({ sub: idBefore?.sub, aud: app.id, auth_time: idBefore?.auth_time });
    expect(idAfter).not.toHaveProperty('nonce');
    expect(idAfter).not.toHaveProperty('sid');
  });

  test('narrows scope for one token, never widens it, and the family keeps what was allowed', async () => {
    const first = await begin({ scopes: ['openid', 'offline_access', 'files:read', 'files:write'] });
    const narrow = await refresh(tokenOf(first), { scope: 'files:read' });
    expect(narrow.body).toMatchObject({ scope: 'files:read' });
    expect(narrow.body).not.toHaveProperty('id_token');
    for (const scope of ['files:read profile', 'policy:publish', 'a"b']) {
      expect((await refresh(tokenOf(narrow), { scope })).body.error).toBe('invalid_scope');
    }
    expect((await refresh(tokenOf(narrow))).body.scope).toBe('openid offline_access files:read files:write');
  });

  test('serves the resources that were allowed and no other, and a refusal leaves it good', async () => {
    const first = await begin();
    for (const resource of ['https://else.test', `${bench.home.issuer}/rpc`, bench.home.issuer]) {
      expect((await refresh(tokenOf(first), { resource })).body.error).toBe('invalid_target');
    }
    expect((await refresh(tokenOf(first), { resource: 'https://files.test' })).status).toBe(200);
  });

  test('of another client or tenant is one answer with an unknown one, changes nothing and is not consumed', async () => {
    const first = await begin();
    const abroad = await people.createApp(bench.other, 'abroad');
    const answers = [
      await refresh(tokenOf(first), {}, neighbour),
      await refresh(tokenOf(first), {}, abroad),
      await refresh(`mono_rt_${'A'.repeat(43)}`),
      await refresh('x'),
    ];
    for (const { status, body } of answers) expect({ status, ...body }).toEqual({ status: 400, ...answers[0]?.body });
    expect(answers[0]).toMatchObject(refused);
    expect(await isGood(first)).toBe(true);
    expect((await refresh(tokenOf(first))).status).toBe(200);
  });

  test('that was spent ends its family when its own client shows it again, and not when another does', async () => {
    const first = await begin();
    const second = await refresh(tokenOf(first));
    expect(await refresh(tokenOf(first), {}, neighbour)).toMatchObject(refused);
    expect(await isGood(second)).toBe(true);
    expect(await refresh(tokenOf(first))).toMatchObject(refused);
    expect([await isGood(first), await isGood(second)]).toEqual([false, false]);
    expect(await refresh(tokenOf(second))).toMatchObject(refused);
  });

  test('that is used fifty times at the same moment has one winner and a dead family, in ten rounds', async () => {
    for (let round = 0; round < 10; round++) {
      const first = await begin();
      const answers = await Promise.all(Array.from({ length: 50 }, () => refresh(tokenOf(first))));
      const winners = answers.filter(({ status }) => status === 200);
      expect(winners).toHaveLength(1);
      for (const answer of answers.filter(({ status }) => status !== 200)) expect(answer).toMatchObject(refused);
      expect(await isGood(winners[0] as Answer)).toBe(false);
      expect(await refresh(tokenOf(winners[0] as Answer))).toMatchObject(refused);
    }
  }, 120_000);

  test('is as good as before when the answer could not be made', async () => {
    const mint = () => Promise.reject(new Error('the process dies here'));
    const failing = openEndpointBench(bench, { minter: { ...bench.minter, mint } });
    const first = await begin();
    const form = { grant_type: 'refresh_token', refresh_token: tokenOf(first) };
    expect((await failing.ask(app, '/oauth2/token', form)).status).toBe(500);
    expect((await refresh(tokenOf(first))).status).toBe(200);
    expect(await isGood(first)).toBe(true);
  });
});

describe('a family', () => {
  test('has one end, thirty days after its beginning, which no use prolongs', async () => {
    let current = tokenOf(await begin());
    for (let i = 0; i < 2; i++) {
      runtime.advance(14 * day);
      current = tokenOf(await refresh(current));
    }
    runtime.advance(2 * day - 100_000);
    const last = await refresh(current);
    // No token outlives the grant that it is made from.
    expect(last.body.expires_in).toBe(100);
    runtime.advance(100_000);
    expect(await refresh(tokenOf(last))).toMatchObject(refused);
  });

  test('survives the sign-out of its session, but not what takes the access itself away', async () => {
    const survivor = await begin();
    await bench.revoke(bench.home, { kind: 'session', id: survivor.person.sessionId }, [grantParticipant({ runtime })]);
    expect((await refresh(tokenOf(survivor))).status).toBe(200);
  });

  test.each<[string, (of: TestPerson, grant: GrantId, client: TestClient) => Promise<unknown>]>([
    ['the person is revoked', ({ userId: id }) => bench.revoke(bench.home, { kind: 'user', id })],
    [
      'the person is banned',
      ({ userId }) => db.admin('update identity."user" set "banned" = true where "id" = $1', [uuidOf(userId)]),
    ],
    [
      'the person is no member any more',
      ({ userId }) => db.admin('delete from mono.members where user_id = $1', [uuidOf(userId)]),
    ],
    [
      'the grant is revoked',
      (_, id) => bench.revoke(bench.home, { kind: 'grant', id }, [grantParticipant({ runtime })]),
    ],
    [
      'the client is cut off and comes back',
      (_, __, { id }) => bench.revoke(bench.home, { kind: 'client', id: id as ClientId }),
    ],
  ])('ends when %s', async (_, end) => {
    const client = await people.createApp(bench.home, `app-${runtime.uuid()}`);
    const first = await begin({}, client);
    await end(first.person, (claimsOf(first).grants as GrantId[])[0] as GrantId, client);
    expect(await refresh(tokenOf(first), {}, client)).toMatchObject(refused);
  });

  test('ends with the epoch of its tenant', async () => {
    const client = await people.createApp(bench.other, 'of-the-other');
    const first = await begin({}, client);
    await bench.revoke(bench.other, { kind: 'tenant' }, [grantParticipant({ runtime })]);
    expect(await refresh(tokenOf(first), {}, client)).toMatchObject(refused);
  });

  test('gets nothing while its client is suspended', async () => {
    const client = await people.createApp(bench.home, 'sleeper');
    const first = await begin({}, client);
    await db.admin(`update mono.clients set status = 'suspended' where name = 'sleeper'`);
    expect(await refresh(tokenOf(first), {}, client)).toMatchObject({ status: 401, body: { error: 'invalid_client' } });
  });

  test('loses at once what the manifest of its client loses', async () => {
    const client = await people.createApp(bench.home, 'narrowed');
    const first = await begin({}, client);
    const scopes = ['openid', 'offline_access', 'files:read'];
    await db.admin(`update mono.clients set scopes = $1 where name = 'narrowed'`, [scopes]);
    expect((await refresh(tokenOf(first), {}, client)).body.scope).toBe(scopes.join(' '));
  });
});

describe('keys, RFC 9449', () => {
  /** A grant as the token endpoint runs it, for a client that has proven the key with this thumbprint. */
  async function withKey(
    grant: Grant,
    jkt: string | undefined,
    fields: Record<string, string>,
    client: TestClient,
    isPublic = false,
  ) {
    const values = { ...(await assertClient(client)), ...fields } as Record<string, string>;
    const form: Form = {
      get: (name) => values[name],
      all: (name) => (values[name] === undefined ? [] : [values[name]]),
      names: () => Object.keys(values),
    };
    const origin = endpoints.deps.originOf(new Request(bench.home.issuer));
    const request = { tenant: bench.home, form, authorization: undefined, origin };
    const code = await grant.lookUp?.(endpoints.deps, request);
    const work = (session: GrantSession) => {
      const manifest = session.client.manifest as Manifest;
      const authMethod = isPublic ? 'none' : manifest.authMethod;
      const asked = { ...session.client, manifest: { ...manifest, authMethod } } as const;
      const confirmation = jkt === undefined ? undefined : { jkt };
      return grant.handle({ ...session, client: asked, dpopJkt: jkt, confirmation }, code);
    };
    const run = withGrantSession(endpoints.deps, request, work, { changesRows: true });
    return run.catch((error) => error.reason as string);
  }

  test('a token is bound to the key that was proven, and says so', async () => {
    const form = people.plantCode(app, await people.openPerson(bench.home));
    const answer = await withKey(authorizationCode, 'jkt-1', form, app);
    expect(answer).toMatchObject({ token_type: 'DPoP' });
    expect(decodeJwt((answer as { access_token: string }).access_token).cnf).toEqual({ jkt: 'jkt-1' });
  });

  test('a code that was asked for with a key is redeemed with it alone, and not used up without (§10)', async () => {
    const form = people.plantCode(app, await people.openPerson(bench.home), { dpopJkt: 'jkt-1' });
    expect(await withKey(authorizationCode, undefined, form, app)).toBe('invalid_grant');
    expect(await withKey(authorizationCode, 'jkt-2', form, app)).toBe('invalid_grant');
    expect(await withKey(authorizationCode, 'jkt-1', form, app)).toMatchObject({ token_type: 'DPoP' });
  });

  test('a refresh token of a public client is bound to its key, one of a confidential client is not (§5)', async () => {
    const begun = async (isPublic: boolean) => {
      const form = people.plantCode(app, await people.openPerson(bench.home));
      const answer = await withKey(authorizationCode, 'jkt-1', form, app, isPublic);
      return (answer as { refresh_token: string }).refresh_token;
    };
    const confidential = { refresh_token: await begun(false) };
    expect(await withKey(refreshToken, 'jkt-2', confidential, app)).toMatchObject({ token_type: 'DPoP' });
    const bound = { refresh_token: await begun(true) };
    expect(await withKey(refreshToken, 'jkt-2', bound, app, true)).toBe('invalid_grant');
    expect(await withKey(refreshToken, undefined, bound, app, true)).toBe('invalid_grant');
    expect(await withKey(refreshToken, 'jkt-1', bound, app, true)).toMatchObject({ token_type: 'DPoP' });
  });

  test('whoever takes bound tokens only refuses without a proof: client, resource, tenant', async () => {
    const strict = await people.createApp(bench.home, 'strict', { dpopBoundAccessTokens: true });
    const form = people.plantCode(strict, await people.openPerson(bench.home));
    expect(await withKey(authorizationCode, undefined, form, strict)).toBe('invalid_dpop_proof');
    expect(await withKey(authorizationCode, 'jkt-1', form, strict)).toMatchObject({ token_type: 'DPoP' });
  });
});
