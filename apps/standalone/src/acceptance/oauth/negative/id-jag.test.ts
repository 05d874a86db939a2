import type { JsonObject } from '@bufbuild/protobuf';
import { openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { decodeJwt, SignJWT } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ownerEmail } from '../../installation.ts';
import { makeKey } from '../../plain-client.ts';
import {
  assertPerson,
  type FederationScene,
  jwtBearer,
  link,
  openFederation,
  type PlayedIssuer,
  playIssuer,
  redeeming,
  setIdJag,
} from '../federation-scene.ts';
import { type RegisteredClient, registerApp } from '../oauth-scene.ts';
import { type Ask, ask, basic, breakEach, type Row, row, send } from './ask.ts';
import { authenticated, nowSeconds } from './lab.ts';

let db: TestDatabase;
let scene: FederationScene;
let idp: PlayedIssuer;
/** Trusted by the other tenant alone. */
let foreign: PlayedIssuer;
let strict: PlayedIssuer;
let suspended: PlayedIssuer;
let rival: RegisteredClient;
let codesOnly: RegisteredClient;
let publicApp: RegisteredClient;
let atIdp: RegisteredClient;
let userId: string;

const onlyPeople = { purposes: ['ASSERTION_PURPOSE_ID_JAG'], scopes: ['orders:read', 'openid', 'offline_access'] };

beforeAll(async () => {
  db = await openTestDatabase();
  scene = await openFederation(db, testKek);
  const { home } = scene;
  userId = scene.subjectAtHome.slice('user:'.length);
  idp = await playIssuer(home, 'idp', onlyPeople);
  await link(home, { issuerId: idp.id, subject: 'alice', userId });
  foreign = await playIssuer(scene.idp, 'foreign', onlyPeople);
  strict = await playIssuer(home, 'strict', { ...onlyPeople, acrValues: ['urn:mfa'], maxAgeSeconds: 3_600 });
  await link(home, { issuerId: strict.id, subject: 'alice', userId });
  suspended = await playIssuer(home, 'suspended', onlyPeople);
  await link(home, { issuerId: suspended.id, subject: 'alice', userId });
  await home.rpc('federation.v1.FederationService/SuspendIssuer', { id: suspended.id });
  const redeems = { authMethod: 'AUTH_METHOD_CLIENT_SECRET_BASIC', grantTypes: [jwtBearer], redirectUris: [] };
  rival = await registerApp(home, redeems);
  atIdp = await registerApp(scene.idp, redeems);
  codesOnly = await registerApp(home, { authMethod: 'AUTH_METHOD_CLIENT_SECRET_BASIC' });
  publicApp = await registerApp(home);
});
afterAll(() => scene?.home.close());

/** The same request with another assertion. */
const says =
  (change: Record<string, unknown>, typ?: string, by: () => PlayedIssuer = () => idp) =>
  async ({ form }: Ask) => {
    form.set('assertion', await assertPerson(by(), scene, change, typ));
  };
const by = (client: () => RegisteredClient) => (ask: Ask) => {
  ask.headers.set('authorization', basic(client().id, client().secret));
};
const forged =
  (header: Record<string, unknown>, secret: () => CryptoKey | Uint8Array) =>
  async ({ form }: Ask) => {
    const [, payload = ''] = form.get('assertion')?.split('.') ?? [];
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString());
    const jwt = new SignJWT(claims).setProtectedHeader({ alg: 'ES256', typ: 'oauth-id-jag+jwt', ...header });
    form.set('assertion', await jwt.sign(secret()));
  };
const spelled = (spell: (assertion: string) => string) => (ask: Ask) => {
  ask.form.set('assertion', spell(ask.form.get('assertion') ?? ''));
};

/** A MUST about the assertion itself: all of them are `invalid_grant`. */
const grant = (section: string, name: string, bend: Row['bend']) => row(section, name, bend, 400, 'invalid_grant');

