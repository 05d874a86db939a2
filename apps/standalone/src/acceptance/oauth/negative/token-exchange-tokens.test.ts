import { type AgentId, uuidOf } from '@mono-auth/core/ids';
import { systemRuntime } from '@mono-auth/core/runtime';
import { openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { tokenOf } from '../../plain-client.ts';
import { receiveLogout } from '../logout-receiver.ts';
import { ordersApi } from '../oauth-scene.ts';
import { ask, breakEach, send } from './ask.ts';
import { accessToken, type ExchangeLab, openExchangeLab, orderScopes, serviceApis } from './exchange-lab.ts';
import { broken, type ExchangeParams, type ExchangeRow, type Exchanger, exchangeAsk, httpRow } from './exchange-row.ts';
import { breakEachOverRpc } from './exchange-rpc.ts';
import { authenticated, redemption } from './lab.ts';
import { learnNonce, makeProofKey, proven } from './proof-key.ts';

let db: TestDatabase;
let lab: ExchangeLab;
const [billingApi, archiveApi, indexApi, mailApi] = serviceApis as [string, string, string, string];

beforeAll(async () => {
  db = await openTestDatabase();
  lab = await openExchangeLab(db, testKek, (agent) =>
    db.admin('update mono.agents set owner_user_id = $2 where id = $1', [uuidOf(agent), systemRuntime.uuid()]),
  );
}, 60_000);
afterAll(() => lab?.scene.close());

const subjectOf = (token: string) => ({ subject_token: token, subject_token_type: accessToken });
const actorOf = (token: string) => ({ actor_token: token, actor_token_type: accessToken });
const revoke = (target: Record<string, string>) =>
  lab.scene.rpc('revocation.v1.RevocationService/Revoke', { target, reason: 'told by the test' });

/** Sees each row refused and the right request granted after it. */
async function expectRefused(rows: readonly ExchangeRow[], by: Exchanger, right: ExchangeParams): Promise<void> {
  const table = rows.map((row) => httpRow(row, by));
  const rightAsk = () => exchangeAsk(lab.scene.issuer, by, right);
  expect(await breakEach(table, rightAsk)).toEqual([]);
  expect((await breakEachOverRpc(rows, by, rightAsk)).faults).toEqual([]);
}

const delegation = async (): Promise<ExchangeParams> => ({
  ...subjectOf(await lab.subject()),
  ...actorOf(await lab.actor()),
  resource: ordersApi,
});

/** Every other JWT that is signed here or for us. */
async function otherKinds(): Promise<Record<string, string>> {
  const { scene, app, host, keyed } = lab;
  const { body } = await send(await redemption(lab, app));
  const introspection = ask(scene.issuer, '/oauth2/introspect', { token: String(body.access_token) });
  introspection.headers.set('accept', 'application/token-introspection+jwt');
  const invite = await scene.rpc('machines.v1.MachineService/CreateInvite', { hostName: 'never' });
  const subscriber = await scene.rpc('feed.v1.FeedService/Register', { name: 'confused' });
  return {
    'an ID token': String(body.id_token),
    'a refresh token': String(body.refresh_token),
    'a logout token': await receiveLogout(scene),
    'an invite': String(invite.token),
    'a join state': host.joinState,
    'a policy statement': String((await scene.rpc('policy.v1.PolicyService/GetSnapshot', {})).statement),
    'a certificate of a feed key': String(subscriber.feedKeyCertificate),
    'an introspection answer': (await send(authenticated(introspection, app))).text,
    'a client assertion': await keyed.key.sign('client-authentication+jwt', { iss: keyed.id, aud: scene.issuer }),
    'a host’s proof': await host.client.key.sign('mono-proof+jwt', { aud: scene.issuer, nonce: 'n' }),
    'a token that the host has signed': await host.client.key.sign('at+jwt', decodeJwt(await lab.subject())),
  };
}

test('whatever is no access token of ours that lives is refused as subject and as actor alike (§2.2.2)', async () => {
  const right = await delegation();
  const [header = '', payload = '', signature = ''] = String(right.subject_token).split('.');
  const none = Buffer.from(JSON.stringify({ alg: 'none', typ: 'at+jwt' })).toString('base64url');
  const { host, other, scene } = lab;
  const foreign = await other.owner.token({ audience: other.issuer, scope: 'orders:read' });
  const [revoked, ofSession] = [await lab.subject(), await scene.installation.signIn('home')];
  await revoke({ tokenId: String(decodeJwt(revoked).jti) });
  const ended = await ofSession.token({ audience: scene.issuer, scope: 'orders:read' });
  await revoke({ sessionId: String(decodeJwt(ended).sid) });
  const kinds: Record<string, string> = {
    ...(await otherKinds()),
    'no token': 'token',
    'three parts that are none': 'a.b.c',
    'a token with padding': `${header}.${payload}.${signature}=`,
    'a token with a space': `${header}.${payload}.${signature} `,
    'a token without signature': `${header}.${payload}.`,
    'a token with another signature': `${header}.${payload}.${'A'.repeat(86)}`,
    'an unsigned token': `${none}.${payload}.`,
    'a token of another tenant': foreign,
    'a token that was revoked': revoked,
    'a token whose session was revoked': ended,
    'a token of the gateway': await scene.owner.token({ use: 'gateway' }),
    'a token for the management API': await scene.owner.token(),
    'a token for an API of nobody here': await lab.subject({ audience: ordersApi }),
  };
  const rows = Object.entries(kinds).flatMap(([name, token]) => [
    broken('8693 §2.2.2', `${name} as subject`, { subject_token: token }),
    broken('8693 §2.2.2', `${name} as actor`, { actor_token: token }),
  ]);
  await expectRefused(rows, host, right);
}, 120_000);

test('an actor is the client’s own, alive, and the one that may_act names', async () => {
  const { host, otherHost } = lab;
  const right = await delegation();
  const [theirs, suspended, removed] = [await lab.newAgent(otherHost), await lab.newAgent(), await lab.newAgent()];
  const dying = [await lab.actor(suspended), await lab.actor(removed)] as const;
  await db.admin(`update mono.agents set status = 'suspended' where id = $1`, [uuidOf(suspended as AgentId)]);
  await revoke({ agentId: removed });
  const itself = tokenOf(await host.client.clientCredentials({ resource: lab.scene.issuer }));
  const forApi = tokenOf(await host.client.clientCredentials({ agent: lab.agent, resource: ordersApi }));
  const named = { subject_token: await lab.subject({ may_act: `agent:${lab.agent}` }) };
  const beside = await lab.actor(await lab.newAgent());
  await expectRefused(
    [
      broken('deputy', 'another host’s agent', actorOf(await lab.actor(theirs, otherHost))),
      broken('deputy', 'an agent’s token for an API', actorOf(forApi)),
      broken('deputy', 'a person as actor', actorOf(await lab.subject())),
      broken('deputy', 'a delegated token as actor', actorOf(await lab.exchange(host, right))),
      broken('deputy', 'a host that leaves its agent out', actorOf(itself)),
      broken('law 7', 'an agent that was suspended meanwhile', actorOf(dying[0])),
      broken('law 7', 'an agent that was revoked meanwhile', actorOf(dying[1])),
      broken('8693 §4.4', 'may_act of another agent', { ...named, ...actorOf(beside) }),
      broken('8693 §4.4', 'may_act, and nobody acts', { ...named, actor_token: null, actor_token_type: null }),
      broken(
        '8693 §4.4',
        'may_act of an agent, from a machine',
        { ...named, actor_token: null, actor_token_type: null },
        'invalid_request',
        lab.exchanger,
      ),
      broken(
        '8693 §4.4',
        'may_act of an agent, impersonated',
        { ...named, actor_token: null, actor_token_type: null, impersonate: 'true' },
        'invalid_request',
        lab.impersonator,
      ),
    ],
    host,
    { ...right, ...named },
  );
}, 60_000);

test('an agent acts for a person who has allowed it: within the scopes, audiences and time of the edge', async () => {
  const { host } = lab;
  const narrow = await lab.strangersAgent();
  await lab.allow(narrow, { scopes: ['orders:read'], audiences: [ordersApi] });
  const ended = await lab.strangersAgent();
  const consent = await lab.allow(ended);
  const early = { ...subjectOf(await lab.subject()), ...actorOf(await lab.actor(ended)), resource: ordersApi };
  const made = await lab.exchange(host, early);
  expect(decodeJwt(made)).toMatchObject({ grants: [consent] });
  await lab.scene.rpc('delegation.v1.DelegationService/EndAgentConsent', { id: consent });
  const operated = await lab.strangersAgent();
  await revoke({ grantId: await lab.allow(operated) });
  const expired = await lab.strangersAgent();
  await lab.allow(expired, { expiresAt: new Date(systemRuntime.nowMs() + 500).toISOString() });
  await systemRuntime.sleep(600);
  const right = { ...subjectOf(await lab.subject()), ...actorOf(await lab.actor(narrow)), resource: ordersApi };
  await expectRefused(
    [
      broken('edge', 'none from the person', actorOf(await lab.actor(await lab.strangersAgent()))),
      broken('edge', 'one that has ended', actorOf(await lab.actor(ended))),
      broken('edge', 'one that an operator has revoked', actorOf(await lab.actor(operated))),
      broken('edge', 'one that has expired', actorOf(await lab.actor(expired))),
      broken('edge', 'another scope than its', { scope: 'orders:write' }, 'invalid_scope'),
      broken('edge', 'another audience than its', { resource: billingApi }, 'invalid_target'),
    ],
    host,
    right,
  );
  // The token that was made by the edge has died with it.
  const refused = await send(
    await exchangeAsk(lab.scene.issuer, lab.exchanger, { ...subjectOf(made), resource: ordersApi }),
  );
  expect(refused.body.error).toBe('invalid_request');
}, 60_000);

test('a token with an actor is exchanged by the service that it was sent to, and takes no simpler path', async () => {
  const { host, services, exchanger, impersonator } = lab;
  const [billing, archive, index] = services as [Exchanger, Exchanger, Exchanger];
  const hop = (token: string, to: string) => ({ ...subjectOf(token), resource: to });
  const first = await lab.exchange(host, { ...(await delegation()), resource: billingApi });
  const second = await lab.exchange(billing, hop(first, archiveApi));
  const third = await lab.exchange(archive, hop(second, indexApi));
  const fifth = await lab.exchange(index, hop(third, mailApi));
  const back = await lab.exchange(archive, hop(second, billingApi));
  const short = await lab.strangersAgent();
  await lab.allow(short, { expiresAt: new Date(systemRuntime.nowMs() + 3_000).toISOString() });
  const brief = { ...subjectOf(await lab.subject()), ...actorOf(await lab.actor(short)), resource: billingApi };
  const expiring = await lab.exchange(host, brief);
  const doomed = await lab.exchange(host, { ...(await delegation()), resource: billingApi });
  const child = await lab.exchange(billing, hop(doomed, archiveApi));
  await revoke({ tokenId: String(decodeJwt(doomed).jti) });
  await systemRuntime.sleep(3_100);
  await expectRefused(
    [
      broken('deputy', 'another service than it was sent to', {}, 'invalid_request', archive),
      broken('deputy', 'the host that has made it', {}, 'invalid_request', host),
      broken('deputy', 'a machine that it was not sent to', {}, 'invalid_request', exchanger),
      broken('law 6', 'the host once more, with its agent', actorOf(await lab.actor()), 'invalid_request', host),
      broken('law 6', 'who may impersonate', { impersonate: 'true' }, 'invalid_request', impersonator),
      broken('law 6', 'the service, to impersonate', { impersonate: 'true' }, 'unauthorized_client'),
      broken('law 6', 'a sixth actor', { subject_token: fifth }, 'invalid_request', services[3]),
      broken('law 6', 'an actor who stands in the chain', { subject_token: back }, 'invalid_request'),
      broken('exp', 'a subject that has expired', { subject_token: expiring }),
      broken('law 7', 'a subject that was revoked', { subject_token: doomed }),
      broken(
        'law 7',
        'a subject that was made of what was revoked',
        { subject_token: child },
        'invalid_request',
        archive,
      ),
      broken('8693 §2.1', 'a scope that the subject has not', { scope: 'orders:all' }, 'invalid_scope'),
    ],
    billing,
    hop(first, ordersApi),
  );
}, 60_000);

test('a bound token, of subject or actor, needs the proof of its key (RFC 9449 §7)', async () => {
  const { host, exchanger, scene } = lab;
  const key = await makeProofKey();
  const bind = async (by: Exchanger, form: Record<string, string>) => {
    const request = () => exchangeAsk(scene.issuer, by, { grant_type: 'client_credentials', ...form });
    const nonce = await learnNonce(await request(), key);
    const { body, text } = await send(await proven(await request(), key, nonce));
    if (body.token_type !== 'DPoP') throw new Error(`not bound: ${text}`);
    return String(body.access_token);
  };
  const boundActor = await bind(host, { agent: lab.agent });
  const boundSubject = await bind(exchanger, { resource: scene.issuer });
  await expectRefused(
    [
      broken('9449 §7', 'a bound actor without its proof', actorOf(boundActor)),
      broken('9449 §7', 'a bound subject without its proof', subjectOf(boundSubject)),
    ],
    host,
    await delegation(),
  );
}, 60_000);

test('to impersonate needs permission, policy and a token without an actor; ancestors are counted without actors too', async () => {
  const { impersonator, exchanger, host, scene } = lab;
  const subject = await lab.subject();
  const right = { ...subjectOf(subject), resource: ordersApi, impersonate: 'true' };
  const denied = await send(await exchangeAsk(scene.issuer, impersonator, right));
  expect([denied.status, denied.body.error]).toEqual([403, 'access_denied']);
  const policyText = 'permit (principal, action, resource);';
  await scene.rpc('policy.v1.PolicyService/PublishDraft', { policyText, basedOn: '1' });
  let tenth = subject;
  for (let i = 0; i < 10; i++) {
    tenth = await lab.exchange(impersonator, { ...right, subject_token: tenth, resource: scene.issuer });
  }
  expect(decodeJwt<{ pjti: string[] }>(tenth).pjti).toHaveLength(10);
  expect(decodeJwt(tenth)).not.toHaveProperty('act');
  await expectRefused(
    [
      broken('ours', 'a machine without the permission', {}, 'unauthorized_client', exchanger),
      broken('ours', 'a host with the permission', {}, 'unauthorized_client', host),
      broken('ours', 'a host for its agent', actorOf(await lab.actor()), 'unauthorized_client', host),
      broken(
        'ours',
        'an actor token beside',
        actorOf(tokenOf(await host.client.clientCredentials({ resource: scene.issuer }))),
      ),
      broken('ours', 'a token with may_act', { subject_token: await lab.subject({ may_act: `agent:${lab.agent}` }) }),
      broken('ours', 'an eleventh ancestor', { subject_token: tenth }),
      broken('ours', 'a scope that the person has not', { scope: 'tokens:impersonate' }, 'invalid_scope'),
    ],
    impersonator,
    right,
  );
}, 60_000);

test('an introspection shows the whole chain: actors nested, ancestors, edges and may_act', async () => {
  const { host, scene } = lab;
  const agent = await lab.strangersAgent();
  const consent = await lab.allow(agent);
  const seen = async (token: string) => {
    const { status, body } = await host.client.introspect(token);
    expect(status).toBe(200);
    return body;
  };
  const [subject, actor] = [await lab.subject(), await lab.actor(agent)];
  const token = await lab.exchange(host, { ...subjectOf(subject), ...actorOf(actor), resource: ordersApi });
  expect(await seen(token)).toMatchObject({
    active: true,
    act: { sub: `agent:${agent}`, act: { sub: `host:${host.hostId}` } },
    grants: [consent],
    pjti: [decodeJwt(subject).jti, decodeJwt(actor).jti],
    scope: orderScopes,
  });
  const named = await lab.subject({ may_act: `agent:${agent}` });
  const viewer = await send(authenticated(ask(scene.issuer, '/oauth2/introspect', { token: named }), lab.viewer));
  expect(viewer.body).toMatchObject({ active: true, may_act: { sub: `agent:${agent}` } });
});
