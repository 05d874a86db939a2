import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import tls from 'node:tls';
import { type Runtime, systemRuntime } from '@mono-auth/core/runtime';
import { ClientService, ClientStatus } from '@mono-auth/proto/monoauth/clients/v1/clients';
import { TokenService } from '@mono-auth/proto/monoauth/tokens/v1/tokens';
import { loopbackTls, openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import * as oauth from 'oauth4webapi';
import * as openid from 'openid-client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { rpcClient } from '../tour/person.ts';
import { type Installation, openInstallation } from './installation.ts';
import { makeKey, PlainClient, tokenOf } from './plain-client.ts';
import { openRegistrationScene, type RegistrationScene, sendRegistration } from './registration-scene.ts';

/** Whoever fetches keys waits between two fetches; that pause is passed over here. */
let movedMs = 0;
const runtime: Runtime = { ...systemRuntime, monotonicMs: () => systemRuntime.monotonicMs() + movedMs };

let db: TestDatabase;
let installation: Installation;
let numbat: RegistrationScene;
let bilby: RegistrationScene;

beforeAll(async () => {
  db = await openTestDatabase();
  installation = await openInstallation(db.database, testKek, { runtime });
  numbat = await openRegistrationScene(installation, 'numbat');
  bilby = await openRegistrationScene(installation, 'bilby');
  for (const scene of [numbat, bilby]) await scene.setPolicy({ dynamicRegistration: true });
});
afterAll(async () => {
  await installation?.close();
  await db?.close();
});

const clients = () => rpcClient(numbat.issuer, ClientService, numbat.token);
const isActive = async (token: string) =>
  (await rpcClient(numbat.issuer, TokenService, numbat.token).introspect({ token })).active;
const machine = {
  scope: 'orders:read',
  grant_types: ['client_credentials'],
  token_endpoint_auth_method: 'private_key_jwt',
};

/** Registers through an independent client, as a partner's software does. */
async function register(metadata: Partial<oauth.OmitSymbolProperties<oauth.Client>>, scene = numbat) {
  const { token: initialAccessToken } = await scene.invite();
  const server = { issuer: scene.issuer, registration_endpoint: scene.endpoint };
  const insecure = { [oauth.allowInsecureRequests]: true };
  const answer = await oauth.dynamicClientRegistrationRequest(server, metadata, { initialAccessToken, ...insecure });
  expect(answer.headers.get('cache-control')).toBe('no-store');
  return oauth.processDynamicClientRegistrationResponse(answer);
}

test('a partner registers with its keys, waits, is approved, rotates them under review and retires itself', async () => {
  const [first, second] = [await makeKey(), await makeKey()];
  const made = await register({ ...machine, client_name: 'Wallaby', jwks: { keys: [first.publicJwk] } });
  const id = made.client_id;
  const partner = new PlainClient(numbat.issuer, id, first);
  const uri = String(made.registration_client_uri);
  const token = String(made.registration_access_token);
  expect(uri).toBe(`${numbat.endpoint}/${id}`);

  const waiting = (await clients().getClient({ id })).client;
  expect(waiting?.status).toBe(ClientStatus.SUBMITTED);
  expect((await partner.clientCredentials()).body.error).toBe('invalid_client');
  await numbat.approve(id);
  const access = tokenOf(await partner.clientCredentials());
  expect(await isActive(access)).toBe(true);

  const { registration_access_token, registration_client_uri, client_id_issued_at, ...metadata } = made;
  const both = { ...metadata, jwks: { keys: [first.publicJwk, second.publicJwk] } };
  const proposed = await sendRegistration(uri, { token, body: both, method: 'PUT' });
  expect(proposed.status).toBe(200);
  const rotated = new PlainClient(numbat.issuer, id, second);
  expect((await rotated.clientCredentials()).status).toBe(401);
  expect((await partner.clientCredentials()).status).toBe(200);
  await numbat.approve(id);
  expect((await rotated.clientCredentials()).status).toBe(200);

  // Leaving the old key out narrows, so it needs nobody.
  const alone = { ...metadata, jwks: { keys: [second.publicJwk] } };
  expect((await sendRegistration(uri, { token, body: alone, method: 'PUT' })).status).toBe(200);
  expect((await partner.clientCredentials()).status).toBe(401);
  expect((await rotated.clientCredentials()).status).toBe(200);

  const gone = await sendRegistration(uri, { token, method: 'DELETE' });
  expect([gone.status, gone.headers.get('cache-control')]).toEqual([204, 'no-store']);
  expect((await rotated.clientCredentials()).status).toBe(401);
  expect((await sendRegistration(uri, { token, method: 'GET' })).status).toBe(401);
  expect(await isActive(access)).toBe(false);
  expect((await clients().getClient({ id })).client?.status).toBe(ClientStatus.RETIRED);
});

test('a partner publishes its keys itself: they are fetched, rotated at their address without anybody, and gone when it is retired', async () => {
  const [first, second] = [await makeKey(), await makeKey()];
  let published = [first];
  let fetched = 0;
  const site = createServer(loopbackTls, (_request, response) => {
    fetched++;
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: published.map(jwkOf) }));
  });
  await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve));
  const trusted = tls.getCACertificates('default');
  tls.setDefaultCACertificates([...trusted, loopbackTls.cert]);
  const jwks_uri = `https://localhost:${(site.address() as AddressInfo).port}/jwks`;
  try {
    const made = await register({ ...machine, client_name: 'Dunnart', jwks_uri });
    const [id, uri, token] = [
      made.client_id,
      String(made.registration_client_uri),
      String(made.registration_access_token),
    ];
    const [old, next] = [new PlainClient(numbat.issuer, id, first), new PlainClient(numbat.issuer, id, second)];
    expect([(await old.clientCredentials()).status, fetched]).toEqual([401, 0]);
    await numbat.approve(id);
    expect((await old.clientCredentials()).status).toBe(200);
    expect([(await old.clientCredentials()).status, fetched]).toEqual([200, 1]);

    published = [first, second];
    expect((await next.clientCredentials()).status).toBe(401);
    movedMs += 31_000;
    expect([(await next.clientCredentials()).status, (await old.clientCredentials()).status, fetched]).toEqual([
      200, 200, 2,
    ]);
    published = [second];
    movedMs += 301_000;
    expect([(await next.clientCredentials()).status, (await old.clientCredentials()).status]).toEqual([200, 401]);

    expect((await sendRegistration(uri, { token, method: 'DELETE' })).status).toBe(204);
    expect((await next.clientCredentials()).status).toBe(401);
  } finally {
    tls.setDefaultCACertificates(trusted);
    site.close();
  }
});