/** Who has signed it, and as what. */
const signatureRows = (): Row[] => {
  return [
    grant('7523 §3', 'no JWT', ({ form }) => form.set('assertion', 'assertion')),
    grant(
      'law 9',
      'padding',
      spelled((text) => `${text}==`),
    ),
    grant(
      'law 9',
      'a fourth part',
      spelled((text) => `${text}.x`),
    ),
    grant(
      '7523 §3',
      'no signature',
      spelled((text) => text.replace(/[^.]+$/, '')),
    ),
    grant(
      '7523 §3',
      'another signature',
      spelled((text) => `${text.slice(0, -8)}AAAAAAAA`),
    ),
    grant(
      '8725 §3.1',
      'none as its algorithm',
      spelled((text) => `eyJhbGciOiJub25lIn0.${text.split('.')[1]}.AAAA`),
    ),
    grant(
      '8725 §3.1',
      'the public key as a secret',
      forged({ alg: 'HS256' }, () => Buffer.from(idp.key.jkt)),
    ),
    grant('7523 §3', 'the key of another issuer', (ask) =>
      forged({ kid: idp.key.jkt }, () => strict.key.privateKey)(ask),
    ),
    grant('8725 §3.10', 'its own key in the header', async (ask) => {
      const key = await makeKey();
      await forged({ kid: undefined, jwk: key.publicJwk }, () => key.privateKey)(ask);
    }),
    grant('ID-JAG §3', 'the type of any JWT', says({}, 'JWT')),
    grant('ID-JAG §3', 'the type in capitals', says({}, 'OAUTH-ID-JAG+JWT')),
    grant('ID-JAG §3', 'the type of an access token', says({}, 'at+jwt')),
    grant('ID-JAG §3', 'the type of a client assertion', says({}, 'client-authentication+jwt')),
  ];
};

/** Whose word it is, and for whom. */
const partyRows = (): Row[] => {
  return [
    grant('7523 §3', 'no iss', says({ iss: undefined })),
    grant('7523 §3', 'an issuer that nobody trusts', says({ iss: 'https://nobody.example' })),
    grant('7523 §3', 'its issuer with a slash', says({ iss: 'https://idp.example/' })),
    grant(
      'law 5',
      'an issuer that another tenant trusts',
      says({}, undefined, () => foreign),
    ),
    grant(
      'CVE-2026-1486',
      'a suspended issuer',
      says({}, undefined, () => suspended),
    ),
    grant('ID-JAG §5', 'this tenant itself as its issuer', (ask) => says({ iss: scene.home.issuer })(ask)),
    grant('ID-JAG §3.1', 'no aud', says({ aud: undefined })),
    grant('ID-JAG §3.1', 'another server as aud', says({ aud: 'https://elsewhere.example' })),
    grant('ID-JAG §3.1', 'the other tenant as aud', (ask) => says({ aud: scene.idp.issuer })(ask)),
    grant('ID-JAG §3.1', 'a slash more in aud', (ask) => says({ aud: `${scene.home.issuer}/` })(ask)),
    grant('ID-JAG §3.1', 'the token endpoint as aud', (ask) => says({ aud: `${scene.home.issuer}/oauth2/token` })(ask)),
    grant('ID-JAG §3.1', 'a second aud', (ask) => says({ aud: [scene.home.issuer, 'https://elsewhere.example'] })(ask)),
    grant('ID-JAG §3.1', 'an empty list as aud', says({ aud: [] })),
    grant('ID-JAG §4.4.1', 'no client_id', says({ client_id: undefined })),
    grant('ID-JAG §4.4.1', 'another client as client_id', (ask) => says({ client_id: rival.id })(ask)),
    grant('ID-JAG §4.4.1', 'a list as client_id', (ask) => says({ client_id: [scene.client.id] })(ask)),
    grant(
      'ID-JAG §8.3',
      'another client of the tenant shows it',
      by(() => rival),
    ),
  ];
};

/** Whom it speaks of, when, and with what else. */
const subjectRows = (): Row[] => {
  return [
    grant('ID-JAG §3', 'no sub', says({ sub: undefined })),
    grant('ID-JAG §3', 'an empty sub', says({ sub: '' })),
    grant('identity', 'a subject that is linked to nobody', says({ sub: 'bob' })),
    grant('identity', 'the subject in capitals', says({ sub: 'ALICE' })),
    grant('identity', 'the person of this tenant as its sub', (ask) => says({ sub: scene.subjectAtHome })(ask)),
    grant('identity', 'the e-mail address of a person here', says({ sub: 'bob', email: ownerEmail })),
    grant('ID-JAG §3', 'no jti', says({ jti: undefined })),
    grant('ID-JAG §3', 'a jti that is too long', says({ jti: 'x'.repeat(1_000) })),
    grant('ID-JAG §3', 'no exp', says({ exp: undefined })),
    grant('7523 §3', 'an exp of a moment ago', says({ exp: nowSeconds() - 2 })),
    grant('7523 §3', 'an exp beyond what the issuer is trusted for', says({ exp: nowSeconds() + 3_600 })),
    grant('ID-JAG §3', 'no iat', says({ iat: undefined })),
    grant('7523 §3', 'an iat ahead', says({ iat: nowSeconds() + 600, exp: nowSeconds() + 700 })),
    grant('7523 §3', 'an nbf ahead', says({ nbf: nowSeconds() + 600 })),
    grant('8693 §4.1', 'somebody who acts', says({ act: { sub: 'agent' } })),
    grant('8693 §4.4', 'somebody who may act', says({ may_act: { sub: 'agent' } })),
    grant('9396 §5', 'details that nobody understands', says({ authorization_details: [{ type: 'payment' }] })),
    grant('ID-JAG §4.4.4', 'a key that is not proven', says({ cnf: { jkt: 'x'.repeat(43) } })),
    grant('7800 §3.1', 'a confirmation that nobody understands', says({ cnf: { kid: 'x' } })),
    grant('ID-JAG §3.2', 'a tenant of an issuer that has none', says({ tenant: 'acme' })),
    grant('ID-JAG §3', 'a scope that is none', says({ scope: '"' })),
    grant('ID-JAG §3', 'a number as its resource', says({ resource: 7 })),
  ];
};

