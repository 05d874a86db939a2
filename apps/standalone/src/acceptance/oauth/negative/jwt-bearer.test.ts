import { systemRuntime } from '@mono-auth/core/runtime';
import { openTestDatabase, testKek } from '@mono-auth/testing';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { enrolPlainly, type PlainHost } from '../../enrol-plainly.ts';
import {
  type FederationScene,
  jwtBearer,
  link,
  openFederation,
  type PlayedIssuer,
  playIssuer,
} from '../federation-scene.ts';
import { ordersApi, type RegisteredClient, registerMachine } from '../oauth-scene.ts';
import { type Ask, ask, basic, breakEach, type Row, row, send } from './ask.ts';
import { assertionType, nowSeconds } from './lab.ts';

let scene: FederationScene;
let host: PlainHost;
let otherHost: PlainHost;
let agent: string;
let otherAgent: string;
/** A platform that vouches for its workloads. */
let platform: PlayedIssuer;
let narrow: PlayedIssuer;
let workload: RegisteredClient;
let rival: RegisteredClient;
let secretOnly: RegisteredClient;

const onlyWorkloads = { purposes: ['ASSERTION_PURPOSE_WORKLOAD'], scopes: ['orders:read'] };
const redeems = { grantTypes: [jwtBearer], audiences: [ordersApi] };

beforeAll(async () => {
  scene = await openFederation(await openTestDatabase(), testKek);
  const { home } = scene;
  [host, agent] = await enrol('fra-1');
  [otherHost, otherAgent] = await enrol('fra-2');
  platform = await playIssuer(home, 'platform', onlyWorkloads);
  workload = await registerMachine(home, redeems);
  rival = await registerMachine(home, redeems);
  secretOnly = await registerMachine(home);
  narrow = await playIssuer(home, 'narrow', { ...onlyWorkloads, clientIds: [rival.id] });
  await link(home, { issuerId: platform.id, subject: 'pod-1', clientId: workload.id });
  await link(home, { issuerId: platform.id, subject: 'pod-2', clientId: secretOnly.id });
  await link(home, { issuerId: platform.id, subject: 'pod-3', agentId: agent });
  await link(home, { issuerId: narrow.id, subject: 'pod-1', clientId: workload.id });
});
afterAll(() => scene?.home.close());

async function enrol(hostName: string): Promise<[PlainHost, string]> {
  const { home } = scene;
  const machines = 'machines.v1.MachineService';
  const access = { hostName, scopes: ['orders:read'], audiences: [ordersApi] };
  const enrolled = await enrolPlainly(home.issuer, String((await home.rpc(`${machines}/CreateInvite`, access)).token));
  const named = { hostId: enrolled.hostId, name: 'reconciler', scopes: ['orders:read'] };
  const made = (await home.rpc(`${machines}/CreateAgent`, named)).agent as { id: string };
  return [enrolled, made.id];
}

const redeeming = (assertion: string): Ask =>
  ask(scene.home.issuer, '/oauth2/token', { grant_type: jwtBearer, assertion, resource: ordersApi });
const refused = (section: string, name: string, bend: Row['bend']) => row(section, name, bend, 400, 'invalid_grant');

/** What a host says of itself, bent by `change`. */
function hostSays(
  change: Record<string, unknown> = {},
  typ = 'JWT',
  by: () => PlainHost = () => host,
): Promise<string> {
  const { id, key } = by().client;
  return key.sign(typ, { iss: id, sub: id, aud: scene.home.issuer, ...change });
}
const asHost =
  (change: Record<string, unknown>, typ?: string, by?: () => PlainHost) =>
  async ({ form }: Ask) => {
    form.set('assertion', await hostSays(change, typ, by));
  };

/** With a fresh one: who asks is proven before anything else is looked at, and that uses it up. */
const also = (name: string, value: () => string) => async (ask: Ask) => {
  await asHost({})(ask);
  ask.form.set(name, value());
};