const jwkOf = ({ publicJwk }: Awaited<ReturnType<typeof makeKey>>) => publicJwk;

test('keys at an address of the client’s are registered by their address alone', async () => {
  const jwks_uri = 'https://partner.example/jwks';
  const made = await register({ ...machine, client_name: 'Quoll', jwks_uri });
  expect(made).toMatchObject({ jwks_uri, token_endpoint_auth_method: 'private_key_jwt', response_types: [] });
  expect(made).not.toHaveProperty('jwks');
});

test('a certified OpenID Connect client registers itself', async () => {
  const { token: initialAccessToken } = await numbat.invite();
  const redirect_uris = ['https://potoroo.example/cb'];
  const metadata = { client_name: 'Potoroo', redirect_uris, token_endpoint_auth_method: 'client_secret_post' };
  const config = await openid.dynamicClientRegistration(new URL(numbat.issuer), metadata, undefined, {
    initialAccessToken,
    execute: [openid.allowInsecureRequests],
  });
  expect(config.clientMetadata()).toMatchObject({ ...metadata, response_types: ['code'], scope: 'openid' });
  const { client } = await clients().getClient({ id: config.clientMetadata().client_id });
  expect(client?.status).toBe(ClientStatus.SUBMITTED);
});

test('everything that is registered is echoed as it is kept, and what is not kept is not echoed', async () => {
  const metadata = {
    client_name: 'Echidna',
    redirect_uris: ['https://echidna.example/cb'],
    post_logout_redirect_uris: ['https://echidna.example/bye'],
    backchannel_logout_uri: 'https://echidna.example/logout',
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'client_secret_basic',
    scope: 'openid email offline_access',
    client_uri: 'https://echidna.example',
    dpop_bound_access_tokens: true,
  };
  const ignored = { logo_uri: 'https://echidna.example/logo', contacts: ['x@echidna.example'], software_id: 'e' };
  const made = await register({ ...metadata, ...ignored, application_type: 'web' });
  const { registration_access_token, registration_client_uri, client_secret, ...shown } = made;
  expect(shown).toEqual({
    ...metadata,
    client_id: expect.stringMatching(/^cli_/),
    client_id_issued_at: expect.any(Number),
    client_secret_expires_at: expect.any(Number),
  });
  expect(client_secret).toMatch(/^mono_cs_[\w-]{43}$/);
  expect(registration_access_token).toMatch(/^mono_rat_[\w-]{43}$/);
  const read = await sendRegistration(String(registration_client_uri), {
    token: String(registration_access_token),
    method: 'GET',
  });
  const { client_secret_expires_at, ...kept } = shown;
  expect(read.body).toEqual({ ...kept, registration_access_token, registration_client_uri });
});

