import { openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  askingForIdJag,
  exchange,
  type FederationScene,
  openFederation,
  postedSecret,
  redeeming,
  setIdJag,
  signInAtIdp,
  tokenType,
} from '../federation-scene.ts';
import { ordersApi, type RegisteredClient, registerApp } from '../oauth-scene.ts';
import { type Ask, breakEach, type Row, row, send } from './ask.ts';
import { learnNonce, makeProofKey, proven } from './proof-key.ts';

let db: TestDatabase;
let scene: FederationScene;
let tokens: Record<'id_token' | 'refresh_token', string>;
/** Another client of the identity provider, with tokens of the same person. */
let rival: RegisteredClient;
let ofRival: Record<'id_token' | 'refresh_token', string>;
let idJag: string;
let spent: string;

beforeAll(async () => {
  db = await openTestDatabase();
  scene = await openFederation(db, testKek);
  tokens = await signInAtIdp(scene);
  const grants = ['authorization_code', 'refresh_token', exchange];
  rival = await registerApp(scene.idp, { authMethod: 'AUTH_METHOD_CLIENT_SECRET_POST', grantTypes: grants });
  ofRival = await signInAtIdp({ ...scene, clientAtIdp: rival });
  idJag = String((await send(askingForIdJag(scene, tokens.id_token))).body.access_token);
  spent = (await signInAtIdp(scene)).refresh_token;
  await send(refreshing(spent));
});
afterAll(() => scene?.home.close());

function refreshing(token: string): Ask {
  const request = askingForIdJag(scene, '');
  for (const name of [...request.form.keys()]) request.form.delete(name);
  request.form.set('grant_type', 'refresh_token');
  request.form.set('refresh_token', token);
  return postedSecret(request, scene.clientAtIdp);
}

const sets = (name: string, value: () => string) => (ask: Ask) => ask.form.set(name, value());
const drops = (name: string) => (ask: Ask) => ask.form.delete(name);
const doubles = (name: string) => (ask: Ask) => ask.form.append(name, ask.form.get(name) ?? '');
const shows = (type: string, token: () => string) => (ask: Ask) => {
  ask.form.set('subject_token', token());
  ask.form.set('subject_token_type', tokenType(type));
};

const request = (section: string, name: string, bend: Row['bend']) => row(section, name, bend, 400, 'invalid_request');
const target = (section: string, name: string, bend: Row['bend']) => row(section, name, bend, 400, 'invalid_target');

/** Where it is to go, and what it is to say. */
const targetRows = (): Row[] => {
  return [
    request('ID-JAG §4.3', 'no audience', drops('audience')),
    target('ID-JAG §4.3', 'two audiences', (ask) => ask.form.append('audience', 'https://elsewhere.example')),
    target(
      '8693 §2.2.2',
      'an audience that nobody trusts',
      sets('audience', () => 'https://elsewhere.example'),
    ),
    target(
      '8693 §2.2.2',
      'the audience with a slash',
      sets('audience', () => `${scene.home.issuer}/`),
    ),
    target(
      'ID-JAG §5',
      'itself as audience',
      sets('audience', () => scene.idp.issuer),
    ),
    target('ID-JAG §4.3', 'another client of the tenant', (ask) => {
      shows('id_token', () => ofRival.id_token)(ask);
      postedSecret(ask, rival);
    }),
    request('EMA §4', 'no resource', drops('resource')),
    target(
      '8707 §2',
      'a resource that it may not name',
      sets('resource', () => 'https://elsewhere.example'),
    ),
    target('8707 §2', 'one resource that it may name, and one that not', (ask) =>
      ask.form.append('resource', 'https://elsewhere.example'),
    ),
    target(
      '8707 §2',
      'the resource with a slash',
      sets('resource', () => `${ordersApi}/`),
    ),
    row(
      '8693 §2.1',
      'a scope that may not be said',
      sets('scope', () => 'orders:write'),
      400,
      'invalid_scope',
    ),
    row(
      '6749 §3.3',
      'a scope that is none',
      sets('scope', () => '"'),
      400,
      'invalid_scope',
    ),
    request('6749 §3.2', 'two scopes', doubles('scope')),
  ];
};