const hostRows = (): Row[] => [
  refused('bis', 'the token endpoint as aud', (ask) => asHost({ aud: `${scene.home.issuer}/oauth2/token` })(ask)),
  refused('bis', 'a second aud', (ask) => asHost({ aud: [scene.home.issuer, 'https://elsewhere.example'] })(ask)),
  refused('bis', 'the other tenant as aud', (ask) => asHost({ aud: scene.idp.issuer })(ask)),
  refused('7523 §3', 'no aud', asHost({ aud: undefined })),
  refused('7523 §3', 'another sub', (ask) => asHost({ sub: otherHost.client.id })(ask)),
  refused('7523 §3', 'no sub', asHost({ sub: undefined })),
  refused('7523 §3', 'no exp', asHost({ exp: undefined })),
  refused('7523 §3', 'an exp of long ago', asHost({ exp: nowSeconds() - 600 })),
  refused('7523 §3', 'an exp that is too far off', asHost({ exp: nowSeconds() + 3_600 })),
  refused('7523 §3', 'no jti', asHost({ jti: undefined })),
  refused('bis', 'the type of a client assertion', asHost({}, 'client-authentication+jwt')),
  refused('9068 §4', 'the type of an access token', asHost({}, 'at+jwt')),
  refused('machines', 'the type of a host’s proof', asHost({}, 'mono-proof+jwt')),
  refused('7523 §3', 'the key of another host', async ({ form }) => {
    const { id } = host.client;
    form.set('assertion', await otherHost.client.key.sign('JWT', { iss: id, sub: id, aud: scene.home.issuer }));
  }),
  refused('law 5', 'a client that never was', asHost({ iss: 'cli_00000000000000000000000001', sub: 'x' })),
  refused('ours', 'a machine’s own word', async ({ form }) => {
    form.set(
      'assertion',
      await workload.key.sign('JWT', { iss: workload.id, sub: workload.id, aud: scene.home.issuer }),
    );
  }),
  refused('ours', 'beside its client assertion', async ({ form }) => {
    form.set('client_assertion_type', assertionType);
    form.set('client_assertion', await hostSays({}, 'client-authentication+jwt'));
  }),
  row('6749 §2.3', 'beside its name', ({ form }) => form.set('client_id', host.client.id), 401, 'invalid_client'),
  row(
    'law 5',
    'at the other tenant',
    (ask) => {
      ask.issuer = scene.idp.issuer;
    },
    400,
    'invalid_grant',
  ),
  row(
    '6749 §5.2',
    'a scope that it does not hold',
    also('scope', () => 'orders:write'),
    400,
    'invalid_scope',
  ),
  row(
    '8707 §2',
    'a resource that is none of its own',
    also('resource', () => 'https://elsewhere.example'),
    400,
    'invalid_target',
  ),
  row(
    'law 5',
    'an agent of another host',
    also('agent', () => otherAgent),
    400,
    'invalid_request',
  ),
];

/** What a platform says of a workload, bent by `change`. */
function platformSays(change: Record<string, unknown> = {}, typ = 'JWT', by: () => PlayedIssuer = () => platform) {
  const { issuer, key } = by();
  return key.sign(typ, { iss: issuer, sub: 'pod-1', aud: scene.home.issuer, ...change });
}
const asPlatform =
  (change: Record<string, unknown>, typ?: string, by?: () => PlayedIssuer) =>
  async ({ form }: Ask) => {
    form.set('assertion', await platformSays(change, typ, by));
  };

const workloadRows = (): Row[] => [
  refused('SEP-1933', 'an issuer that nobody trusts', asPlatform({ iss: 'https://nobody.example' })),
  refused('SEP-1933', 'a workload that is linked to nobody', asPlatform({ sub: 'pod-9' })),
  refused('7523 §3', 'no sub', asPlatform({ sub: undefined })),
  refused('7523 §3', 'another aud', asPlatform({ aud: 'https://elsewhere.example' })),
  refused('7523 §3', 'a second aud', (ask) =>
    asPlatform({ aud: [scene.home.issuer, 'https://elsewhere.example'] })(ask),
  ),
  refused('7523 §3', 'no exp', asPlatform({ exp: undefined })),
  refused('7523 §3', 'an exp of a moment ago', asPlatform({ exp: nowSeconds() - 2 })),
  refused('7523 §3', 'an exp that is too far off', asPlatform({ exp: nowSeconds() + 3_600 })),
  refused('law 9', 'no jti', asPlatform({ jti: undefined })),
  refused('8725 §3.11', 'the type of an ID-JAG', (ask) =>
    asPlatform({ client_id: workload.id }, 'oauth-id-jag+jwt')(ask),
  ),
  refused('8725 §3.11', 'the type of a client assertion', asPlatform({}, 'client-authentication+jwt')),
  refused('8725 §3.11', 'the type of a transaction token', asPlatform({}, 'txntoken+jwt')),
  refused('8693 §4.1', 'somebody who acts', asPlatform({ act: { sub: 'pod-2' } })),
  refused('ours', 'it is made out to another client', (ask) => asPlatform({ client_id: rival.id })(ask)),
  refused('ours', 'another client shows it', ({ headers }) =>
    headers.set('authorization', basic(rival.id, rival.secret)),
  ),
  row('SEP-1933', 'a client that may not use the grant', asPlatform({ sub: 'pod-2' }), 400, 'unauthorized_client'),
  row(
    'SEP-1933',
    'a client that its issuer is not trusted for',
    asPlatform({}, undefined, () => narrow),
    400,
    'unauthorized_client',
  ),
  row(
    'SEP-1933',
    'more scope than its issuer is trusted for',
    ({ form }) => form.set('scope', 'orders:write'),
    400,
    'invalid_scope',
  ),
  row('SEP-1933', 'more scope than it says', asPlatform({ scope: 'orders:write' }), 400, 'invalid_scope'),
  row(
    '8707 §2',
    'another resource',
    ({ form }) => form.set('resource', 'https://elsewhere.example'),
    400,
    'invalid_target',
  ),
  row('8707 §2', 'the management API', (ask) => ask.form.set('resource', `${ask.issuer}/rpc`), 400, 'invalid_target'),
  row(
    '6749 §2.3',
    'a wrong secret beside it',
    ({ headers }) => headers.set('authorization', basic(workload.id, 'x')),
    401,
    'invalid_client',
  ),
];

