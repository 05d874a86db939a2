import { ClientService, Environment } from '@mono-auth/proto/monoauth/clients/v1/clients';
import { openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { rpcClient } from '../tour/person.ts';
import { type Installation, openInstallation } from './installation.ts';
import { makeKey } from './plain-client.ts';
import { openRegistrationScene, type RegistrationScene, sendRegistration } from './registration-scene.ts';

let db: TestDatabase;
let installation: Installation;
let numbat: RegistrationScene;
let invite: { id: string; token: string };
let clientsBefore: number;

beforeAll(async () => {
  db = await openTestDatabase();
  installation = await openInstallation(db.database, testKek);
  numbat = await openRegistrationScene(installation, 'numbat');
  await numbat.setPolicy({ dynamicRegistration: true });
  invite = await numbat.invite();
});
afterAll(async () => {
  await installation?.close();
  await db?.close();
});
beforeEach(async () => {
  clientsBefore = await countClients();
});

const countClients = async () => (await db.admin(`select id from mono.clients`)).length;
const web = { redirect_uris: ['https://app.example/cb'] };
const machine = { grant_types: ['client_credentials'] };
const keyed = { ...machine, token_endpoint_auth_method: 'private_key_jwt' };
const rsa = (n: string, e = 'AQAB') => ({ kty: 'RSA', kid: 'r', n, e });

/** [what is broken, the metadata, the error, what its description names] */
const broken: [string, unknown, string, RegExp][] = [
  ['not JSON (7591 §3.1)', '{', 'invalid_client_metadata', /JSON/],
  ['a list', [], 'invalid_client_metadata', /object/],
  ['a text', '"x"', 'invalid_client_metadata', /object/],
  ['a name that is a number', { ...machine, client_name: 7 }, 'invalid_client_metadata', /client_name/],
  ['a name with a control character', { ...machine, client_name: 'a\u0007' }, 'invalid_client_metadata', /client_name/],
  ['a name beyond its length', { ...machine, client_name: 'x'.repeat(121) }, 'invalid_client_metadata', /client_name/],
  ['a code client without redirect URI (7591 §2)', {}, 'invalid_redirect_uri', /redirect_uris/],
  ['a redirect URI where no code is sent', { ...machine, ...web }, 'invalid_redirect_uri', /redirect_uris/],
  ['redirect URIs that are a text', { redirect_uris: 'https://app.example' }, 'invalid_redirect_uri', /redirect_uris/],
  ['a redirect URI that is a number', { redirect_uris: [7] }, 'invalid_redirect_uri', /redirect_uris/],
  ['a relative redirect URI (6749 §3.1.2)', { redirect_uris: ['/cb'] }, 'invalid_redirect_uri', /redirect_uris/],
  ['a fragment (6749 §3.1.2)', { redirect_uris: ['https://a.example/#x'] }, 'invalid_redirect_uri', /fragment/],
  ['a wildcard (9700 §2.1)', { redirect_uris: ['https://*.a.example/'] }, 'invalid_redirect_uri', /wildcard/],
  ['plain http elsewhere', { redirect_uris: ['http://a.example/cb'] }, 'invalid_redirect_uri', /http/],
  [
    'localhost by name (8252 §8.3)',
    { redirect_uris: ['http://localhost/cb'], token_endpoint_auth_method: 'none' },
    'invalid_redirect_uri',
    /127/,
  ],
  ['script as a redirect', { redirect_uris: ['javascript:alert(1)'] }, 'invalid_redirect_uri', /redirect_uris/],
  ['data as a redirect', { redirect_uris: ['data:text/html,x'] }, 'invalid_redirect_uri', /redirect_uris/],
  [
    'a scheme of its own with a secret (8252 §8.4)',
    { redirect_uris: ['com.example.app:/cb'] },
    'invalid_redirect_uri',
    /scheme/,
  ],
  [
    'a native redirect of a web application',
    { redirect_uris: ['com.example.app:/cb'], token_endpoint_auth_method: 'none', application_type: 'web' },
    'invalid_redirect_uri',
    /https/,
  ],
  ['another application type', { ...web, application_type: 'tv' }, 'invalid_client_metadata', /application_type/],
  [
    'more redirect URIs than we keep',
    { redirect_uris: Array.from({ length: 17 }, (_, at) => `https://a.example/${at}`) },
    'invalid_redirect_uri',
    /redirect_uris/,
  ],
  ['the implicit flow', { ...web, response_types: ['token'] }, 'invalid_client_metadata', /response_types/],
  ['the hybrid flow', { ...web, response_types: ['code id_token'] }, 'invalid_client_metadata', /response_types/],
  [
    'response types that contradict the grants (7591 §2.1)',
    { ...machine, response_types: ['code'] },
    'invalid_client_metadata',
    /response_types/,
  ],
  ['no grant', { grant_types: [] }, 'invalid_client_metadata', /grant_types/],
  ['the implicit grant', { ...web, grant_types: ['implicit'] }, 'invalid_client_metadata', /grant_types/],
  ['the password grant', { grant_types: ['password'] }, 'invalid_client_metadata', /grant_types/],
  ['refresh alone', { grant_types: ['refresh_token'] }, 'invalid_client_metadata', /grant_types/],
  [
    'client credentials without a credential',
    { ...machine, token_endpoint_auth_method: 'none' },
    'invalid_client_metadata',
    /auth_method/,
  ],
  [
    'a symmetric assertion',
    { ...machine, token_endpoint_auth_method: 'client_secret_jwt' },
    'invalid_client_metadata',
    /token_endpoint_auth_method/,
  ],
  ['keys that are missing', keyed, 'invalid_client_metadata', /jwks/],
  ['keys for a secret', { ...machine, jwks: { keys: [] } }, 'invalid_client_metadata', /jwks/],
  [
    'keys at an open address',
    { ...keyed, jwks_uri: 'http://partner.example/jwks' },
    'invalid_client_metadata',
    /jwks_uri/,
  ],
  ['an empty set of keys', { ...keyed, jwks: { keys: [] } }, 'invalid_client_metadata', /jwks/],
  [
    'a symmetric key',
    { ...keyed, jwks: { keys: [{ kty: 'oct', kid: 'k', k: 'AAAA' }] } },
    'invalid_client_metadata',
    /jwks/,
  ],
  ['a short RSA key', { ...keyed, jwks: { keys: [rsa('AQAB')] } }, 'invalid_client_metadata', /jwks/],
  ['a small exponent', { ...keyed, jwks: { keys: [rsa('A'.repeat(342), 'Aw')] } }, 'invalid_client_metadata', /jwks/],
  ['a scope of nobody', { ...web, scope: 'payments:write' }, 'invalid_client_metadata', /scope/],
  ['a permission of ours', { ...machine, scope: 'clients:manage' }, 'invalid_client_metadata', /scope/],
  ['a scope with a quote (6749 §3.3)', { ...web, scope: 'open"id' }, 'invalid_client_metadata', /scope/],
  ['identity for a machine', { ...machine, scope: 'openid' }, 'invalid_client_metadata', /scope/],
  ['an open client URI', { ...web, client_uri: 'http://app.example' }, 'invalid_client_metadata', /client_uri/],
  [
    'an open logout URI',
    { ...web, backchannel_logout_uri: 'http://app.example/x' },
    'invalid_client_metadata',
    /backchannel_logout_uri/,
  ],
  ['DPoP that is a text', { ...web, dpop_bound_access_tokens: 'yes' }, 'invalid_client_metadata', /dpop/],
  ['a software statement', { ...web, software_statement: 'e30.e30.x' }, 'unapproved_software_statement', /statement/],
];

describe('RFC 7591 §3.2.2: metadata that breaks a rule', () => {
  test.each(broken)('%s is refused, and nothing is used up', async (_what, body, error, names) => {
    const answer = await sendRegistration(numbat.endpoint, { token: invite.token, body });
    expect(answer).toMatchObject({ status: 400, body: { error, error_description: expect.stringMatching(names) } });
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(await countClients()).toBe(clientsBefore);
    expect(Object.keys(answer.body).sort()).toEqual(['error', 'error_description', 'reason']);
  });

  test('keys beside their address, and private keys, are refused', async () => {
    const { publicJwk } = await makeKey();
    const jwks = { keys: [publicJwk] };
    const both = { ...keyed, jwks, jwks_uri: 'https://partner.example/jwks' };
    const secret = { ...keyed, jwks: { keys: [{ ...publicJwk, d: 'AAAA' }] } };
    const twice = { ...keyed, jwks: { keys: [publicJwk, publicJwk] } };
    for (const body of [both, secret, twice]) {
      const answer = await sendRegistration(numbat.endpoint, { token: invite.token, body });
      expect(answer).toMatchObject({ status: 400, body: { error: 'invalid_client_metadata' } });
    }
  });

  test('another media type and a body beyond its length are refused', async () => {
    const sent = { token: invite.token, body: JSON.stringify(machine) };
    const form = await sendRegistration(numbat.endpoint, { ...sent, type: 'application/x-www-form-urlencoded' });
    expect(form).toMatchObject({ status: 400, body: { error: 'invalid_client_metadata' } });
    const long = JSON.stringify({ ...machine, logo_uri: 'x'.repeat(70_000) });
    expect((await sendRegistration(numbat.endpoint, { ...sent, body: long })).status).toBe(413);
    // After all of this the token is still good.
    const made = await sendRegistration(numbat.endpoint, { token: invite.token, body: machine });
    expect(made.status).toBe(201);
    expect(await countClients()).toBe(clientsBefore + 1);
  });

  test('what waits already, and a name that is taken, is not registered twice', async () => {
    const body = { ...web, client_name: 'Numbat Shop' };
    const first = await sendRegistration(numbat.endpoint, { token: (await numbat.invite()).token, body });
    expect(first.status).toBe(201);
    const { token } = await numbat.invite();
    for (const [again, why] of [
      [{ ...web, client_name: 'Other Shop' }, /waits/],
      [{ ...web, redirect_uris: ['https://b.example/cb'], client_name: 'Numbat Shop' }, /client_name/],
    ] as const) {
      const answer = await sendRegistration(numbat.endpoint, { token, body: again });
      expect(answer).toMatchObject({ status: 400, body: { error: 'invalid_client_metadata' } });
      expect(answer.body.error_description).toMatch(why);
      expect(JSON.stringify(answer.body)).not.toContain(String(first.body.client_id));
    }
    expect((await sendRegistration(numbat.endpoint, { token, body: machine })).status).toBe(201);
  });
});

describe('initial access tokens (RFC 7591 §3)', () => {
  const never = `mono_iat_${'A'.repeat(43)}`;

  test('without one, or with one that is no good, everybody hears the same', async () => {
    const clients = rpcClient(numbat.issuer, ClientService, numbat.token);
    const revoked = await numbat.invite();
    await clients.revokeRegistrationToken({ id: revoked.id });
    const used = await numbat.invite();
    expect((await sendRegistration(numbat.endpoint, { token: used.token, body: machine })).status).toBe(201);
    const expired = await numbat.invite();
    await db.admin(`update mono.registration_tokens set expires_at = created_at where label = 'a partner'
      and id = (select max(id::text)::uuid from mono.registration_tokens)`);
    const answers = [];
    for (const token of [undefined, '', 'x y', never, revoked.token, used.token, expired.token, numbat.token]) {
      // Also with a body that would be refused: who may not register learns nothing about it.
      for (const body of [machine, '{']) answers.push(await sendRegistration(numbat.endpoint, { token, body }));
    }
    for (const { status, headers, body } of answers) {
      expect({ status, body }).toEqual({ status: 401, body: answers[0]?.body });
      expect(headers.get('www-authenticate')).toBe('Bearer error="invalid_token"');
      expect(headers.get('cache-control')).toBe('no-store');
    }
    expect(answers[0]?.body).toMatchObject({ error: 'invalid_token' });
    // Each of them is evidence, and the token that was shown is not part of it.
    const events = await db.admin<{ text: string }>(
      `select e::text as text from mono.audit_events e where object_id = 'POST /oauth2/register'`,
    );
    expect(events.length).toBeGreaterThanOrEqual(answers.length);
    expect(events.some(({ text }) => text.includes(used.token))).toBe(false);
    expect(await countClients()).toBe(clientsBefore + 1);
  });

  test('a token in the query or the body is none', async () => {
    const { token } = await numbat.invite();
    const url = `${numbat.endpoint}?access_token=${token}`;
    expect((await sendRegistration(url, { body: { ...machine, access_token: token } })).status).toBe(401);
  });

  test('the environment is that of the token, whatever is asked', async () => {
    const { token } = await numbat.invite({ environment: Environment.STAGING });
    const made = await sendRegistration(numbat.endpoint, { token, body: { ...machine, environment: 'production' } });
    const clients = rpcClient(numbat.issuer, ClientService, numbat.token);
    const { client } = await clients.getClient({ id: String(made.body.client_id) });
    expect(client?.environment).toBe(Environment.STAGING);
    // The default resource belongs to production.
    expect(client?.audiences).toEqual([]);
    const scoped = { ...machine, scope: 'orders:read' };
    const other = await numbat.invite({ environment: Environment.STAGING });
    expect((await sendRegistration(numbat.endpoint, { token: other.token, body: scoped })).status).toBe(400);
  });
});

describe('RFC 7592', () => {
  let made: Record<string, unknown>;
  let uri: string;
  let token: string;

  beforeAll(async () => {
    const body = { redirect_uris: ['https://shop.example/cb'], client_name: 'Shop', scope: 'openid' };
    const answer = await sendRegistration(numbat.endpoint, { token: (await numbat.invite()).token, body });
    made = answer.body;
    uri = String(made.registration_client_uri);
    token = String(made.registration_access_token);
  });
  const replacement = () => {
    const { registration_access_token, registration_client_uri, client_secret_expires_at, ...rest } = made;
    const { client_id_issued_at, client_secret, ...metadata } = rest;
    return metadata;
  };
  const put = (body: unknown) => sendRegistration(uri, { token, body, method: 'PUT' });

  test.each([
    'registration_access_token',
    'registration_client_uri',
    'client_secret_expires_at',
    'client_id_issued_at',
  ])('%s in a replacement is refused (§2.2)', async (member) => {
    const answer = await put({ ...replacement(), [member]: made[member] });
    expect(answer).toMatchObject({ status: 400, body: { error: 'invalid_client_metadata' } });
    expect(answer.body.error_description).toContain(member);
  });

  test.each([
    ['no client_id', { client_id: undefined }, 'invalid_client_metadata'],
    ['another client_id', { client_id: 'cli_00000000000000000000000000' }, 'invalid_client_metadata'],
    ['a secret of its own choice', { client_secret: 'mine' }, 'invalid_client_metadata'],
    ['another name', { client_name: 'Numbat Bank' }, 'invalid_client_metadata'],
    ['no redirect URI', { redirect_uris: undefined }, 'invalid_redirect_uri'],
    ['another kind', { ...machine, redirect_uris: undefined, response_types: [] }, 'invalid_client_metadata'],
    ['a scope of ours', { scope: 'openid clients:manage' }, 'invalid_client_metadata'],
  ])('a replacement with %s is refused and changes nothing (§2.2)', async (_what, change, error) => {
    const before = await sendRegistration(uri, { token, method: 'GET' });
    expect(await put({ ...replacement(), ...change })).toMatchObject({ status: 400, body: { error } });
    expect((await sendRegistration(uri, { token, method: 'GET' })).body).toEqual(before.body);
  });

  test('its own secret may be shown again, and a replacement shows what was asked for', async () => {
    const answer = await put({ ...replacement(), client_secret: made.client_secret, scope: 'openid email' });
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({ scope: 'openid email', registration_access_token: token });
    expect(answer.body).not.toHaveProperty('client_secret');
  });

  test('without the token of this registration everybody hears the same, and nothing happens', async () => {
    const other = await sendRegistration(numbat.endpoint, { token: (await numbat.invite()).token, body: machine });
    const strange = [undefined, 'x', `${token}x`, numbat.token, String(other.body.registration_access_token)];
    const answers = [];
    for (const stranger of strange) {
      for (const method of ['GET', 'PUT', 'DELETE']) {
        const sent = { token: stranger, method, ...(method === 'PUT' && { body: replacement() }) };
        answers.push(await sendRegistration(uri, sent));
      }
    }
    for (const id of ['cli_00000000000000000000000000', 'x', 'cli_', 'CLI_00000000000000000000000000']) {
      answers.push(await sendRegistration(`${numbat.endpoint}/${id}`, { token, method: 'GET' }));
    }
    for (const { status, headers, body } of answers) {
      expect({ status, body }).toEqual({ status: 401, body: answers[0]?.body });
      expect(headers.get('www-authenticate')).toBe('Bearer error="invalid_token"');
    }
    expect((await sendRegistration(uri, { token, method: 'GET' })).status).toBe(200);
  });

  test('a draft gets no token, whatever its credential', async () => {
    const form = new URLSearchParams({ grant_type: 'client_credentials' });
    const basic = Buffer.from(`${made.client_id}:${made.client_secret}`).toString('base64');
    const headers = { authorization: `Basic ${basic}` };
    const answer = await fetch(`${numbat.issuer}/oauth2/token`, { method: 'POST', body: form, headers });
    expect([answer.status, await answer.json()]).toMatchObject([401, { error: 'invalid_client' }]);
  });
});

test('where registration is off there is no page, not even for tokens and clients that were good', async () => {
  const { token } = await numbat.invite();
  const made = await sendRegistration(numbat.endpoint, { token, body: machine });
  await numbat.setPolicy({ dynamicRegistration: false });
  const nowhere = await sendRegistration(`${numbat.issuer}/oauth2/nowhere`, { body: machine });
  expect(nowhere.status).toBe(404);
  const uri = String(made.body.registration_client_uri);
  const own = String(made.body.registration_access_token);
  for (const answer of [
    await sendRegistration(numbat.endpoint, { body: machine }),
    await sendRegistration(numbat.endpoint, { token: (await numbat.invite()).token, body: machine }),
    await sendRegistration(uri, { token: own, method: 'GET' }),
    await sendRegistration(uri, { token: own, method: 'DELETE' }),
  ]) {
    expect(answer).toMatchObject({ status: 404, body: nowhere.body });
  }
  await numbat.setPolicy({ dynamicRegistration: true });
  for (const method of ['GET', 'PUT', 'DELETE', 'PATCH']) {
    expect((await sendRegistration(numbat.endpoint, { token: own, method })).status).toBe(404);
  }
});
