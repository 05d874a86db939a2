import { openTestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ordersApi } from '../oauth-scene.ts';
import { type Ask, ask, basic, breakEach, row } from './ask.ts';
import { asserting, authenticated, type Lab, nowSeconds, openLab } from './lab.ts';

let lab: Lab;

beforeAll(async () => {
  lab = await openLab(await openTestDatabase(), testKek);
});
afterAll(() => lab?.scene.close());

/** How a client with a secret proves itself (RFC 6749 §2.3.1), at the token endpoint by client_credentials. */
const secretRows = [
  row('6749 §2.3', 'nobody', ({ headers }) => headers.delete('authorization'), 401, 'invalid_client'),
  row(
    '6749 §2.3.1',
    'a wrong secret',
    ({ headers }) => headers.set('authorization', basic(lab.machine.id, `${lab.machine.secret}x`)),
    401,
    'invalid_client',
    'Basic',
  ),
  row(
    '6749 §2.3.1',
    'an empty secret',
    ({ headers }) => headers.set('authorization', basic(lab.machine.id, '')),
    401,
    'invalid_client',
    'Basic',
  ),
  row(
    '6749 §2.3.1',
    'another client’s secret',
    ({ headers }) => headers.set('authorization', basic(lab.machine.id, lab.app.secret)),
    401,
    'invalid_client',
    'Basic',
  ),
  row(
    '6749 §2.3.1',
    'a client that never was',
    ({ headers }) => headers.set('authorization', basic('cli_00000000000000000000000000', lab.machine.secret)),
    401,
    'invalid_client',
    'Basic',
  ),
  row(
    '6749 §2.3.1',
    'a client id that is none',
    ({ headers }) => headers.set('authorization', basic('machine', lab.machine.secret)),
    401,
    'invalid_client',
    'Basic',
  ),
  row(
    '6749 §2.3.1',
    'no colon',
    ({ headers }) => headers.set('authorization', `Basic ${btoa(lab.machine.id)}`),
    401,
    'invalid_client',
    'Basic',
  ),
  row(
    '7617 §2',
    'no base64',
    ({ headers }) => headers.set('authorization', 'Basic %%%'),
    401,
    'invalid_client',
    'Basic',
  ),
  row(
    '7617 §2',
    'nothing behind the scheme',
    ({ headers }) => headers.set('authorization', 'Basic'),
    401,
    'invalid_client',
    'Basic',
  ),
  row(
    '6749 §5.2',
    'another scheme',
    ({ headers }) => headers.set('authorization', `Digest ${lab.machine.id}`),
    401,
    'invalid_client',
  ),
  row(
    '6749 §2.3',
    'secret in header and body',
    ({ form }) => {
      form.set('client_id', lab.machine.id);
      form.set('client_secret', lab.machine.secret);
    },
    400,
    'invalid_request',
  ),
  row(
    '7591 §2',
    'the secret in the body, though the header was agreed',
    ({ form, headers }) => {
      headers.delete('authorization');
      form.set('client_id', lab.machine.id);
      form.set('client_secret', lab.machine.secret);
    },
    401,
    'invalid_client',
  ),
  row(
    '6749 §2.3.1',
    'the name alone',
    ({ form, headers }) => {
      headers.delete('authorization');
      form.set('client_id', lab.machine.id);
    },
    401,
    'invalid_client',
  ),
  row(
    '6749 §2.3.1',
    'another client_id in the body',
    ({ form }) => form.set('client_id', lab.app.id),
    401,
    'invalid_client',
    'Basic',
  ),
  row(
    '6749 §2.3',
    'two client_ids',
    ({ form }) => {
      form.append('client_id', lab.machine.id);
      form.append('client_id', lab.machine.id);
    },
    400,
    'invalid_request',
  ),
  row(
    '6749 §2.3.1',
    'credentials in the query',
    (ask) => {
      ask.headers.delete('authorization');
      ask.path += `?client_id=${lab.machine.id}&client_secret=${lab.machine.secret}`;
    },
    401,
    'invalid_client',
  ),
  row(
    '6749 §3.3',
    'a scope beyond the manifest',
    ({ form }) => form.set('scope', 'orders:read admin'),
    400,
    'invalid_scope',
  ),
  row('6749 §3.3', 'a scope that is none', ({ form }) => form.set('scope', 'a"b'), 400, 'invalid_scope'),
  row(
    '6749 §3.3',
    'a scope of the issuer, which people have',
    ({ form }) => form.set('scope', 'openid'),
    400,
    'invalid_scope',
  ),
  row(
    '6749 §3.2',
    'two scopes',
    ({ form }) => {
      form.append('scope', 'orders:read');
      form.append('scope', 'orders:write');
    },
    400,
    'invalid_request',
  ),
  row(
    '8707 §2',
    'a resource beyond the manifest',
    ({ form }) => form.set('resource', 'https://elsewhere.example.test'),
    400,
    'invalid_target',
  ),
  row(
    '8707 §2',
    'a resource with a fragment',
    ({ form }) => form.set('resource', `${ordersApi}#a`),
    400,
    'invalid_target',
  ),
  row(
    '8707 §3',
    'two resources',
    ({ form }) => {
      form.append('resource', ordersApi);
      form.append('resource', 'https://elsewhere.example.test');
    },
    400,
    'invalid_target',
  ),
  row(
    '6749 §5.2',
    'a grant that the manifest does not have',
    ({ form }) => form.set('grant_type', 'urn:ietf:params:oauth:grant-type:token-exchange'),
    400,
    'unauthorized_client',
  ),
  row(
    '6749 §4.4',
    'the other tenant',
    (ask) => {
      ask.issuer = lab.other.issuer;
    },
    401,
    'invalid_client',
    'Basic',
  ),
];

