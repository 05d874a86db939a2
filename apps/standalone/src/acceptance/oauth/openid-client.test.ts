import { openTestDatabase, testKek } from '@mono-auth/testing';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import * as client from 'openid-client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { authorizeAs, submitForm, textOf } from './browser-person.ts';
import {
  appScopes,
  type OAuthScene,
  openOAuthScene,
  ordersApi,
  type RegisteredClient,
  redirectUri,
  registerApp,
  registerMachine,
} from './oauth-scene.ts';

let scene: OAuthScene;

beforeAll(async () => {
  scene = await openOAuthScene(await openTestDatabase(), testKek);
});
afterAll(() => scene?.close());

const loopback = { execute: [client.allowInsecureRequests] };

/** Finds the issuer by its discovery document, as any relying party does. */
function discover({ id }: RegisteredClient, auth: client.ClientAuth): Promise<client.Configuration> {
  return client.discovery(new URL(scene.issuer), id, undefined, auth, loopback);
}

function keyAuth({ key }: RegisteredClient): client.ClientAuth {
  return client.PrivateKeyJwt({ key: key.privateKey, kid: key.jkt });
}

interface Begun {
  readonly callback: URL;
  readonly checks: client.AuthorizationCodeGrantChecks;
}

/** The front half of the code flow: PKCE, state, nonce, and a person who allows it. */
async function begin(
  config: client.Configuration,
  parameters: Record<string, string> = {},
  pushed?: { readonly DPoP?: client.DPoPHandle },
): Promise<Begun> {
  const verifier = client.randomPKCECodeVerifier();
  const checks = {
    pkceCodeVerifier: verifier,
    expectedState: client.randomState(),
    expectedNonce: client.randomNonce(),
  };
  const request = {
    redirect_uri: redirectUri,
    scope: appScopes.join(' '),
    resource: ordersApi,
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state: checks.expectedState,
    nonce: checks.expectedNonce,
    ...parameters,
  };
  const url = pushed
    ? await client.buildAuthorizationUrlWithPAR(config, request, pushed)
    : client.buildAuthorizationUrl(config, request);
  return { callback: await authorizeAs(scene.owner, url), checks };
}

test('a public app signs a person in, refreshes, and is refused what it has spent', async () => {
  const app = await registerApp(scene);
  const config = await discover(app, client.None());
  const { callback, checks } = await begin(config);
  expect(callback.searchParams.get('iss')).toBe(scene.issuer);
  const first = await client.authorizationCodeGrant(config, callback, checks);
  expect(decodeJwt(first.access_token)).toMatchObject({ iss: scene.issuer, aud: ordersApi, client_id: app.id });
  expect(decodeProtectedHeader(first.access_token)).toMatchObject({ typ: 'at+jwt', alg: 'ES256' });
  expect(first.claims()?.sub).toBe(decodeJwt(first.access_token).sub);

  const second = await client.refreshTokenGrant(config, first.refresh_token ?? '');
  expect(second.refresh_token).not.toBe(first.refresh_token);
  await expect(client.refreshTokenGrant(config, first.refresh_token ?? '')).rejects.toMatchObject({
    error: 'invalid_grant',
  });
  // Reuse ends the family (RFC 9700 §4.14.2): also what was rotated in good faith.
  await expect(client.refreshTokenGrant(config, second.refresh_token ?? '')).rejects.toMatchObject({
    error: 'invalid_grant',
  });
});

test('a code is good once, and its second use ends what came of the first', async () => {
  const app = await registerApp(scene);
  const config = await discover(app, client.None());
  const { callback, checks } = await begin(config);
  const tokens = await client.authorizationCodeGrant(config, callback, checks);
  await expect(client.authorizationCodeGrant(config, callback, checks)).rejects.toMatchObject({
    error: 'invalid_grant',
  });
  await expect(client.refreshTokenGrant(config, tokens.refresh_token ?? '')).rejects.toMatchObject({
    error: 'invalid_grant',
  });
});

test.each([
  ['client_secret_basic', 'AUTH_METHOD_CLIENT_SECRET_BASIC'],
  ['client_secret_post', 'AUTH_METHOD_CLIENT_SECRET_POST'],
  ['private_key_jwt', 'AUTH_METHOD_PRIVATE_KEY_JWT'],
] as const)('a confidential app authenticates by %s', async (method, authMethod) => {
  const app = await registerApp(scene, { authMethod });
  const auths = {
    client_secret_basic: () => client.ClientSecretBasic(app.secret),
    client_secret_post: () => client.ClientSecretPost(app.secret),
    private_key_jwt: () => keyAuth(app),
  };
  const config = await discover(app, auths[method]());
  const { callback, checks } = await begin(config);
  const tokens = await client.authorizationCodeGrant(config, callback, checks);
  const user = await client.fetchUserInfo(config, tokens.access_token, tokens.claims()?.sub ?? '');
  expect(user).toMatchObject({ email: 'owner@example.test' });

  expect(await client.tokenIntrospection(config, tokens.access_token)).toMatchObject({ active: true, sub: user.sub });
  await client.tokenRevocation(config, tokens.access_token);
  expect(await client.tokenIntrospection(config, tokens.access_token)).toEqual({ active: false });
  await client.tokenRevocation(config, tokens.refresh_token ?? '');
  await expect(client.refreshTokenGrant(config, tokens.refresh_token ?? '')).rejects.toMatchObject({
    error: 'invalid_grant',
  });
});

