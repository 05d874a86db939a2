import { openTestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { submitForm } from '../browser-person.ts';
import { ordersApi } from '../oauth-scene.ts';
import { type Ask, ask, basic, breakEach, row, send } from './ask.ts';
import { authenticated, deviceGrant, type Lab, openLab, redemption, refreshing } from './lab.ts';

let lab: Lab;

beforeAll(async () => {
  lab = await openLab(await openTestDatabase(), testKek);
});
afterAll(() => lab?.scene.close());

/** The redemption of a code (RFC 6749 §4.1.3, RFC 7636 §4.6, RFC 8707 §2.2). */
const codeRows = (lab: Lab) => [
  row('6749 §4.1.3', 'no code', ({ form }) => form.delete('code'), 400, 'invalid_request'),
  row('6749 §3.2', 'an empty code', ({ form }) => form.set('code', ''), 400, 'invalid_request'),
  row('6749 §5.2', 'a code that never was', ({ form }) => form.set('code', 'x'.repeat(32)), 400, 'invalid_grant'),
  row(
    '6749 §5.2',
    'a code with one more letter',
    ({ form }) => form.set('code', `${form.get('code')}x`),
    400,
    'invalid_grant',
  ),
  row(
    '6749 §5.2',
    'a code in other letters',
    ({ form }) => form.set('code', swapCase(form.get('code'))),
    400,
    'invalid_grant',
  ),
  row('6749 §3.2', 'two codes', ({ form }) => form.append('code', form.get('code') ?? ''), 400, 'invalid_request'),
  row('6749 §4.1.3', 'no redirect_uri', ({ form }) => form.delete('redirect_uri'), 400, 'invalid_request'),
  row(
    '6749 §4.1.3',
    'another redirect_uri',
    ({ form }) => form.set('redirect_uri', 'https://app.example.test/other'),
    400,
    'invalid_grant',
  ),
  row(
    '6749 §4.1.3',
    'redirect_uri with a slash more',
    ({ form }) => form.set('redirect_uri', `${form.get('redirect_uri')}/`),
    400,
    'invalid_grant',
  ),
  row(
    '6749 §4.1.3',
    'redirect_uri in upper case',
    ({ form }) => form.set('redirect_uri', 'HTTPS://app.example.test/callback'),
    400,
    'invalid_grant',
  ),
  row(
    '6749 §3.2',
    'two redirect_uris',
    ({ form }) => form.append('redirect_uri', form.get('redirect_uri') ?? ''),
    400,
    'invalid_request',
  ),
  row('7636 §4.6', 'no verifier', ({ form }) => form.delete('code_verifier'), 400, 'invalid_request'),
  row('7636 §4.6', 'another verifier', ({ form }) => form.set('code_verifier', 'v'.repeat(43)), 400, 'invalid_grant'),
  row(
    '7636 §4.1',
    'a verifier that is too short',
    ({ form }) => form.set('code_verifier', 'v'.repeat(42)),
    400,
    'invalid_grant',
  ),
  row(
    '7636 §4.1',
    'a verifier that is too long',
    ({ form }) => form.set('code_verifier', 'v'.repeat(129)),
    400,
    'invalid_grant',
  ),
  row(
    '7636 §4.1',
    'a verifier with forbidden letters',
    ({ form }) => form.set('code_verifier', '!'.repeat(43)),
    400,
    'invalid_grant',
  ),
  row(
    '7636 §4.6',
    'the challenge as its own verifier',
    ({ form }) => form.set('code_verifier', `${form.get('code_verifier')} `),
    400,
    'invalid_grant',
  ),
  row(
    '6749 §3.2',
    'two verifiers',
    ({ form }) => form.append('code_verifier', form.get('code_verifier') ?? ''),
    400,
    'invalid_request',
  ),
  row(
    '6749 §4.1.3',
    'another client of the tenant',
    ({ headers }) => headers.set('authorization', basic(lab.rival.id, lab.rival.secret)),
    400,
    'invalid_grant',
  ),
  row(
    '6749 §4.1.3',
    'a client of another tenant',
    ({ headers }) => headers.set('authorization', basic(lab.foreign.id, lab.foreign.secret)),
    401,
    'invalid_client',
    'Basic',
  ),
  row(
    'law 5',
    'at the other tenant, with its client',
    (ask) => {
      ask.issuer = lab.other.issuer;
      ask.headers.set('authorization', basic(lab.foreign.id, lab.foreign.secret));
    },
    400,
    'invalid_grant',
  ),
  row(
    'law 5',
    'at the other tenant, with the own client',
    (ask) => {
      ask.issuer = lab.other.issuer;
    },
    401,
    'invalid_client',
    'Basic',
  ),
  row(
    '8707 §2.2',
    'a resource that was not allowed',
    ({ form }) => form.set('resource', 'https://elsewhere.example.test'),
    400,
    'invalid_target',
  ),
  row(
    '8707 §2',
    'a resource with a fragment',
    ({ form }) => form.set('resource', `${ordersApi}#x`),
    400,
    'invalid_target',
  ),
  row('8707 §2', 'a resource that is no URI', ({ form }) => form.set('resource', 'orders'), 400, 'invalid_target'),
  row(
    '6749 §5.2',
    'the grant type in upper case',
    ({ form }) => form.set('grant_type', 'AUTHORIZATION_CODE'),
    400,
    'unsupported_grant_type',
  ),
  row('6749 §4.1.3', 'no grant type', ({ form }) => form.delete('grant_type'), 400, 'invalid_request'),
  row(
    '6749 §3.2',
    'two grant types',
    ({ form }) => form.append('grant_type', 'client_credentials'),
    400,
    'invalid_request',
  ),
  row(
    '6749 §4.3',
    'the password grant',
    ({ form }) => form.set('grant_type', 'password'),
    400,
    'unsupported_grant_type',
  ),
  row(
    '6749 §4.2',
    'the implicit grant',
    ({ form }) => form.set('grant_type', 'implicit'),
    400,
    'unsupported_grant_type',
  ),
  row(
    '6749 §3.2',
    'JSON in place of a form',
    (ask) => {
      ask.headers.set('content-type', 'application/json');
      ask.body = JSON.stringify(Object.fromEntries(ask.form));
    },
    400,
    'invalid_request',
  ),
  row(
    '6749 §3.2',
    'text in place of a form',
    (ask) => {
      ask.headers.set('content-type', 'text/plain');
      ask.body = ask.form.toString();
    },
    400,
    'invalid_request',
  ),
  row(
    '6749 appendix A',
    'a parameter that is no ASCII',
    ({ form }) => form.set('scope', 'ördérs'),
    400,
    'invalid_request',
  ),
];

function swapCase(text: string | null): string {
  return [...(text ?? '')].map((c) => (c === c.toLowerCase() ? c.toUpperCase() : c.toLowerCase())).join('');
}

/** Refreshing (RFC 6749 §6). */
const refreshRows = (lab: Lab) => [
  row('6749 §6', 'no refresh token', ({ form }) => form.delete('refresh_token'), 400, 'invalid_request'),
  row('6749 §6', 'an empty refresh token', ({ form }) => form.set('refresh_token', ''), 400, 'invalid_request'),
  row(
    '6749 §5.2',
    'a refresh token that never was',
    ({ form }) => form.set('refresh_token', 'x'.repeat(50)),
    400,
    'invalid_grant',
  ),
  row(
    '6749 §5.2',
    'a refresh token with a letter more',
    ({ form }) => form.set('refresh_token', `${form.get('refresh_token')}x`),
    400,
    'invalid_grant',
  ),
  row(
    '6749 §3.2',
    'two refresh tokens',
    ({ form }) => form.append('refresh_token', form.get('refresh_token') ?? ''),
    400,
    'invalid_request',
  ),
  row(
    '6749 §6',
    'another client of the tenant',
    ({ headers }) => headers.set('authorization', basic(lab.rival.id, lab.rival.secret)),
    400,
    'invalid_grant',
  ),
  row(
    '6749 §6',
    'a client of another tenant',
    ({ headers }) => headers.set('authorization', basic(lab.foreign.id, lab.foreign.secret)),
    401,
    'invalid_client',
    'Basic',
  ),
  row(
    'law 5',
    'at the other tenant, with its client',
    (ask) => {
      ask.issuer = lab.other.issuer;
      ask.headers.set('authorization', basic(lab.foreign.id, lab.foreign.secret));
    },
    400,
    'invalid_grant',
  ),
  row(
    '6749 §6',
    'a scope that was not granted',
    ({ form }) => form.set('scope', 'orders:read admin'),
    400,
    'invalid_scope',
  ),
  row('6749 §3.3', 'a scope that is none', ({ form }) => form.set('scope', '"'), 400, 'invalid_scope'),
  row(
    '8707 §2.2',
    'a resource that was not granted',
    ({ form }) => form.set('resource', 'https://elsewhere.example.test'),
    400,
    'invalid_target',
  ),
  row('6749 §2.3', 'nobody', ({ headers }) => headers.delete('authorization'), 401, 'invalid_client'),
  row(
    '6749 §2.3.1',
    'a wrong secret',
    ({ headers }) => headers.set('authorization', basic(lab.app.id, 'wrong')),
    401,
    'invalid_client',
    'Basic',
  ),
  row(
    '6749 §6',
    'the token as a code',
    ({ form }) => {
      form.set('grant_type', 'authorization_code');
      form.set('code', form.get('refresh_token') ?? '');
    },
    400,
    'invalid_grant',
  ),
  row(
    '6749 §6',
    'as a public client',
    ({ form, headers }) => {
      headers.delete('authorization');
      form.set('client_id', lab.app.id);
    },
    401,
    'invalid_client',
  ),
];

/** Polling with a device code that a person has allowed (RFC 8628 §3.4). */
const pollRows = (lab: Lab) => [
  row('8628 §3.4', 'no device code', ({ form }) => form.delete('device_code'), 400, 'invalid_request'),
  row(
    '8628 §3.5',
    'a device code that never was',
    ({ form }) => form.set('device_code', 'x'.repeat(43)),
    400,
    'invalid_grant',
  ),
  row(
    '8628 §3.4',
    'another public client',
    ({ form, headers }) => {
      form.delete('client_id');
      headers.set('authorization', basic(lab.rival.id, lab.rival.secret));
    },
    400,
    'invalid_grant',
  ),
  row(
    'law 5',
    'at the other tenant, with its client',
    (ask) => {
      ask.issuer = lab.other.issuer;
      ask.form.delete('client_id');
      ask.headers.set('authorization', basic(lab.foreign.id, lab.foreign.secret));
    },
    400,
    'invalid_grant',
  ),
  row(
    '8628 §3.4',
    'the user code in its place',
    ({ form }) => form.set('device_code', 'BCDF-GHJK'),
    400,
    'invalid_grant',
  ),
  row('6749 §3.2', 'two device codes', ({ form }) => form.append('device_code', 'x'), 400, 'invalid_request'),
];

test('a code is refused by its own error, and nothing wrong uses it up', async () => {
  expect(await breakEach(codeRows(lab), () => redemption(lab, lab.app))).toEqual([]);
}, 120_000);

test('a refresh token is refused by its own error, and nothing wrong uses it up', async () => {
  expect(await breakEach(refreshRows(lab), () => refreshing(lab, lab.app))).toEqual([]);
}, 120_000);

test('a device code is refused by its own error, and nothing wrong uses it up', async () => {
  expect(await breakEach(pollRows(lab), allowedDevice)).toEqual([]);
}, 60_000);

/** A device code that the owner has allowed, ready to be redeemed. */
async function allowedDevice(): Promise<Ask> {
  const start = ask(lab.scene.issuer, '/oauth2/device_authorization', {
    scope: 'openid orders:read',
    resource: ordersApi,
  });
  const { body } = await send(authenticated(start, lab.publicApp));
  const page = new URL(String(body.verification_uri_complete));
  const { owner, issuer } = lab.scene;
  const html = await (await owner.fetch(page.href.slice(issuer.length))).text();
  await submitForm(owner, page, html, { decision: 'allow' }).catch((error: unknown) => {
    if (!String(error).includes('answered 200')) throw error;
  });
  const form = { grant_type: deviceGrant, device_code: String(body.device_code) };
  return authenticated(ask(issuer, '/oauth2/token', form), lab.publicApp);
}
