import { createHash } from 'node:crypto';
import { type GrantId, uuidOf } from '@mono-auth/core/ids';
import { grantRules } from '@mono-auth/grants';
import { verifyJwt } from '@mono-auth/keys';
import { FakeRuntime, openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TestClient } from '../client-key.ts';
import { type Answer, type EndpointBench, openEndpointBench } from '../endpoint-bench.ts';
import type { AuthorizationCode } from '../people.ts';
import { appAudience, openPersonBench, type PersonBench, type TestPerson } from '../person-bench.ts';
import { openTenantBench, type TenantBench } from '../tenant-bench.ts';
import { verifyAccessToken } from '../verify-access-token.ts';

const runtime = new FakeRuntime();
let db: TestDatabase;
let bench: TenantBench;
let people: PersonBench;
let endpoints: EndpointBench;
let app: TestClient;
let neighbour: TestClient;
let person: TestPerson;

beforeAll(async () => {
  db = await openTestDatabase();
  bench = await openTenantBench({ ...db, slugs: ['acme', 'other'], runtime, kek: testKek });
  people = openPersonBench(bench, db);
  endpoints = openEndpointBench(bench, { codes: people.codes });
  for (const tenant of [bench.home, bench.other]) await people.registerResource(tenant);
  app = await people.createApp(bench.home, 'app');
  neighbour = await people.createApp(bench.home, 'neighbour');
  person = await people.openPerson(bench.home, 'owner');
});
afterAll(() => db.close());

const ask = (form: Record<string, string>, client = app) => endpoints.ask(client, '/oauth2/token', form);
const plant = (change: Partial<AuthorizationCode> = {}, client = app, of = person) =>
  people.plantCode(client, of, change);
const isGood = ({ body }: Answer) =>
  verifyAccessToken(bench, bench.home, body.access_token as string, { holder: {} }).then(
    () => true,
    () => false,
  );
const refusedGrant = { status: 400, body: { error: 'invalid_grant' } };