const requestRows = (): Row[] => [
  row('7521 §4.1', 'no assertion', ({ form }) => form.delete('assertion'), 400, 'invalid_request'),
  row('6749 §3.2', 'an empty assertion', ({ form }) => form.set('assertion', ''), 400, 'invalid_request'),
  row('6749 §3.2', 'two assertions', ({ form }) => form.append('assertion', 'x'), 400, 'invalid_request'),
  row(
    '6749 §5.2',
    'another grant type',
    ({ form }) => form.set('grant_type', `${jwtBearer}s`),
    400,
    'unsupported_grant_type',
  ),
  row('ID-JAG §4.4.1', 'nobody shows it', ({ headers }) => headers.delete('authorization'), 401, 'invalid_client'),
  row('6749 §2.3', 'a wrong secret', (ask) => by(() => ({ ...scene.client, secret: 'x' }))(ask), 401, 'invalid_client'),
  row(
    'ID-JAG §8.1',
    'a public client',
    (ask) => {
      ask.headers.delete('authorization');
      ask.form.set('client_id', publicApp.id);
    },
    400,
    'unauthorized_client',
  ),
  row(
    '6749 §5.2',
    'a client that may not use the grant',
    by(() => codesOnly),
    400,
    'unauthorized_client',
  ),
  row(
    'law 5',
    'at the other tenant, with its client',
    (ask) => {
      ask.issuer = scene.idp.issuer;
      by(() => atIdp)(ask);
    },
    400,
    'invalid_grant',
  ),
  row(
    'law 5',
    'at the other tenant, with the own client',
    (ask) => {
      ask.issuer = scene.idp.issuer;
    },
    401,
    'invalid_client',
  ),
  row(
    'ID-JAG §4.4',
    'more scope than it says',
    ({ form }) => form.set('scope', 'orders:read orders:write'),
    400,
    'invalid_scope',
  ),
  row(
    'ID-JAG §4.4',
    'a scope that its issuer is not trusted for',
    says({ scope: 'orders:write' }),
    400,
    'invalid_scope',
  ),
  row('ID-JAG §4.4.3', 'refresh tokens alone', says({ scope: 'openid offline_access' }), 400, 'invalid_scope'),
  row(
    '8707 §2',
    'another resource',
    ({ form }) => form.set('resource', 'https://elsewhere.example'),
    400,
    'invalid_target',
  ),
  row('8707 §2', 'it is for another resource', says({ resource: 'https://elsewhere.example' }), 400, 'invalid_target'),
  row(
    '8707 §2',
    'the management API',
    (ask) => {
      ask.form.set('resource', `${ask.issuer}/rpc`);
    },
    400,
    'invalid_target',
  ),
  row(
    '9470 §3',
    'a sign-in of long ago',
    says({ auth_time: nowSeconds() - 7_200 }, undefined, () => strict),
    400,
    'insufficient_user_authentication',
  ),
  row(
    '9470 §3',
    'no word of when',
    says({ auth_time: undefined }, undefined, () => strict),
    400,
    'insufficient_user_authentication',
  ),
  row(
    '9470 §3',
    'a sign-in that is still to come',
    says({ auth_time: nowSeconds() + 7_200 }, undefined, () => strict),
    400,
    'insufficient_user_authentication',
  ),
  row(
    '9470 §3',
    'a sign-in by less',
    says({ acr: 'urn:password' }, undefined, () => strict),
    400,
    'insufficient_user_authentication',
  ),
  row(
    '9470 §3',
    'no word of how',
    says({ acr: undefined }, undefined, () => strict),
    400,
    'insufficient_user_authentication',
  ),
];

const right = async () => redeeming(scene, await assertPerson(idp, scene));

