import { type GrantId, type Id, newId, uuidOf } from '@mono-auth/core/ids';
import { deviceAuthorizations } from '@mono-auth/grants';
import { systemCaller } from '@mono-auth/tenants';
import { FakeRuntime, openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TestClient } from '../client-key.ts';
import { type Answer, type EndpointBench, openEndpointBench } from '../endpoint-bench.ts';
import { appAudience, openPersonBench, type PersonBench, type TestPerson } from '../person-bench.ts';
import { openTenantBench, type TenantBench } from '../tenant-bench.ts';
import { verifyAccessToken } from '../verify-access-token.ts';

const grant_type = 'urn:ietf:params:oauth:grant-type:device_code';
const runtime = new FakeRuntime();
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

const start = (form: Record<string, string> = {}, client = app) =>
  endpoints.ask(client, '/oauth2/device_authorization', form);
const poll = ({ body }: Answer, client = app) =>
  endpoints.ask(client, '/oauth2/token', { grant_type, device_code: body.device_code as string });

async function decide({ body }: Answer, granted = true, person?: TestPerson): Promise<TestPerson> {
  const decider = person ?? (await people.openPerson(bench.home));
  const call = { runtime, caller: systemCaller(bench.home, newId(runtime, 'req')) };
  await bench.database.forTenant(bench.home.id, (tx) =>
    deviceAuthorizations.decideDeviceAuthorization(tx, call, {
      ...{ typed: body.user_code as string, userCodeKey: endpoints.deps.userCodeKey(bench.home.id) },
      ...{ granted, ...decider, authTimeMs: runtime.nowMs() - 2000 },
    }),
  );
  return decider;
}

describe('a device, RFC 8628', () => {
  test('is told where its person decides, in the words of §3.2, and nobody stores them', async () => {
    const answer = await start({ scope: 'openid files:read' });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    const { user_code } = answer.body;
    expect(user_code).toMatch(/^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$/);
    expect(answer.body).toEqual({
      device_code: expect.stringMatching(/^mono_dc_[A-Za-z0-9_-]{43}$/),
      user_code,
      verification_uri: `${bench.home.issuer}/device`,
      verification_uri_complete: `${bench.home.issuer}/device?user_code=${user_code}`,
      expires_in: 600,
      interval: 5,
    });
  });

  test('waits, is slowed down, and gets its tokens once it is allowed', async () => {
    const answer = await start({ scope: 'openid offline_access files:read', resource: appAudience });
    expect((await poll(answer)).body.error).toBe('authorization_pending');
    expect(await poll(answer)).toMatchObject({ status: 400, body: { error: 'slow_down' } });
    const person = await decide(answer);
    runtime.advance(10_000);
    const granted = await poll(answer);
    expect(granted).toMatchObject({
      status: 200,
      body: { token_type: 'Bearer', scope: 'openid offline_access files:read' },
    });
    const claims = decodeJwt(granted.body.access_token as string);
    expect(claims).toMatchObject({ sub: `user:${person.userId}`, aud: appAudience, client_id: app.id });
    expect(decodeJwt(granted.body.id_token as string)).toMatchObject({ aud: app.id, sid: person.sessionId });
    const refresh = { grant_type: 'refresh_token', refresh_token: granted.body.refresh_token as string };
    expect((await endpoints.ask(app, '/oauth2/token', refresh)).status).toBe(200);
  });

  test('hears of a denial, and of an end, as §3.5 says', async () => {
    const denied = await start();
    await decide(denied, false);
    expect(await poll(denied)).toMatchObject({ status: 400, body: { error: 'access_denied' } });
    const late = await start();
    runtime.advance(600_000);
    expect(await poll(late)).toMatchObject({ status: 400, body: { error: 'expired_token' } });
  });

  test('asks for nothing that its client was not approved for', async () => {
    expect((await start({ scope: 'files:delete' })).body.error).toBe('invalid_scope');
    expect((await start({ resource: 'https://else.test' })).body.error).toBe('invalid_target');
    const other = await people.createApp(bench.home, 'no-device', { grantTypes: ['authorization_code'] });
    expect((await start({}, other)).body.error).toBe('unauthorized_client');
  });

  test('of another client or tenant is as unknown, and is not used up', async () => {
    const answer = await start();
    await decide(answer);
    const abroad = await people.createApp(bench.other, 'abroad');
    const unknown = await poll({ ...answer, body: { device_code: `mono_dc_${'A'.repeat(43)}` } });
    for (const client of [neighbour, abroad]) expect((await poll(answer, client)).body).toEqual(unknown.body);
    expect(unknown).toMatchObject({ status: 400, body: { error: 'invalid_grant' } });
    expect((await poll(answer)).status).toBe(200);
  });

  test('is allowed by a session that still lives', async () => {
    const answer = await start();
    const person = await decide(answer);
    await bench.revoke(bench.home, { kind: 'session', id: person.sessionId });
    expect(await poll(answer)).toMatchObject({ status: 400, body: { error: 'invalid_grant' } });
  });

  test('that asks fifty times at the same moment gets one grant, which stays good, in ten rounds', async () => {
    for (let round = 0; round < 10; round++) {
      const answer = await start();
      await decide(answer);
      const answers = await Promise.all(Array.from({ length: 50 }, () => poll(answer)));
      const winners = answers.filter(({ status }) => status === 200);
      expect(winners).toHaveLength(1);
      for (const { body } of answers.filter(({ status }) => status !== 200)) expect(body.error).toBe('invalid_grant');
      await verifyAccessToken(bench, bench.home, winners[0]?.body.access_token as string, { holder: {} });
      const [grant] = decodeJwt(winners[0]?.body.access_token as string).grants as [GrantId];
      const rows = await db.admin('select 1 from mono.device_codes where grant_id = $1', [uuidOf(grant as Id<'gra'>)]);
      expect(rows).toHaveLength(1);
    }
  }, 120_000);
});