describe('a code, RFC 6749 §4.1.3', () => {
  test('becomes an access token with exactly these claims, a refresh token and an ID token', async () => {
    const answer = await ask(plant());
    expect(answer.status).toBe(200);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    const { access_token, refresh_token, id_token, ...rest } = answer.body as Record<string, string>;
    const scope = 'openid profile offline_access files:read files:write tenants:read policy:publish';
    expect(rest).toEqual({ token_type: 'Bearer', expires_in: 600, scope });
    expect(refresh_token).toMatch(/^mono_rt_[A-Za-z0-9_-]{43}$/);
    const { iat, exp, jti, did, pv, ep, fs, grants, ...claims } = decodeJwt(access_token as string);
    expect(decodeProtectedHeader(access_token as string)).toMatchObject({ typ: 'at+jwt', alg: 'ES256' });
    expect(claims).toEqual({
      iss: bench.home.issuer,
      aud: appAudience,
      sub: `user:${person.userId}`,
      client_id: app.id,
      scope,
      tenant_id: bench.home.id,
      tenant_role: 'owner',
    });
    const kinds = [iat, exp, jti, did, pv, ep, fs, grants].map((claim) =>
      Array.isArray(claim) ? 'list' : typeof claim,
    );
    expect(kinds).toEqual(['number', 'number', 'string', 'string', 'number', 'number', 'number', 'list']);
    expect(grants).toEqual([expect.stringMatching(/^gra_/)]);
    const keys = await bench.keys.publicKeys(bench.home.id, 'token');
    const expected = { typ: 'JWT', issuer: bench.home.issuer, audience: app.id, nowMs: runtime.nowMs() };
    expect(decodeProtectedHeader(id_token as string).alg).toBe('RS256');
    expect(await verifyJwt(id_token as string, keys, expected)).toEqual({
      iss: bench.home.issuer,
      sub: `user:${person.userId}`,
      aud: app.id,
      exp: (iat as number) + 600,
      iat,
      auth_time: Math.floor((runtime.nowMs() - 4000) / 1000),
      nonce: 'n-0S6_WzA2Mj',
      sid: person.sessionId,
      at_hash: expect.stringMatching(/^[A-Za-z0-9_-]{22}$/),
    });
  });

  test('without offline_access ends with the session: sid in the token, its end at most the session’s, no refresh token', async () => {
    const scopes = ['openid', 'files:read'];
    const answer = await ask(plant({ scopes }));
    expect(answer.body).not.toHaveProperty('refresh_token');
    expect(decodeJwt(answer.body.access_token as string)).toMatchObject({
      sid: person.sessionId,
      scope: 'openid files:read',
    });
    const late = await people.openPerson(bench.home);
    await db.admin('update identity."session" set "expiresAt" = $2 where "id" = $1', [
      uuidOf(late.sessionId),
      new Date(runtime.nowMs() + 30_000),
    ]);
    expect((await ask(plant({ scopes }, app, late))).body.expires_in).toBe(30);
  });

  test('without openid there is no ID token', async () => {
    expect((await ask(plant({ scopes: ['files:read'] }))).body).not.toHaveProperty('id_token');
  });

  test.each<[string, (form: Record<string, string>) => Promise<Answer>]>([
    ['another client', (form) => ask(form, neighbour)],
    ['another verifier', (form) => ask({ ...form, code_verifier: 'x'.repeat(43) })],
    ['the challenge as verifier', (form) => ask({ ...form, code_verifier: 'y'.repeat(129) })],
    ['another redirect URI', (form) => ask({ ...form, redirect_uri: 'https://app.test/callback/' })],
    ['another tenant', async (form) => ask(form, await people.createApp(bench.other, `app-${runtime.uuid()}`))],
  ])('with %s is refused and stays good', async (_, attempt) => {
    const form = plant();
    expect(await attempt(form)).toMatchObject(refusedGrant);
    expect((await ask(form)).status).toBe(200);
  });

  test('that lacks a parameter is refused by its name and stays good', async () => {
    const form = plant();
    for (const name of ['code', 'redirect_uri', 'code_verifier']) {
      const { body, status } = await ask({ ...form, [name]: '' });
      expect({ status, error: body.error, text: body.error_description }).toMatchObject({
        status: 400,
        error: 'invalid_request',
        text: `${name}: is required`,
      });
    }
    expect((await ask(form)).status).toBe(200);
  });

  test('unknown, expired, of another client and of another tenant are one answer', async () => {
    const abroad = await people.createApp(bench.other, 'abroad');
    const stranger = await people.openPerson(bench.other);
    const forms = [
      { ...plant(), code: 'never' },
      plant({ expiresAtMs: runtime.nowMs() }),
      plant({}, neighbour),
      plant({}, abroad, stranger),
    ];
    const answers = [];
    for (const form of forms) answers.push((await ask(form)).body);
    for (const body of answers) expect(body).toEqual(answers[0]);
    expect(answers[0]).toMatchObject({ error: 'invalid_grant' });
  });

  test('that is used again ends all that was made from it', async () => {
    const form = plant();
    const first = await ask(form);
    const other = await ask(plant());
    expect(await isGood(first)).toBe(true);
    expect(await ask(form, neighbour)).toMatchObject(refusedGrant);
    expect(await isGood(first)).toBe(true);
    expect(await ask(form)).toMatchObject(refusedGrant);
    expect(await isGood(first)).toBe(false);
    expect(await isGood(other)).toBe(true);
    const refresh = { grant_type: 'refresh_token', refresh_token: first.body.refresh_token as string };
    expect(await ask(refresh)).toMatchObject(refusedGrant);
    const [grant] = decodeJwt(first.body.access_token as string).grants as [GrantId];
    const events = await db.admin<{ type: string }>(
      `select type from mono.audit_events where object_id = $1 order by id`,
      [grant],
    );
    expect(events.map(({ type }) => type)).toEqual(['grant.begun', 'grant.ended']);
  });

  test('that is redeemed fifty times at the same moment has one winner and a dead family, in ten rounds', async () => {
    for (let round = 0; round < 10; round++) {
      const form = plant();
      const answers = await Promise.all(Array.from({ length: 50 }, () => ask(form)));
      const winners = answers.filter(({ status }) => status === 200);
      expect(winners).toHaveLength(1);
      for (const answer of answers.filter(({ status }) => status !== 200)) expect(answer).toMatchObject(refusedGrant);
      expect(await isGood(winners[0] as Answer)).toBe(false);
    }
  }, 120_000);

  test('is as good as before when the answer could not be made: nothing is half done', async () => {
    const failing = openEndpointBench(bench, {
      codes: people.codes,
      minter: { ...bench.minter, mint: () => Promise.reject(new Error('the process dies here')) },
    });
    const form = plant();
    expect((await failing.ask(app, '/oauth2/token', form)).status).toBe(500);
    expect((await ask(form)).status).toBe(200);
  });
});