/** Of whom, and by what. */
const subjectRows = (): Row[] => {
  return [
    request('8693 §2.1', 'no subject token', drops('subject_token')),
    request('8693 §2.1', 'two subject tokens', doubles('subject_token')),
    request('8693 §2.1', 'no type of it', drops('subject_token_type')),
    request(
      '8693 §2.1',
      'another type of it',
      sets('subject_token_type', () => tokenType('saml2')),
    ),
    request(
      '8693 §2.1',
      'the ID token as an access token',
      sets('subject_token_type', () => tokenType('access_token')),
    ),
    request(
      '8693 §2.1',
      'the ID token as a refresh token',
      sets('subject_token_type', () => tokenType('refresh_token')),
    ),
    request(
      '8693 §2.2.2',
      'no JWT',
      sets('subject_token', () => 'token'),
    ),
    request(
      '8693 §2.2.2',
      'another signature',
      sets('subject_token', () => `${tokens.id_token.slice(0, -8)}AAAAAAAA`),
    ),
    request(
      'law 9',
      'padding',
      sets('subject_token', () => `${tokens.id_token}==`),
    ),
    request(
      'ID-JAG §4.3.1',
      'the ID token of another client',
      shows('id_token', () => ofRival.id_token),
    ),
    request(
      'ID-JAG §4.3.1',
      'the refresh token of another client',
      shows('refresh_token', () => ofRival.refresh_token),
    ),
    request(
      '9700 §4.14.2',
      'a refresh token that was spent',
      shows('refresh_token', () => spent),
    ),
  ];
};

/** Other kinds of tokens in its place. */
const confusionRows = (): Row[] => {
  return [
    request(
      'confusion',
      'an access token as an ID token',
      shows('id_token', () => scene.idp.ownerToken),
    ),
    request(
      'confusion',
      'a token of the other tenant',
      shows('id_token', () => scene.home.ownerToken),
    ),
    request(
      'confusion',
      'an ID-JAG as an ID token',
      shows('id_token', () => idJag),
    ),
    request(
      'confusion',
      'an ID-JAG as a refresh token',
      shows('refresh_token', () => idJag),
    ),
    request(
      'confusion',
      'an ID token as a code',
      shows('authorization_code', () => tokens.id_token),
    ),
  ];
};

/** What has no place beside it, and who asks. */
const requestRows = (): Row[] => {
  return [
    request('ID-JAG §4.3', 'an actor', (ask) => {
      ask.form.set('actor_token', scene.idp.ownerToken);
      ask.form.set('actor_token_type', tokenType('access_token'));
    }),
    request('8693 §2.1', 'the type of an actor', (ask) => ask.form.set('actor_token_type', tokenType('access_token'))),
    request('8693 §2.1', 'another type that is wanted', (ask) => {
      ask.form.set('requested_token_type', tokenType('saml2'));
      ask.form.delete('resource');
    }),
    request('8693 §2.1', 'two types that are wanted', doubles('requested_token_type')),
    row('8693 §2.1', 'nobody shows it', drops('client_secret'), 401, 'invalid_client'),
    row(
      'law 5',
      'at the other tenant',
      (ask) => {
        ask.issuer = scene.home.issuer;
      },
      401,
      'invalid_client',
    ),
  ];
};

test('each MUST of asking for an ID-JAG, broken once, is refused with its own code, and nothing is used up or leaked', async () => {
  const table = [...targetRows(), ...subjectRows(), ...confusionRows(), ...requestRows()];
  expect(await breakEach(table, async () => askingForIdJag(scene, tokens.id_token))).toEqual([]);
  process.stdout.write(`asking for an ID-JAG: ${table.length} rows\n`);
});