/** An assertion whose claims are bent when it is made: before there is a tenant, they are not known. */
const claims =
  (bend: () => Record<string, unknown>, typ = 'client-authentication+jwt') =>
  async ({ form }: Ask) => {
    const { id, key } = lab.keyed;
    const right = { iss: id, sub: id, aud: lab.scene.issuer };
    form.set('client_assertion', await key.sign(typ, { ...right, ...bend() }));
  };
const changed =
  (change: (assertion: string) => string) =>
  ({ form }: Ask) =>
    form.set('client_assertion', change(form.get('client_assertion') ?? ''));
const invalid = [401, 'invalid_client'] as const;

/** private_key_jwt (RFC 7523 §3 with rfc7523bis), at the token endpoint by client_credentials. */
const assertionRows = [
  row(
    '7523 §3',
    'the token endpoint as audience',
    claims(() => ({ aud: `${lab.scene.issuer}/oauth2/token` })),
    ...invalid,
  ),
  row(
    '7523bis',
    'the lab.scene.issuer and another audience',
    claims(() => ({ aud: [lab.scene.issuer, 'https://elsewhere.example.test'] })),
    ...invalid,
  ),
  row(
    '7523bis',
    'the lab.scene.issuer with a slash',
    claims(() => ({ aud: `${lab.scene.issuer}/` })),
    ...invalid,
  ),
  row(
    '7523bis',
    'the lab.scene.issuer in upper case',
    claims(() => ({ aud: lab.scene.issuer.toUpperCase() })),
    ...invalid,
  ),
  row(
    '7523bis',
    'no audience',
    claims(() => ({ aud: undefined })),
    ...invalid,
  ),
  row(
    '7523bis',
    'an empty list of audiences',
    claims(() => ({ aud: [] })),
    ...invalid,
  ),
  row(
    '7523bis',
    'the other tenant as audience',
    claims(() => ({ aud: lab.other.issuer })),
    ...invalid,
  ),
  row(
    '7523 §3',
    'another iss',
    claims(() => ({ iss: lab.app.id })),
    ...invalid,
  ),
  row(
    '7523 §3',
    'another sub',
    claims(() => ({ sub: lab.app.id })),
    ...invalid,
  ),
  row(
    '7523 §3',
    'no sub',
    claims(() => ({ sub: undefined })),
    ...invalid,
  ),
  row(
    '7523 §3',
    'no iss',
    claims(() => ({ iss: undefined })),
    ...invalid,
  ),
  row(
    '7523 §3',
    'no exp',
    claims(() => ({ exp: undefined })),
    ...invalid,
  ),
  row(
    '7523 §3',
    'an exp that has passed',
    claims(() => ({ exp: nowSeconds() - 120 })),
    ...invalid,
  ),
  row(
    '7523 §3',
    'an exp far ahead',
    claims(() => ({ exp: nowSeconds() + 3_600 })),
    ...invalid,
  ),
  row(
    '7523 §3',
    'an nbf ahead',
    claims(() => ({ nbf: nowSeconds() + 600 })),
    ...invalid,
  ),
  row(
    '7523 §3',
    'no jti',
    claims(() => ({ jti: undefined })),
    ...invalid,
  ),
  row(
    '7523 §3',
    'an exp that is text',
    claims(() => ({ exp: 'soon' })),
    ...invalid,
  ),
  row(
    '8725 §3.11',
    'the type of an access token',
    claims(() => ({}), 'at+jwt'),
    ...invalid,
  ),
  row(
    '8725 §3.11',
    'the type of a DPoP proof',
    claims(() => ({}), 'dpop+jwt'),
    ...invalid,
  ),
  row(
    '8725 §3.11',
    'the type of an invite',
    claims(() => ({}), 'mono-invite+jwt'),
    ...invalid,
  ),
  row(
    '7515 §5.2',
    'a changed signature',
    changed((jwt) => `${jwt.slice(0, -6)}AAAAAA`),
    ...invalid,
  ),
  row(
    '7515 §5.2',
    'no signature',
    changed((jwt) => jwt.slice(0, jwt.lastIndexOf('.') + 1)),
    ...invalid,
  ),
  row(
    '7515 §2',
    'a space behind it',
    changed((jwt) => `${jwt} `),
    ...invalid,
  ),
  row(
    '7515 §2',
    'padding',
    changed((jwt) => `${jwt}==`),
    ...invalid,
  ),
  row(
    '7515 §2',
    'two parts',
    changed((jwt) => jwt.slice(0, jwt.lastIndexOf('.'))),
    ...invalid,
  ),
  row(
    '7515 §2',
    'no JWT at all',
    changed(() => 'assertion'),
    ...invalid,
  ),
  row(
    '8725 §3.1',
    'alg none',
    changed((jwt) => unsigned(jwt)),
    ...invalid,
  ),
  row(
    '7521 §4.2',
    'another assertion type',
    ({ form }) => form.set('client_assertion_type', 'urn:ietf:params:oauth:client-assertion-type:saml2-bearer'),
    ...invalid,
  ),
  row('7521 §4.2', 'no assertion type', ({ form }) => form.delete('client_assertion_type'), ...invalid),
  row('7521 §4.2', 'no assertion', ({ form }) => form.delete('client_assertion'), ...invalid),
  row('6749 §2.3', 'an assertion and a secret', ({ form }) => form.set('client_secret', 'x'), 400, 'invalid_request'),
  row(
    '6749 §2.3',
    'an assertion and a header',
    ({ headers }) => headers.set('authorization', basic(lab.keyed.id, 'x')),
    400,
    'invalid_request',
  ),
  row('7521 §4.2', 'another client_id beside it', ({ form }) => form.set('client_id', lab.app.id), ...invalid),
  row(
    'law 5',
    'the other tenant',
    (ask) => {
      ask.issuer = lab.other.issuer;
    },
    ...invalid,
  ),
];

function unsigned(jwt: string): string {
  const header = Buffer.from(JSON.stringify({ alg: 'none', typ: 'client-authentication+jwt' })).toString('base64url');
  return `${header}.${jwt.split('.')[1]}.`;
}

test('a client that does not prove its secret gets nothing, and is told the same whatever was wrong', async () => {
  const right = async () =>
    authenticated(ask(lab.scene.issuer, '/oauth2/token', { grant_type: 'client_credentials' }), lab.machine);
  expect(await breakEach(secretRows, right)).toEqual([]);
}, 60_000);

test('a client that does not prove its key gets nothing, and its next assertion is good', async () => {
  expect(await breakEach(assertionRows, () => asserting(lab, lab.keyed))).toEqual([]);
}, 60_000);