describe('what a code hangs on', () => {
  const withEnded = async (end: (of: TestPerson) => Promise<unknown>) => {
    const of = await people.openPerson(bench.home);
    const form = plant({}, app, of);
    await end(of);
    return { form, answer: await ask(form) };
  };

  test.each<[string, (of: TestPerson) => Promise<unknown>]>([
    [
      'a session that was signed out',
      (of) => db.admin('delete from identity."session" where "id" = $1', [uuidOf(of.sessionId)]),
    ],
    ['a session that was revoked', ({ sessionId: id }) => bench.revoke(bench.home, { kind: 'session', id })],
    ['a person who was revoked', ({ userId: id }) => bench.revoke(bench.home, { kind: 'user', id })],
    [
      'a person who was banned',
      (of) => db.admin('update identity."user" set "banned" = true where "id" = $1', [uuidOf(of.userId)]),
    ],
    [
      'a person who is no member any more',
      (of) => db.admin('delete from mono.members where user_id = $1', [uuidOf(of.userId)]),
    ],
    [
      'a session that has expired',
      (of) =>
        db.admin('update identity."session" set "expiresAt" = $2 where "id" = $1', [uuidOf(of.sessionId), new Date(0)]),
    ],
  ])('%s: refused, and nothing is made', async (_, end) => {
    const { form, answer } = await withEnded(end);
    expect(answer).toMatchObject(refusedGrant);
    const digest = createHash('sha256')
      .update(form.code as string)
      .digest();
    const grants = await db.admin(
      'select id::text from mono.token_grants where id = $1 union all select kind from mono.consumed where digest = $2',
      [uuidOf(grantRules.grantIdOf(digest)), digest],
    );
    expect(grants).toEqual([]);
  });

  test('a session of another person does not serve', async () => {
    const other = await people.openPerson(bench.home);
    expect(await ask(plant({ sessionId: other.sessionId }))).toMatchObject(refusedGrant);
  });

  test('a client that is suspended gets nothing', async () => {
    const doomed = await people.createApp(bench.home, 'doomed');
    const form = plant({}, doomed);
    await db.admin(`update mono.clients set status = 'suspended' where name = 'doomed'`);
    expect(await ask(form, doomed)).toMatchObject({ status: 401, body: { error: 'invalid_client' } });
    await db.admin(`update mono.clients set status = 'approved' where name = 'doomed'`);
    expect((await ask(form, doomed)).status).toBe(200);
  });

  test('a refusal leaves its evidence with the person whom it concerned', async () => {
    await ask({ ...plant(), code_verifier: 'x'.repeat(43) });
    const [event] = await db.admin<{ type: string; text: string }>(
      `select type, encode(envelope, 'escape') as text from mono.audit_events order by id desc limit 1`,
    );
    expect(event?.type).toBe('token.refused');
    expect(event?.text).toContain(person.userId);
  });
});
