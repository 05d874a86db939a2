import type { JsonObject } from '@bufbuild/protobuf';
import { openTestDatabase, testKek } from '@mono-auth/testing';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { exchange, type FederationScene, openFederation, redeeming, tokenType } from '../federation-scene.ts';
import { appScopes, type RegisteredClient, registerApp, registerMachine } from '../oauth-scene.ts';
import { type Ask, ask, breakEach, type Row, row, send } from './ask.ts';
import { authenticated, redemption } from './lab.ts';

const entry = 'https://entry.example.test';
const inner = 'https://inner.example.test';
const federation = 'federation.v1.FederationService';
let scene: FederationScene;
/** A service of domain A: what people's apps call, and what calls others for them. */
let service: RegisteredClient;
/** What the service calls in turn. */
let innerService: RegisteredClient;
let keyed: RegisteredClient;
/** One that replaces tokens of transactions. */
let keyless: RegisteredClient;
let subject: string;
/** Of the same person, for the management API. */
let elsewhere: string;
let transaction: string;

beforeAll(async () => {
  scene = await openFederation(await openTestDatabase(), testKek);
  const { idp, home, client } = scene;
  const method = { authMethod: 'AUTH_METHOD_CLIENT_SECRET_BASIC' };
  const asService = { kind: 'CLIENT_KIND_SERVICE', resource: entry };
  const serves = { ...method, redirectUris: [], grantTypes: [exchange], audiences: [inner] };
  service = await registerApp(idp, { ...serves, scopes: ['orders:read', 'orders:write'] }, asService);
  const asInner = { kind: 'CLIENT_KIND_SERVICE', resource: inner };
  innerService = await registerApp(idp, { ...serves, audiences: [], scopes: ['orders:read'] }, asInner);
  keyed = await registerMachine(idp, { grantTypes: [exchange], authMethod: 'AUTH_METHOD_PRIVATE_KEY_JWT' });
  keyless = await registerMachine(idp, { grantTypes: [exchange] });
  subject = await subjectOf(await newApp());
  elsewhere = idp.ownerToken;
  for (const { id: clientId } of [service, innerService]) {
    await idp.rpc(`${federation}/TrustResourceServer`, {
      ...{ issuer: home.issuer, name: 'domain B', clientId, remoteClientId: client.id },
      ...{ profile: 'ASSERTION_PROFILE_IDENTITY_CHAINING', scopes: ['orders:read', 'payments:read'] },
    });
  }
  transaction = String((await send(beginning())).body.access_token);
});
afterAll(() => scene?.home.close());

/** What people sign in with, and call the service by. */
const newApp = (): Promise<RegisteredClient> =>
  registerApp(scene.idp, { authMethod: 'AUTH_METHOD_CLIENT_SECRET_BASIC', audiences: [entry], scopes: appScopes });
async function subjectOf(app: RegisteredClient): Promise<string> {
  const { body, text } = await send(await redemption({ scene: scene.idp }, app, { resource: entry }));
  if (typeof body.access_token !== 'string') throw new Error(text);
  return body.access_token;
}

const requesting = (form: Record<string, string>, by: RegisteredClient = service): Ask =>
  authenticated(
    ask(scene.idp.issuer, '/oauth2/token', {
      ...{ grant_type: exchange, subject_token: subject, subject_token_type: tokenType('access_token') },
      ...form,
    }),
    by,
  );
const chaining = (): Ask =>
  requesting({ requested_token_type: tokenType('jwt'), audience: scene.home.issuer, scope: 'orders:read' });
function beginning(more: Record<string, string> = {}): Ask {
  const asked = { requested_token_type: tokenType('txn_token'), audience: scene.idp.issuer, scope: 'orders:read' };
  return requesting({ ...asked, ...more });
}

