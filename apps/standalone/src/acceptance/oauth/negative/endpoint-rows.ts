import { redirectUri } from '../oauth-scene.ts';
import { basic, row } from './ask.ts';
import type { Lab } from './lab.ts';

/** Device authorization (RFC 8628 §3.1). */
export const deviceRows = (lab: Lab) => [
  row('8628 §3.1', 'no client', ({ form }) => form.delete('client_id'), 401, 'invalid_client'),
  row(
    '8628 §3.1',
    'a client that never was',
    ({ form }) => form.set('client_id', 'cli_00000000000000000000000000'),
    401,
    'invalid_client',
  ),
  row(
    '8628 §3.1',
    'a client with a secret, without it',
    ({ form }) => form.set('client_id', lab.app.id),
    401,
    'invalid_client',
  ),
  row(
    '8628 §3.1',
    'a client without the grant',
    ({ form, headers }) => {
      form.delete('client_id');
      headers.set('authorization', basic(lab.machine.id, lab.machine.secret));
    },
    400,
    'unauthorized_client',
  ),
  row('6749 §3.3', 'a scope beyond the manifest', ({ form }) => form.set('scope', 'admin'), 400, 'invalid_scope'),
  row(
    '8707 §2',
    'a resource beyond the manifest',
    ({ form }) => form.set('resource', 'https://elsewhere.example.test'),
    400,
    'invalid_target',
  ),
  row(
    '6749 §3.2',
    'two scopes',
    ({ form }) => {
      form.append('scope', 'openid');
      form.append('scope', 'openid');
    },
    400,
    'invalid_request',
  ),
  row(
    'law 5',
    'the other tenant',
    (ask) => {
      ask.issuer = lab.other.issuer;
    },
    401,
    'invalid_client',
  ),
  row(
    '6749 §3.2',
    'JSON',
    (ask) => {
      ask.headers.set('content-type', 'application/json');
      ask.body = '{}';
    },
    400,
    'invalid_request',
  ),
];

/** Polling with a device code that a person has allowed (RFC 8628 §3.4). */
export const pollRows = (lab: Lab) => [
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

/** Pushed authorization requests (RFC 9126 §2.1). */
export const parRows = (lab: Lab) => [
  row('9126 §2.1', 'nobody', ({ headers }) => headers.delete('authorization'), 401, 'invalid_client'),
  row(
    '9126 §2.1',
    'a wrong secret',
    ({ headers }) => headers.set('authorization', basic(lab.app.id, 'wrong')),
    401,
    'invalid_client',
    'Basic',
  ),
  row(
    '9126 §2.1',
    'a request_uri',
    ({ form }) => form.set('request_uri', 'urn:ietf:params:oauth:request_uri:x'),
    400,
    'invalid_request',
  ),
  row(
    '9126 §2.1',
    'another client_id than the authenticated one',
    ({ form }) => form.set('client_id', lab.rival.id),
    401,
    'invalid_client',
    'Basic',
  ),
  row(
    '9126 §2.1',
    'a redirect_uri that is not registered',
    ({ form }) => form.set('redirect_uri', `${redirectUri}/x`),
    400,
    'invalid_request',
  ),
  row('9126 §2.1', 'no redirect_uri', ({ form }) => form.delete('redirect_uri'), 400, 'invalid_request'),
  row('9126 §2.1', 'no response_type', ({ form }) => form.delete('response_type'), 400, 'invalid_request'),
  row(
    '9126 §2.1',
    'another response_type',
    ({ form }) => form.set('response_type', 'token'),
    400,
    'unsupported_response_type',
  ),
  row('7636 §4.3', 'no challenge', ({ form }) => form.delete('code_challenge'), 400, 'invalid_request'),
  row(
    '7636 §4.3',
    'a plain challenge',
    ({ form }) => form.set('code_challenge_method', 'plain'),
    400,
    'invalid_request',
  ),
  row(
    '7636 §4.3',
    'a challenge without its method',
    ({ form }) => form.delete('code_challenge_method'),
    400,
    'invalid_request',
  ),
  row('6749 §3.3', 'a scope beyond the manifest', ({ form }) => form.set('scope', 'admin'), 400, 'invalid_scope'),
  row(
    '8707 §2',
    'a resource beyond the manifest',
    ({ form }) => form.set('resource', 'https://elsewhere.example.test'),
    400,
    'invalid_target',
  ),
  row('6749 §3.2', 'two states', ({ form }) => form.append('state', 'x'), 400, 'invalid_request'),
  row(
    'law 5',
    'the other tenant',
    (ask) => {
      ask.issuer = lab.other.issuer;
    },
    401,
    'invalid_client',
    'Basic',
  ),
];

/** Introspection (RFC 7662 §2.1) by the app, of a token of its own. */
export const introspectRows = (lab: Lab) => [
  row('7662 §2.1', 'nobody', ({ headers }) => headers.delete('authorization'), 401, 'invalid_client'),
  row(
    '7662 §2.1',
    'a wrong secret',
    ({ headers }) => headers.set('authorization', basic(lab.machine.id, 'wrong')),
    401,
    'invalid_client',
    'Basic',
  ),
  row(
    '7662 §2.1',
    'a public client',
    ({ headers, form }) => {
      headers.delete('authorization');
      form.set('client_id', lab.publicApp.id);
    },
    401,
    'invalid_client',
  ),
  row('7662 §2.1', 'no token', ({ form }) => form.delete('token'), 400, 'invalid_request'),
  row('6749 §3.2', 'two tokens', ({ form }) => form.append('token', 'x'), 400, 'invalid_request'),
  row(
    '7662 §2.1',
    'JSON',
    (ask) => {
      ask.headers.set('content-type', 'application/json');
      ask.body = '{"token":"x"}';
    },
    400,
    'invalid_request',
  ),
  row(
    'law 5',
    'the other tenant',
    (ask) => {
      ask.issuer = lab.other.issuer;
    },
    401,
    'invalid_client',
    'Basic',
  ),
];

/** Revocation (RFC 7009 §2.1) by the machine, of a token of its own. */
export const revokeRows = (lab: Lab) => [
  row('7009 §2.1', 'nobody', ({ headers }) => headers.delete('authorization'), 401, 'invalid_client'),
  row(
    '7009 §2.1',
    'a wrong secret',
    ({ headers }) => headers.set('authorization', basic(lab.machine.id, 'wrong')),
    401,
    'invalid_client',
    'Basic',
  ),
  row('7009 §2.1', 'no token', ({ form }) => form.delete('token'), 400, 'invalid_request'),
  row(
    '7009 §2.1',
    'another client',
    ({ headers }) => headers.set('authorization', basic(lab.app.id, lab.app.secret)),
    400,
    'unauthorized_client',
  ),
  row('6749 §3.2', 'two tokens', ({ form }) => form.append('token', 'x'), 400, 'invalid_request'),
  row(
    'law 5',
    'the other tenant',
    (ask) => {
      ask.issuer = lab.other.issuer;
    },
    401,
    'invalid_client',
    'Basic',
  ),
];
