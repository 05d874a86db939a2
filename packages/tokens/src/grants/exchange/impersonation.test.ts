import { fromBinary } from '@bufbuild/protobuf';
import { newId, type TokenId } from '@mono-auth/core/ids';
import { EventSchema } from '@mono-auth/proto/monoauth/audit/v1/audit';
import { FakeRuntime, openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { TestClient } from '../../client-key.ts';
import { type ControlBench, openControlBench, type TestHost } from '../../control-bench.ts';
import { type EndpointBench, type FormFields, openEndpointBench } from '../../endpoint-bench.ts';
import { openTenantBench, type TenantBench } from '../../tenant-bench.ts';
import { verifyAccessToken } from '../../verify-access-token.ts';

const grant_type = 'urn:ietf:params:oauth:grant-type:token-exchange';
const accessToken = 'urn:ietf:params:oauth:token-type:access_token';
const resource = 'https://files.test';
const access = { scopes: ['files:read', 'tokens:impersonate'], audiences: [resource] };

const runtime = new FakeRuntime();
let db: TestDatabase;
let bench: TenantBench;
let endpoints: EndpointBench;
let control: ControlBench;
let trusted: TestClient;
let plain: TestClient;
let host: TestHost;

beforeAll(async () => {
  db = await openTestDatabase();
  bench = await openTenantBench({ ...db, slugs: ['acme', 'other'], runtime, kek: testKek });
  endpoints = openEndpointBench(bench);
  control = openControlBench(bench);
  trusted = await endpoints.createClient(bench.home, { kind: 'machine', name: 'trusted', ...access });
  plain = await endpoints.createClient(bench.home, {
    kind: 'machine',
    name: 'plain',
    ...access,
    scopes: ['files:read'],
  });
  host = await control.enrolHost(bench.home, 'host-1', access);
});
afterAll(() => db.close());

const impersonate = (client: TestClient, subject_token: string, change: FormFields = {}) =>
  endpoints.ask(client, '/oauth2/token', {
    ...{ grant_type, subject_token, subject_token_type: accessToken, resource, impersonate: 'true' },
    ...change,
  });
const events = async (type: string) => {
  const where = 'select envelope from mono.audit_events where type = $1 order by id desc';
  const rows = await db.admin<{ envelope: Uint8Array }>(where, [type]);
  return rows.map(({ envelope }) => fromBinary(EventSchema, new Uint8Array(envelope)));
};

test('is refused by every policy that does not permit it by name', async () => {
  const { token } = await bench.mint(bench.home);
  expect(await impersonate(trusted, token)).toMatchObject({ status: 403, body: { error: 'access_denied' } });
  const text = 'permit (principal, action in [Action::"token.issue", Action::"token.exchange"], resource);';
  await control.publishPolicy(bench.home, text, 1);
  expect(await impersonate(trusted, token)).toMatchObject({ status: 403, body: { error: 'access_denied' } });
  const permitted = `${text} permit (principal, action == Action::"access", resource)
    when { context.operation == "token.impersonate" && context has client_id && context.client_id == "${trusted.id}" };`;
  await control.publishPolicy(bench.home, permitted, 2);
  expect((await impersonate(trusted, token)).status).toBe(200);
});

test('gives a token of the person without an actor, with every handle of its ancestor, as an event of its own', async () => {
  const subject = await bench.mint(bench.home);
  const answer = await impersonate(trusted, subject.token);
  const claims = await verifyAccessToken(bench, bench.home, answer.body.access_token as string, { holder: {} });
  const { sub, sid } = subject.claims;
  expect(claims).toMatchObject({ sub, sid, client_id: trusted.id, scope: 'files:read', pjti: [subject.claims.jti] });
  expect(claims).not.toHaveProperty('act');
  expect(claims.exp - claims.iat).toBe(300);
  const [event] = await events('token.impersonated');
  expect(event).toMatchObject({
    actor: `client:${trusted.id}`,
    subject: sub,
    tokenId: claims.jti,
    decisionId: claims.did,
  });
  expect((await events('token.exchanged')).map(({ tokenId }) => tokenId)).not.toContain(claims.jti);
  await bench.revoke(bench.home, { kind: 'token', id: subject.claims.jti as TokenId });
  const again = verifyAccessToken(bench, bench.home, answer.body.access_token as string, { holder: {} });
  await expect(again).rejects.toThrow('revoked');
});

test('needs the permission in the approved manifest, under the tenant’s ceiling, and is nothing for a host', async () => {
  const { token } = await bench.mint(bench.home, { scope: ['files:read', 'tokens:impersonate'] });
  const lacking = { status: 400, body: { error: 'unauthorized_client' } };
  expect(await impersonate(plain, token)).toMatchObject(lacking);
  expect(await impersonate(host, token)).toMatchObject(lacking);
});

test('is never made of a token that has an actor or names one, nor with an actor token, nor by another word', async () => {
  const agent = `agent:${newId(runtime, 'agt')}` as const;
  const { token } = await bench.mint(bench.home);
  const own = (
    await endpoints.ask(trusted, '/oauth2/token', { grant_type: 'client_credentials', resource: bench.home.issuer })
  ).body.access_token as string;
  const bad = { status: 400, body: { error: 'invalid_request' } };
  const acting = await bench.mint(bench.home, { act: { sub: agent }, ttlSeconds: 300 });
  expect(await impersonate(trusted, acting.token)).toMatchObject(bad);
  expect(await impersonate(trusted, (await bench.mint(bench.home, { mayAct: agent })).token)).toMatchObject(bad);
  const actor = { actor_token: own, actor_token_type: accessToken };
  expect(await impersonate(trusted, token, actor)).toMatchObject(bad);
  for (const word of ['false', 'TRUE', '1']) {
    expect(await impersonate(trusted, token, { impersonate: word })).toMatchObject(bad);
  }
  // Unasked, the same client is the actor.
  const delegated = await impersonate(trusted, token, { impersonate: '' });
  const claims = await verifyAccessToken(bench, bench.home, delegated.body.access_token as string, { holder: {} });
  expect(claims.act?.sub).toBe(`client:${trusted.id}`);
});