const invalid = (section: string, name: string, bend: Row['bend']) => row(section, name, bend, 400, 'invalid_request');
const target = (section: string, name: string, bend: Row['bend']) => row(section, name, bend, 400, 'invalid_target');
const scopeless = (section: string, name: string, bend: Row['bend']) => row(section, name, bend, 400, 'invalid_scope');
const sets = (name: string, value: () => string) => (ask: Ask) => ask.form.set(name, value());
const drops = (name: string) => (ask: Ask) => ask.form.delete(name);
const shows = (type: string, token: () => string) => (ask: Ask) => {
  ask.form.set('subject_token', token());
  ask.form.set('subject_token_type', tokenType(type));
};

/** What both kinds have in common: the subject token, and who shows it. */
const subjectRows = (): Row[] => [
  invalid('8693 §2.1', 'no subject token', drops('subject_token')),
  invalid('8693 §2.1', 'no type of it', drops('subject_token_type')),
  invalid(
    '8693 §2.2.2',
    'no JWT',
    sets('subject_token', () => 'token'),
  ),
  invalid(
    '8693 §2.2.2',
    'another signature',
    sets('subject_token', () => `${subject.slice(0, -8)}AAAAAAAA`),
  ),
  invalid(
    'deputies',
    'a token that was sent to somebody else',
    sets('subject_token', () => elsewhere),
  ),
  invalid(
    'law 5',
    'a token of the other tenant',
    sets('subject_token', () => scene.home.ownerToken),
  ),
  invalid(
    'confusion',
    'a transaction token as an access token',
    sets('subject_token', () => transaction),
  ),
  invalid(
    'draft -08 §7.1',
    'a refresh token',
    shows('refresh_token', () => 'mono_rt_x'),
  ),
  invalid(
    'ours',
    'an ID token',
    shows('id_token', () => subject),
  ),
  invalid(
    'ours',
    'an actor',
    sets('actor_token', () => subject),
  ),
  row('8693 §5', 'nobody shows it', ({ headers }) => headers.delete('authorization'), 401, 'invalid_client'),
];

const chainingRows = (): Row[] => [
  invalid('-17 §2.3', 'no audience', drops('audience')),
  target(
    '-17 §2.3',
    'an audience that nobody trusts',
    sets('audience', () => 'https://elsewhere.example'),
  ),
  target('-17 §2.3', 'two audiences', (ask) => ask.form.append('audience', 'https://elsewhere.example')),
  target(
    '-17 §2.3',
    'its own domain',
    sets('audience', () => scene.idp.issuer),
  ),
  target(
    '8707 §2',
    'a resource that may not be named',
    sets('resource', () => 'https://elsewhere.example'),
  ),
  scopeless(
    '-17 §5',
    'a scope above the subject token',
    sets('scope', () => 'payments:read'),
  ),
  scopeless(
    '-17 §5',
    'a scope that may not be said there',
    sets('scope', () => 'orders:write'),
  ),
];

const transactionRows = (): Row[] => [
  invalid('-08 §7.1', 'no audience', drops('audience')),
  target(
    '-08 §7.1',
    'another trust domain',
    sets('audience', () => scene.home.issuer),
  ),
  target(
    '-08 §7.1',
    'a resource',
    sets('resource', () => entry),
  ),
  invalid('-08 §7.1', 'no scope', drops('scope')),
  scopeless(
    '-08 §7.2',
    'a scope above the subject token',
    sets('scope', () => 'orders:read payments:read'),
  ),
  invalid(
    '-08 §7.1',
    'a context that is no JSON',
    sets('request_context', () => '{'),
  ),
  invalid(
    '-08 §7.1',
    'a context that is no object',
    sets('request_context', () => '[1]'),
  ),
  invalid(
    '-08 §7.1',
    'details that are too long',
    sets('request_details', () => JSON.stringify({ a: 'x'.repeat(3_000) })),
  ),
  invalid(
    '-08 §7.1',
    'details that are too deep',
    sets('request_details', () => '{"a":{"a":{"a":{"a":{"a":1}}}}}'),
  ),
  invalid('6749 §3.2', 'two contexts', (ask) => {
    ask.form.append('request_context', '{}');
    ask.form.append('request_context', '{}');
  }),
  invalid(
    'confusion',
    'an access token as a transaction token',
    sets('subject_token_type', () => tokenType('txn_token')),
  ),
  invalid(
    'confusion',
    'an access token as its own word',
    sets('subject_token_type', () => tokenType('self_signed')),
  ),
];