test('each MUST of an ID-JAG, broken once, is refused with its own code, and nothing is used up or leaked', async () => {
  const rows = [...signatureRows(), ...partyRows(), ...subjectRows(), ...requestRows()];
  expect(await breakEach(rows, right)).toEqual([]);
  process.stdout.write(`redeeming an ID-JAG: ${rows.length} rows\n`);
});

test('a step-up says what would do', async () => {
  const change = { acr: 'urn:password', auth_time: nowSeconds() - 7_200 };
  const { body } = await send(redeeming(scene, await assertPerson(strict, scene, change)));
  expect(body).toMatchObject({ error: 'insufficient_user_authentication', max_age: 3_600, acr_values: 'urn:mfa' });
  expect((await send(redeeming(scene, await assertPerson(strict, scene)))).status).toBe(200);
});

test('a token says how and when its person signed in as far as the tenant trusts the issuer for it (RFC 9470 §6)', async () => {
  const { home, client } = scene;
  const told = async (by: PlayedIssuer, change: Record<string, unknown> = {}) => {
    const { body } = await send(redeeming(scene, await assertPerson(by, scene, change)));
    const introspection = ask(home.issuer, '/oauth2/introspect', { token: String(body.access_token) });
    const seen = (await send(authenticated(introspection, client))).body;
    const { acr, auth_time } = decodeJwt<JsonObject>(String(body.access_token));
    expect([seen.active, seen.acr, seen.auth_time]).toEqual([true, acr, auth_time]);
    return { acr, auth_time };
  };
  const auth_time = nowSeconds() - 60;
  expect(await told(strict, { auth_time })).toEqual({ acr: 'urn:mfa', auth_time });
  // Nobody has said what this issuer means by the word.
  expect(await told(idp, { auth_time })).toEqual({ acr: undefined, auth_time });
  const silent = { acr: undefined, auth_time: undefined };
  expect(await told(idp, silent)).toEqual(silent);
  expect(await told(idp, { auth_time: nowSeconds() + 7_200 })).toEqual(silent);
});

test('one wording answers whatever does not count, whether its issuer is trusted or not', async () => {
  const texts = await Promise.all(
    [
      says({ iss: 'https://nobody.example' }),
      says({}, undefined, () => suspended),
      says({}, undefined, () => foreign),
      spelled((text) => `${text.slice(0, -8)}AAAAAAAA`),
    ].map(async (bend) => {
      const request = await right();
      await bend(request);
      return (await send(request)).text;
    }),
  );
  expect(new Set(texts).size).toBe(1);
});

test('who is barred here stays so, whoever else lets them in', async () => {
  const bar = (banned: boolean) => db.admin('update identity."user" set banned = $1', [banned]);
  await bar(true);
  try {
    const request = await right();
    expect(await send(request)).toMatchObject({ status: 400, body: { error: 'invalid_grant' } });
  } finally {
    await bar(false);
  }
  expect((await send(await right())).status).toBe(200);
});

test('where its issuer is trusted for once, an assertion works once, also when it is shown many times at one moment', async () => {
  const once = await playIssuer(scene.home, 'once', { ...onlyPeople, oneTime: true });
  await link(scene.home, { issuerId: once.id, subject: 'alice', userId });
  const assertion = await assertPerson(once, scene);
  const answers = await Promise.all(Array.from({ length: 6 }, () => send(redeeming(scene, assertion))));
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 400, 400, 400, 400, 400]);
  expect(answers.filter(({ status }) => status === 400).every(({ body }) => body.error === 'invalid_grant')).toBe(true);
  expect((await send(redeeming(scene, assertion))).body.error).toBe('invalid_grant');
});

test('an issuer of several tenants names the one, and the same name in another is somebody else', async () => {
  const many = await playIssuer(scene.home, 'many', { ...onlyPeople, multiTenant: true });
  await link(scene.home, { issuerId: many.id, subject: 'alice', subjectTenant: 'north', userId });
  const redeem = async (change: Record<string, unknown>) =>
    (await send(redeeming(scene, await assertPerson(many, scene, change)))).status;
  expect(await redeem({ tenant: 'north' })).toBe(200);
  expect(await redeem({ tenant: 'south' })).toBe(400);
  expect(await redeem({})).toBe(400);
});

test('where the tenant has not put it in force, the grant is one that nobody serves', async () => {
  await setIdJag(scene.home, false);
  const refused = await send(await right());
  await setIdJag(scene.home, true);
  const unknown = authenticated(ask(scene.home.issuer, '/oauth2/token', { grant_type: 'x' }), scene.client);
  expect(refused.text).toBe((await send(unknown)).text);
  expect((await send(await right())).status).toBe(200);
});
