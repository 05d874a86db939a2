import { fromBinary } from '@bufbuild/protobuf';
import type { AgentId } from '@mono-auth/core/ids';
import { EventSchema, Outcome } from '@mono-auth/proto/monoauth/audit/v1/audit';
import { FakeRuntime, openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { TestClient } from '../client-key.ts';
import { type ControlBench, openControlBench, type TestHost } from '../control-bench.ts';
import { type Answer, type EndpointBench, type FormFields, openEndpointBench } from '../endpoint-bench.ts';
import { openPersonBench, type PersonBench } from '../person-bench.ts';
import { openTenantBench, type TenantBench } from '../tenant-bench.ts';

const accessToken = 'urn:ietf:params:oauth:token-type:access_token';
const files = 'https://files.test';
const access = { scopes: ['files:read', 'files:write'], audiences: [files] };
const runtime = new FakeRuntime();
let db: TestDatabase;
let bench: TenantBench;
let endpoints: EndpointBench;
let control: ControlBench;
let people: PersonBench;
let host: TestHost;

beforeAll(async () => {
  db = await openTestDatabase();
  bench = await openTenantBench({ ...db, slugs: ['acme', 'other'], runtime, kek: testKek });
  people = openPersonBench(bench, db);
  endpoints = openEndpointBench(bench, { codes: people.codes });
  control = openControlBench(bench);
  await people.registerResource(bench.home);
});
afterAll(() => db.close());
beforeEach(async () => {
  runtime.advance(60_000 - (runtime.nowMs() % 60_000));
  host = await control.enrolHost(bench.home, runtime.uuid(), access);
});

const minute = { windowSeconds: 60 };
const usedUp = { status: 429, body: { error: 'slow_down', reason: 'budget_exhausted' } };
const ask = (client: TestClient, form: FormFields = {}) =>
  endpoints.ask(client, '/oauth2/token', { grant_type: 'client_credentials', ...form });
const newAgent = () => control.createAgent(host, runtime.uuid(), ['files:read']);

async function exchange(agent: AgentId, actor?: Answer): Promise<Answer> {
  const actorToken = (actor ?? (await ask(host, { agent }))).body.access_token as string;
  const { token } = await bench.mint(bench.home, { subject: await control.ownerOf(bench.home, agent) });
  return endpoints.ask(host, '/oauth2/token', {
    ...{ grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange', resource: files },
    ...{ subject_token: token, subject_token_type: accessToken },
    ...{ actor_token: actorToken, actor_token_type: accessToken },
  });
}

test('whoever has used a budget up is told to slow down and until when, and the refusal is in the log', async () => {
  await control.setMintBudget(bench.home, { clientId: host.id }, { tokensPerWindow: 2, ...minute });
  runtime.advance(20_000);
  expect([(await ask(host)).status, (await ask(host)).status]).toEqual([200, 200]);
  const refused = await ask(host);
  expect(refused).toMatchObject(usedUp);
  expect(refused.body.error_description).toBe(`the mint budget of client ${host.id} is used up in this window`);
  expect(refused.headers.get('retry-after')).toBe('40');
  const [row] = await db.admin<{ envelope: Uint8Array }>(
    "select envelope from mono.audit_events where type = 'token.refused' order by id desc limit 1",
  );
  const event = fromBinary(EventSchema, new Uint8Array(row?.envelope ?? []));
  expect(event).toMatchObject({ outcome: Outcome.DENIED, reason: 'budget_exhausted', objectId: host.id });
  // The policy had allowed it.
  expect(event.decisionId).toMatch(/^dec_/);
  runtime.advance(40_000);
  expect((await ask(host)).status).toBe(200);
});

test('a token of a delegation counts against agent, host and client alike', async () => {
  for (const [index, holder] of (['agentId', 'hostId', 'clientId'] as const).entries()) {
    host = await control.enrolHost(bench.home, runtime.uuid(), access);
    const agent = await newAgent();
    const id = [agent, host.hostId, host.id][index] as string;
    // One for the agent's own token, one for the first exchange.
    await control.setMintBudget(bench.home, { [holder]: id }, { tokensPerWindow: 2, ...minute });
    const actor = await ask(host, { agent });
    expect((await exchange(agent, actor)).status).toBe(200);
    const refused = await exchange(agent, actor);
    expect(refused).toMatchObject(usedUp);
    expect(refused.body.error_description).toContain(id);
  }
});

test('one agent that has used its budget up takes nothing from another on the same host', async () => {
  const [eager, other] = [await newAgent(), await newAgent()];
  await control.setMintBudget(bench.home, { agentId: eager }, { tokensPerWindow: 1, ...minute });
  await control.setMintBudget(bench.home, { hostId: host.hostId }, { tokensPerWindow: 4, ...minute });
  expect((await ask(host, { agent: eager })).status).toBe(200);
  for (let i = 0; i < 5; i++) expect(await ask(host, { agent: eager })).toMatchObject(usedUp);
  for (let i = 0; i < 3; i++) expect((await ask(host, { agent: other })).status).toBe(200);
  expect(await ask(host, { agent: other })).toMatchObject(usedUp);
});

test('a lowered budget holds at the next mint, and a removed one no longer', async () => {
  const holder = { hostId: host.hostId };
  await control.setMintBudget(bench.home, holder, { tokensPerWindow: 1_000, ...minute });
  for (let i = 0; i < 5; i++) expect((await ask(host)).status).toBe(200);
  await control.setMintBudget(bench.home, holder, { tokensPerWindow: 5, ...minute }, 1);
  expect(await ask(host)).toMatchObject(usedUp);
  await control.setMintBudget(bench.home, holder, {}, 2);
  expect((await ask(host)).status).toBe(200);
});

test('a chain that the agent’s budget does not allow is denied, and so is any token outside its hours', async () => {
  const agent = await newAgent();
  await control.setMintBudget(bench.home, { agentId: agent }, { chainDepthMax: 1 });
  const actor = await ask(host, { agent });
  expect(actor.status).toBe(200);
  expect(await exchange(agent, actor)).toMatchObject({
    status: 403,
    body: { error: 'access_denied', reason: 'denied' },
  });
  const nextMinute = (Math.floor(runtime.nowMs() / 60_000) + 1) % 1_440;
  const hours = [{ fromMinute: nextMinute, toMinute: nextMinute + 1 }];
  await control.setMintBudget(bench.home, { agentId: agent }, { hours }, 1);
  const early = await ask(host, { agent });
  expect(early).toMatchObject(usedUp);
  expect(early.headers.get('retry-after')).toBe(String(60 - ((runtime.nowMs() / 1_000) % 60)));
  runtime.advance(60_000);
  expect((await ask(host, { agent })).status).toBe(200);
});

test('an assertion is spent with the refusal, as with any other', async () => {
  await control.setMintBudget(bench.home, { clientId: host.id }, { tokensPerWindow: 1, ...minute });
  await ask(host);
  const spent = await db.admin<{ spent: number }>('select count(*)::int as spent from mono.consumed');
  expect(await ask(host)).toMatchObject(usedUp);
  const after = await db.admin<{ spent: number }>('select count(*)::int as spent from mono.consumed');
  expect((after[0]?.spent ?? 0) - (spent[0]?.spent ?? 0)).toBe(1);
});

test('a person’s code is not used up by a client that has no budget left: it works in the next window', async () => {
  const app = await people.createApp(bench.home, 'app');
  const person = await people.openPerson(bench.home, 'owner');
  await control.setMintBudget(bench.home, { clientId: app.id }, { tokensPerWindow: 2, ...minute });
  runtime.advance(50_000);
  const redeem = (code: Record<string, string>) => endpoints.ask(app, '/oauth2/token', code);
  const first = await redeem(people.plantCode(app, person));
  expect(first.status).toBe(200);
  const refresh = (from: Answer) =>
    endpoints.ask(app, '/oauth2/token', {
      ...{ grant_type: 'refresh_token', refresh_token: from.body.refresh_token as string },
    });
  const second = await refresh(first);
  expect(second.status).toBe(200);
  const code = people.plantCode(app, person);
  expect(await redeem(code)).toMatchObject(usedUp);
  expect(await refresh(second)).toMatchObject(usedUp);
  runtime.advance(10_000);
  expect((await redeem(code)).status).toBe(200);
  const third = await refresh(second);
  expect(third.status).toBe(200);
  expect(decodeJwt(third.body.access_token as string).client_id).toBe(app.id);
});