test('each MUST of chaining and of transactions, broken once, is refused with its own code, and nothing is used up or leaked', async () => {
  const tables: [Row[], () => Ask][] = [
    [[...subjectRows(), ...chainingRows()], chaining],
    [[...subjectRows(), ...transactionRows()], beginning],
  ];
  for (const [table, right] of tables) expect(await breakEach(table, async () => right())).toEqual([]);
  process.stdout.write(`chaining and transactions: ${tables.flatMap(([table]) => table).length} rows\n`);
});

test('an access token becomes a grant for another domain, which gives a token of its own for it, and never one that can be refreshed', async () => {
  const { body } = await send(chaining());
  expect(body).toMatchObject({ token_type: 'N_A', issued_token_type: tokenType('jwt'), scope: 'orders:read' });
  const grant = String(body.access_token);
  expect(decodeProtectedHeader(grant).typ).toBe('authorization-grant+jwt');
  const claims = decodeJwt(grant);
  expect(claims).toMatchObject({ sub: scene.subjectAtIdp, aud: scene.home.issuer, client_id: scene.client.id });
  expect(claims.exp).toBeLessThanOrEqual(decodeJwt(subject).exp ?? 0);
  const there = await send(redeeming(scene, grant));
  expect(there).toMatchObject({ status: 200, body: { scope: 'orders:read' } });
  expect(there.body).not.toHaveProperty('refresh_token');
  expect(decodeJwt(String(there.body.access_token))).toMatchObject({
    iss: scene.home.issuer,
    sub: scene.subjectAtHome,
  });
});

test('a transaction keeps its name, its subject and its context through every replacement, and only ever narrows', async () => {
  const contexts = { request_context: '{"ip":"192.0.2.1"}', request_details: '{"order":7}' };
  const first = await send(beginning({ ...contexts, scope: 'orders:read orders:write' }));
  expect(first.body).toMatchObject({ token_type: 'N_A', issued_token_type: tokenType('txn_token') });
  const begun = String(first.body.access_token);
  expect(decodeProtectedHeader(begun).typ).toBe('txntoken+jwt');
  const claims = decodeJwt<JsonObject>(begun);
  expect(claims).toMatchObject({
    ...{ sub: scene.subjectAtIdp, aud: scene.idp.issuer, req_wl: `service:${service.id}` },
    ...{ rctx: { ip: '192.0.2.1' }, tctx: { order: 7 } },
  });
  expect(begun).not.toContain(subject);
  const replacing = (more: Record<string, string> = {}) =>
    beginning({ subject_token: begun, subject_token_type: tokenType('txn_token'), ...more });
  const next = decodeJwt<JsonObject>(String((await send(replacing())).body.access_token));
  for (const name of ['txn', 'sub', 'aud', 'rctx', 'tctx', 'client_id']) expect(next[name]).toEqual(claims[name]);
  expect(next.scope).toBe('orders:read');
  expect(Number(next.exp)).toBeLessThanOrEqual(Number(claims.exp));
  expect((await send(replacing({ scope: 'orders:read payments:read' }))).body.error).toBe('invalid_scope');
  expect((await send(replacing(contexts))).body.error).toBe('invalid_request');
});

test('a token in which others act is a grant for no other domain, and its transaction carries them on', async () => {
  const hop = await send(requesting({ audience: inner, scope: 'orders:read' }));
  const handedOn = String(hop.body.access_token);
  const { act } = decodeJwt<JsonObject>(handedOn);
  expect(act).toMatchObject({ sub: `service:${service.id}` });
  const ofHop = { subject_token: handedOn, scope: 'orders:read' };
  const chained = { ...ofHop, requested_token_type: tokenType('jwt'), audience: scene.home.issuer };
  expect((await send(requesting(chained, innerService))).body.error).toBe('invalid_request');
  const begun = { ...ofHop, requested_token_type: tokenType('txn_token'), audience: scene.idp.issuer };
  const { body } = await send(requesting(begun, innerService));
  expect(decodeJwt<JsonObject>(String(body.access_token)).act).toEqual(act);
});

