import { openTestDatabase, testKek } from '@mono-auth/testing';
import * as oauth from 'oauth4webapi';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { authorizeAs } from './browser-person.ts';
import {
  appScopes,
  type OAuthScene,
  openOAuthScene,
  ordersApi,
  redirectUri,
  registerApp,
  registerMachine,
} from './oauth-scene.ts';

let scene: OAuthScene;
let as: oauth.AuthorizationServer;
const loopback = { [oauth.allowInsecureRequests]: true };

beforeAll(async () => {
  scene = await openOAuthScene(await openTestDatabase(), testKek);
});
afterAll(() => scene?.close());

test.each(['oidc', 'oauth2'] as const)(
  'its %s metadata is found where the specification has it, and says who it is',
  async (algorithm) => {
    const issuer = new URL(scene.issuer);
    const answer = await oauth.discoveryRequest(issuer, { algorithm, ...loopback });
    as = await oauth.processDiscoveryResponse(issuer, answer);
    expect(as).toMatchObject({
      authorization_response_iss_parameter_supported: true,
      code_challenge_methods_supported: ['S256'],
    });
  },
);

test('a code with every check that the specification has, and an ID token whose signature is verified as well', async () => {
  const app = await registerApp(scene, { authMethod: 'AUTH_METHOD_CLIENT_SECRET_POST' });
  const client: oauth.Client = { client_id: app.id };
  const auth = oauth.ClientSecretPost(app.secret);
  const verifier = oauth.generateRandomCodeVerifier();
  const [state, nonce] = [oauth.generateRandomState(), oauth.generateRandomNonce()];
  const url = new URL(as.authorization_endpoint as string);
  url.search = new URLSearchParams({
    ...{ client_id: app.id, redirect_uri: redirectUri, response_type: 'code', scope: appScopes.join(' ') },
    ...{ code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256' },
    ...{ state, nonce, resource: ordersApi, max_age: '3600' },
  }).toString();
  const callback = oauth.validateAuthResponse(as, client, await authorizeAs(scene.owner, url), state);
  const answer = await oauth.authorizationCodeGrantRequest(as, client, auth, callback, redirectUri, verifier, loopback);
  const tokens = await oauth.processAuthorizationCodeResponse(as, client, answer, {
    expectedNonce: nonce,
    maxAge: 3600,
    requireIdToken: true,
  });
  await oauth.validateApplicationLevelSignature(as, answer, loopback);
  const { sub } = oauth.getValidatedIdTokenClaims(tokens) as oauth.IDToken;
  const userinfo = await oauth.userInfoRequest(as, client, tokens.access_token, loopback);
  expect(await oauth.processUserInfoResponse(as, client, sub, userinfo)).toMatchObject({ email: 'owner@example.test' });

  const refreshed = await oauth.refreshTokenGrantRequest(as, client, auth, tokens.refresh_token as string, loopback);
  const next = await oauth.processRefreshTokenResponse(as, client, refreshed);
  expect(next.refresh_token).not.toBe(tokens.refresh_token);
  const revoked = await oauth.revocationRequest(as, client, auth, next.refresh_token as string, loopback);
  expect(await oauth.processRevocationResponse(revoked)).toBeUndefined();
  const introspected = await oauth.introspectionRequest(as, client, auth, next.access_token, loopback);
  expect(await oauth.processIntrospectionResponse(as, client, introspected)).toEqual({ active: false });
});

test('a machine with a key of its own, whose introspection answer is signed for it', async () => {
  const machine = await registerMachine(scene, { authMethod: 'AUTH_METHOD_PRIVATE_KEY_JWT' });
  const client: oauth.Client = { client_id: machine.id };
  const auth = () => oauth.PrivateKeyJwt({ key: machine.key.privateKey, kid: machine.key.jkt });
  const DPoP = oauth.DPoP(client, await oauth.generateKeyPair('ES256'));
  const ask = () =>
    oauth.clientCredentialsGrantRequest(as, client, auth(), { resource: ordersApi }, { DPoP, ...loopback });
  const tokens = await oauth.processClientCredentialsResponse(as, client, await ask()).catch(async (error: unknown) => {
    // RFC 9449 §8: the server gives the nonce, and the client comes again.
    if (!oauth.isDPoPNonceError(error)) throw error;
    return oauth.processClientCredentialsResponse(as, client, await ask());
  });
  expect(tokens.token_type).toBe('dpop');
  const answer = await oauth.introspectionRequest(as, client, auth(), tokens.access_token, {
    requestJwtResponse: true,
    ...loopback,
  });
  const introspection = await oauth.processIntrospectionResponse(as, client, answer);
  await oauth.validateApplicationLevelSignature(as, answer, loopback);
  expect(introspection).toMatchObject({ active: true, client_id: machine.id, token_type: 'DPoP' });
});
