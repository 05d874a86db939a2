import { openTestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { redirectUri } from '../oauth-scene.ts';
import { ask, basic, breakEach, row, send } from './ask.ts';
import { authenticated, authorizationRequest, type Lab, machineToken, openLab, redemption } from './lab.ts';

let lab: Lab;

beforeAll(async () => {
  lab = await openLab(await openTestDatabase(), testKek);
});
afterAll(() => lab?.scene.close());

/** Device authorization (RFC 8628 §3.1). */
const deviceRows = (lab: Lab) => [
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

/** Pushed authorization requests (RFC 9126 §2.1). */
const parRows = (lab: Lab) => [
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
const introspectRows = (lab: Lab) => [
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
const revokeRows = (lab: Lab) => [
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

describe('a request that breaks one MUST is refused by its own error, and uses nothing up', () => {
  test('starting on a device', async () => {
    const right = async () =>
      authenticated(ask(lab.scene.issuer, '/oauth2/device_authorization', { scope: 'openid' }), lab.publicApp);
    expect(await breakEach(deviceRows(lab), right)).toEqual([]);
  });

  test('pushing a request', async () => {
    const right = async () => {
      const request = authorizationRequest(lab.app, 'v'.repeat(43));
      return authenticated(ask(lab.scene.issuer, '/oauth2/par', Object.fromEntries(request)), lab.app);
    };
    expect(await breakEach(parRows(lab), right)).toEqual([]);
  });

  test.each(['introspect', 'revoke'] as const)('asking to %s', async (endpoint) => {
    const right = async () =>
      authenticated(ask(lab.scene.issuer, `/oauth2/${endpoint}`, { token: await machineToken(lab) }), lab.machine);
    expect(await breakEach(endpoint === 'revoke' ? revokeRows(lab) : introspectRows(lab), right)).toEqual([]);
  });
});

describe('userinfo and tokens in the wrong place', () => {
  const userinfo = async (headers: Record<string, string>, query = '') => {
    const answer = await fetch(`${lab.scene.issuer}/oauth2/userinfo${query}`, { headers });
    return [answer.status, answer.headers.get('www-authenticate') ?? ''] as const;
  };

  test('userinfo wants one access token with openid, in the header', async () => {
    const { body } = await send(await redemption(lab, lab.app));
    const token = String(body.access_token);
    expect((await userinfo({ authorization: `Bearer ${token}` }))[0]).toBe(200);
    expect(await userinfo({})).toEqual([401, expect.stringMatching(/^Bearer(?!.*error=)/)]);
    expect((await userinfo({}, `?access_token=${token}`))[0]).toBe(401);
    for (const wrong of [String(body.id_token), String(body.refresh_token), `${token}x`, `${token}==`]) {
      expect(await userinfo({ authorization: `Bearer ${wrong}` }), wrong.slice(0, 12)).toEqual([
        401,
        expect.stringContaining('error="invalid_token"'),
      ]);
    }
    const narrow = await send(await redemption(lab, lab.app, { scope: 'orders:read' }));
    expect(await userinfo({ authorization: `Bearer ${narrow.body.access_token}` })).toEqual([
      403,
      expect.stringContaining('error="insufficient_scope"'),
    ]);
  });

  test('a token of another kind is no access token to introspection, and says nothing', async () => {
    const { body } = await send(await redemption(lab, lab.app));
    for (const token of [body.id_token, 'x', '', `${body.access_token}=`].map(String)) {
      const request = ask(lab.scene.issuer, '/oauth2/introspect', token === '' ? { token: 'e30.e30.e30' } : { token });
      request.headers.set('authorization', basic(lab.app.id, lab.app.secret));
      expect((await send(request)).body).toEqual({ active: false });
    }
  });
});