test('a machine asks for tokens of its own, with a secret or a key', async () => {
  const withSecret = await registerMachine(scene);
  const bySecret = await discover(withSecret, client.ClientSecretBasic(withSecret.secret));
  const withKey = await registerMachine(scene, { authMethod: 'AUTH_METHOD_PRIVATE_KEY_JWT' });
  const byKey = await discover(withKey, keyAuth(withKey));
  for (const config of [bySecret, byKey]) {
    const { access_token: token } = await client.clientCredentialsGrant(config, { resource: ordersApi });
    expect(decodeJwt(token)).toMatchObject({ aud: ordersApi, scope: 'orders:read orders:write' });
  }
});

test('a client that binds its tokens follows the nonce, and the tokens carry its key', async () => {
  const app = await registerApp(scene, { dpopBoundAccessTokens: true });
  const config = await discover(app, client.None());
  const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256'));
  const { callback, checks } = await begin(config);
  const tokens = await client.authorizationCodeGrant(config, callback, checks, undefined, { DPoP });
  expect(tokens.token_type).toBe('dpop');
  expect(decodeJwt<{ cnf: object }>(tokens.access_token).cnf).toEqual({ jkt: await DPoP.calculateThumbprint() });
  const user = await client.fetchUserInfo(config, tokens.access_token, tokens.claims()?.sub ?? '', { DPoP });
  expect(user.sub).toBe(tokens.claims()?.sub);
  const again = await client.refreshTokenGrant(config, tokens.refresh_token ?? '', undefined, { DPoP });
  const other = client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256'));
  await expect(
    client.refreshTokenGrant(config, again.refresh_token ?? '', undefined, { DPoP: other }),
  ).rejects.toMatchObject({ error: expect.stringMatching(/^invalid_(grant|dpop_proof)$/) });
  const third = await client.refreshTokenGrant(config, again.refresh_token ?? '', undefined, { DPoP });
  expect(third.token_type).toBe('dpop');
});

test('a request is pushed, referred to once, and answered as any other', async () => {
  const app = await registerApp(scene, { authMethod: 'AUTH_METHOD_CLIENT_SECRET_BASIC' });
  const config = await discover(app, client.ClientSecretBasic(app.secret));
  const { callback, checks } = await begin(config, {}, {});
  const tokens = await client.authorizationCodeGrant(config, callback, checks);
  expect(decodeJwt(tokens.access_token).aud).toBe(ordersApi);
});

test('a device without a browser gets its tokens once a person has allowed it elsewhere', async () => {
  const app = await registerApp(scene);
  const config = await discover(app, client.None());
  const device = await client.initiateDeviceAuthorization(config, {
    scope: 'openid offline_access orders:read',
    resource: ordersApi,
  });
  expect(device).toMatchObject({ user_code: expect.stringMatching(/^[B-Z]{4}-[B-Z]{4}$/) });
  const page = new URL(device.verification_uri_complete ?? device.verification_uri);
  const shown = await scene.owner.fetch(page.href.slice(scene.issuer.length));
  const html = await shown.text();
  expect(textOf(html)).toContain(device.user_code);
  await submitForm(scene.owner, page, html, { decision: 'allow' }).catch((error: unknown) => {
    // It may answer with a page instead of a redirect.
    if (!String(error).includes('answered 200')) throw error;
  });
  const tokens = await client.pollDeviceAuthorizationGrant(config, { ...device, interval: 0.01 });
  expect(decodeJwt(tokens.access_token)).toMatchObject({ aud: ordersApi, client_id: app.id });
  expect(tokens.refresh_token).toBeDefined();
});

test('a denial reaches the client as access_denied, with state and issuer', async () => {
  const app = await registerApp(scene);
  const config = await discover(app, client.None());
  const verifier = client.randomPKCECodeVerifier();
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: redirectUri,
    scope: 'openid orders:read',
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state: 'kept',
  });
  const callback = await authorizeAs(scene.owner, url, 'deny');
  expect(Object.fromEntries(callback.searchParams)).toMatchObject({
    error: 'access_denied',
    state: 'kept',
    iss: scene.issuer,
  });
});