test('each MUST of a host’s own assertion, broken once, is refused with its own code, and nothing is used up or leaked', async () => {
  const rows = hostRows();
  expect(await breakEach(rows, async () => redeeming(await hostSays()))).toEqual([]);
  process.stdout.write(`a host’s assertion: ${rows.length} rows\n`);
});

test('a host gets by its assertion what client_credentials gives it, its agent included, once for each', async () => {
  const { id, hostId } = { id: host.client.id, hostId: host.hostId };
  const assertion = await hostSays();
  const { body } = await send(redeeming(assertion));
  const claims = decodeJwt(String(body.access_token));
  expect(claims).toMatchObject({ sub: `host:${hostId}`, client_id: id, aud: ordersApi, scope: 'orders:read' });
  expect(body).not.toHaveProperty('refresh_token');
  expect((await send(redeeming(assertion))).body.error).toBe('invalid_grant');
  // It is used up as a client assertion as well: both say one thing.
  const twice = ask(scene.home.issuer, '/oauth2/token', {
    ...{ grant_type: 'client_credentials', client_assertion_type: assertionType, client_assertion: assertion },
  });
  expect((await send(twice)).body.error).toBe('invalid_client');
  const forAgent = redeeming(await hostSays());
  forAgent.form.set('agent', agent);
  expect(decodeJwt(String((await send(forAgent)).body.access_token))).toMatchObject({
    sub: `agent:${agent}`,
    act: { sub: `host:${hostId}` },
  });
});

test('each MUST of a workload’s assertion, broken once, is refused with its own code, and nothing is used up or leaked', async () => {
  const rows = workloadRows();
  expect(await breakEach(rows, async () => redeeming(await platformSays()))).toEqual([]);
  process.stdout.write(`a workload’s assertion: ${rows.length} rows\n`);
});

test('a workload is the client, or the agent, that it is linked to: without a secret, for no longer than its platform says', async () => {
  const exp = nowSeconds() + 20;
  const { body } = await send(redeeming(await platformSays({ exp })));
  const claims = decodeJwt(String(body.access_token));
  expect(claims).toMatchObject({ sub: `client:${workload.id}`, client_id: workload.id, scope: 'orders:read', exp });
  expect(claims.grants).toContain(platform.id);
  const endpoint = await platformSays({ aud: `${scene.home.issuer}/oauth2/token`, jti: systemRuntime.uuid() });
  expect((await send(redeeming(endpoint))).status).toBe(200);
  const asAgent = await send(redeeming(await platformSays({ sub: 'pod-3' }, 'authorization-grant+jwt')));
  expect(decodeJwt(String(asAgent.body.access_token))).toMatchObject({
    ...{ sub: `agent:${agent}`, act: { sub: `host:${host.hostId}` }, client_id: host.client.id },
  });
});

test('it dies with the client, and with the agent’s host', async () => {
  const { home } = scene;
  await home.rpc('clients.v1.ClientService/SuspendClient', { id: workload.id });
  expect((await send(redeeming(await platformSays()))).body.error).toBe('invalid_grant');
  await home.rpc('revocation.v1.RevocationService/Revoke', { target: { hostId: host.hostId }, reason: 'stolen' });
  const answer = await send(redeeming(await platformSays({ sub: 'pod-3' })));
  expect(['invalid_grant', 'unauthorized_client']).toContain(answer.body.error);
  expect((await send(redeeming(await hostSays()))).status).toBe(400);
});