test('this issuer gives no access token for an ID-JAG that it has made itself, and nobody but its client has any use for it', async () => {
  const { idp, home, client } = scene;
  const own = await registerApp(idp, {
    authMethod: 'AUTH_METHOD_CLIENT_SECRET_BASIC',
    grantTypes: ['urn:ietf:params:oauth:grant-type:jwt-bearer'],
    redirectUris: [],
  });
  const atItself = redeeming({ home: idp, client: own }, idJag);
  expect((await send(atItself)).body.error).toBe('invalid_grant');
  expect((await send(redeeming({ home, client }, idJag))).status).toBe(200);
});

test('each assertion made, redeemed or refused is on record once, and none of them stands in the log', async () => {
  const eventsOf = async () =>
    db.admin<{ type: string; envelope: Uint8Array }>(
      "select type, envelope from mono.audit_events where type like 'token.%' order by id",
    );
  const before = (await eventsOf()).length;
  const made = String((await send(askingForIdJag(scene, tokens.id_token))).body.access_token);
  const { body } = await send(redeeming(scene, made));
  await send(redeeming(scene, `${made.slice(0, -8)}AAAAAAAA`));
  const events = await eventsOf();
  const fresh = events.slice(before).map(({ type }) => type);
  expect(events.length - before).toBe(3);
  expect(fresh.sort()).toEqual(['token.id_jag_issued', 'token.issued', 'token.refused']);
  const log = Buffer.concat(events.map(({ envelope }) => envelope)).toString('latin1');
  for (const token of [made, String(body.access_token), tokens.id_token]) {
    expect(log).not.toContain(token.split('.')[1]);
  }
  expect(log).toContain(String(decodeJwt(made).jti));
});

test('with a proof of a key, it is good for that key alone', async () => {
  const [key, other] = [await makeProofKey(), await makeProofKey()];
  const asking = askingForIdJag(scene, tokens.id_token);
  const nonce = await learnNonce(asking, key);
  const { body } = await send(await proven(asking, key, nonce));
  const bound = String(body.access_token);
  expect(decodeJwt(bound)).toMatchObject({ cnf: { jkt: expect.any(String) } });
  const there = await learnNonce(redeeming(scene, bound), key);
  expect((await send(redeeming(scene, bound))).body.error).toBe('invalid_grant');
  expect((await send(await proven(redeeming(scene, bound), other, there))).body.error).toBe('invalid_grant');
  expect(await send(await proven(redeeming(scene, bound), key, there))).toMatchObject({
    status: 200,
    body: { token_type: 'DPoP' },
  });
});

test('where the tenant has not put it in force, nobody can ask for one', async () => {
  await setIdJag(scene.idp, false);
  const asking = askingForIdJag(scene, tokens.id_token);
  asking.form.delete('resource');
  expect((await send(asking)).body.error).toBe('invalid_request');
  await setIdJag(scene.idp, true);
});

test('after the trust has ended nobody goes there, until it is given again', async () => {
  const { idp, home, clientAtIdp, client } = scene;
  await idp.rpc('federation.v1.FederationService/RemoveResourceServer', { id: scene.serverId });
  expect((await send(askingForIdJag(scene, tokens.id_token))).body.error).toBe('invalid_target');
  await idp.rpc('federation.v1.FederationService/TrustResourceServer', {
    ...{ issuer: home.issuer, name: 'orders', clientId: clientAtIdp.id, remoteClientId: client.id },
    ...{ profile: 'ASSERTION_PROFILE_ID_JAG', resources: [ordersApi], scopes: ['orders:read'] },
  });
  const asking = askingForIdJag(scene, tokens.id_token);
  // Outside the profile of MCP it is the client's to say.
  asking.form.delete('resource');
  expect(decodeJwt(String((await send(asking)).body.access_token))).not.toHaveProperty('resource');
});

test('who has signed out is vouched for no longer', async () => {
  const { id_token } = await signInAtIdp(scene);
  expect((await send(askingForIdJag(scene, id_token))).status).toBe(200);
  const sessionId = String(decodeJwt(id_token).sid);
  await scene.idp.rpc('revocation.v1.RevocationService/Revoke', { target: { sessionId }, reason: 'signed out' });
  expect((await send(askingForIdJag(scene, id_token))).body.error).toBe('invalid_request');
});