test('a workload begins a transaction by its own word, once', async () => {
  const word = await keyed.key.sign('JWT', { iss: keyed.id, sub: keyed.id, aud: scene.idp.issuer });
  const asking = async (token: string) => {
    const request = beginning({ subject_token: token, subject_token_type: tokenType('self_signed') });
    request.headers.delete('authorization');
    request.form.set('client_assertion_type', 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer');
    const assertion = { iss: keyed.id, sub: keyed.id, aud: scene.idp.issuer };
    request.form.set('client_assertion', await keyed.key.sign('client-authentication+jwt', assertion));
    return send(request);
  };
  const { body } = await asking(word);
  expect(decodeJwt(String(body.access_token))).toMatchObject({ sub: `client:${keyed.id}`, scope: 'orders:read' });
  expect((await asking(word)).body.error).toBe('invalid_request');
});

test('a transaction dies with every client that its ancestors were issued to, and with each token that it replaced', async () => {
  const { idp } = scene;
  const revoke = (target: JsonObject) => idp.rpc('revocation.v1.RevocationService/Revoke', { target, reason: 'lost' });
  const begin = async () => {
    const app = await newApp();
    const own = await subjectOf(app);
    const handedOn = String(
      (await send(requesting({ ...{ audience: inner, scope: 'orders:read' }, subject_token: own }))).body.access_token,
    );
    const asked = { requested_token_type: tokenType('txn_token'), audience: idp.issuer, scope: 'orders:read' };
    const begun = await send(requesting({ ...asked, subject_token: handedOn }, innerService));
    const replace = async (token: string) => {
      const replaced = { ...asked, subject_token: token, subject_token_type: tokenType('txn_token') };
      return send(requesting(replaced, keyless));
    };
    const first = String(begun.body.access_token);
    const second = String((await replace(first)).body.access_token);
    return { app, own, first, second, replace };
  };
  const claimsOf = (token: string) => decodeJwt<JsonObject>(token);
  const { app, own, first, second } = await begin();
  // The service acts in the chain; the app is named by nothing else.
  expect(claimsOf(first)).toMatchObject({ client_id: innerService.id, pcid: [app.id] });
  expect(claimsOf(second)).toMatchObject({ client_id: keyless.id, pcid: [innerService.id, app.id] });
  expect(claimsOf(second).pjti).toEqual([claimsOf(first).jti, ...(claimsOf(first).pjti as string[])]);
  expect(claimsOf(first).pjti).toContain(claimsOf(own).jti);
  const targets: ((of: Awaited<ReturnType<typeof begin>>) => JsonObject)[] = [
    ({ app }) => ({ clientId: app.id }),
    ({ own }) => ({ tokenId: String(claimsOf(own).jti) }),
    ({ first }) => ({ tokenId: String(claimsOf(first).jti) }),
    ({ second }) => ({ tokenId: String(claimsOf(second).jti) }),
  ];
  for (const target of targets) {
    const of = await begin();
    expect((await of.replace(of.second)).status).toBe(200);
    await revoke(target(of));
    expect((await of.replace(of.second)).body.error).toBe('invalid_request');
  }
  // Others go on.
  expect(
    (await send(beginning({ subject_token: transaction, subject_token_type: tokenType('txn_token') }))).status,
  ).toBe(200);
});

test('a transaction dies with the token that it began with', async () => {
  const replacing = () => send(beginning({ subject_token: transaction, subject_token_type: tokenType('txn_token') }));
  expect((await replacing()).status).toBe(200);
  const target = { tokenId: String(decodeJwt(subject).jti) };
  await scene.idp.rpc('revocation.v1.RevocationService/Revoke', { target, reason: 'seen in a log' });
  expect((await replacing()).body.error).toBe('invalid_request');
  expect((await send(chaining())).body.error).toBe('invalid_request');
});
