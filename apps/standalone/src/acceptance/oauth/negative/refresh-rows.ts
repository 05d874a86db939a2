import { basic, row } from './ask.ts';
import type { Lab } from './lab.ts';

/** Refreshing (RFC 6749 §6). */
export const refreshRows = (lab: Lab) => [
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