test('no secret and no token stands in the database as it is', async () => {
  const { token } = await numbat.invite();
  const body = { client_name: 'Dunnart', grant_types: ['client_credentials'] };
  const made = await sendRegistration(numbat.endpoint, { token, body });
  expect(made.status).toBe(201);
  const rows = await db.admin<{ text: string }>(
    `select c::text as text from mono.clients c union all select s::text from mono.client_secrets s
     union all select t::text from mono.registration_tokens t union all select e::text from mono.audit_events e`,
  );
  const dump = rows.map(({ text }) => text).join('\n');
  for (const secret of [token, made.body.client_secret, made.body.registration_access_token]) {
    expect(dump).not.toContain(String(secret));
  }
});

test('of fifty who use one initial access token one registers, ten times over', async () => {
  for (let round = 0; round < 10; round++) {
    const { token } = await numbat.invite();
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, at) =>
        sendRegistration(numbat.endpoint, {
          token,
          body: { client_name: `racer ${round} ${at}`, grant_types: ['client_credentials'] },
        }),
      ),
    );
    const statuses = answers.map(({ status }) => status);
    expect(statuses.filter((status) => status === 201)).toHaveLength(1);
    expect(statuses.filter((status) => status === 401)).toHaveLength(49);
  }
  const rows = await db.admin<{ id: string }>(`select id from mono.clients where name like 'racer %'`);
  expect(rows).toHaveLength(10);
});

test('a draft that nobody has approved in 30 days is retired, with evidence; one that is approved stays', async () => {
  const idle = (await register({ client_name: 'Idle', grant_types: ['client_credentials'] })).client_id;
  const busy = (await register({ client_name: 'Busy', grant_types: ['client_credentials'] })).client_id;
  await numbat.approve(busy);
  await db.admin(`update mono.clients set created_at = created_at - interval '30 days 1 minute',
    updated_at = updated_at - interval '30 days 1 minute' where name in ('Idle', 'Busy')`);
  await installation.controlPlane.jobs.sweep();
  expect((await clients().getClient({ id: idle })).client?.status).toBe(ClientStatus.RETIRED);
  expect((await clients().getClient({ id: busy })).client?.status).toBe(ClientStatus.APPROVED);
  const events = await db.admin(`select id from mono.audit_events where type = 'client.retired' and object_id = $1`, [
    idle,
  ]);
  expect(events).toHaveLength(1);
});

test('another tenant’s tokens and registrations are answered like those that never were, and are not used up', async () => {
  const { token } = await numbat.invite();
  const body = { client_name: 'Bandicoot', grant_types: ['client_credentials'] };
  const never = await sendRegistration(bilby.endpoint, { token: `mono_iat_${'A'.repeat(43)}`, body });
  const foreign = await sendRegistration(bilby.endpoint, { token, body });
  expect(foreign).toMatchObject({ status: 401, body: never.body });
  const made = await sendRegistration(numbat.endpoint, { token, body });
  expect(made.status).toBe(201);

  const { client_id, registration_access_token } = made.body as Record<string, string>;
  for (const method of ['GET', 'PUT', 'DELETE']) {
    const at = (id: string) =>
      sendRegistration(`${bilby.endpoint}/${id}`, {
        token: registration_access_token,
        method,
        ...(method === 'PUT' && { body: { client_id: id } }),
      });
    const [theirs, nobodys] = [await at(String(client_id)), await at('cli_00000000000000000000000000')];
    expect(theirs).toMatchObject({ status: 401, body: nobodys.body });
  }
  const mine = { token: registration_access_token, method: 'GET' };
  expect((await sendRegistration(`${numbat.endpoint}/${client_id}`, mine)).status).toBe(200);
});
