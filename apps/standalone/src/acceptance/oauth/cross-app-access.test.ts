import { auth, CrossAppAccessProvider, discoverAndRequestJwtAuthGrant } from '@modelcontextprotocol/client';
import { openTestDatabase, testKek } from '@mono-auth/testing';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  askingForIdJag,
  type FederationScene,
  idOf,
  link,
  openFederation,
  redeeming,
  signInAtIdp,
  trust,
} from './federation-scene.ts';
import { type McpServer, startMcpServer } from './mcp-server.ts';
import { ask, send } from './negative/ask.ts';
import { authenticated } from './negative/lab.ts';
import { ordersApi, registerApp } from './oauth-scene.ts';

let scene: FederationScene;
let server: McpServer;

beforeAll(async () => {
  scene = await openFederation(await openTestDatabase(), testKek);
  server = startMcpServer(() => scene.home.issuer);
});
afterAll(async () => {
  await server?.close();
  await scene?.home.close();
});

test('the MCP client of the second generation does Cross App Access between two tenants', async () => {
  const { home, idp } = scene;
  await home.rpc('clients.v1.ClientService/CreateResource', {
    identifier: server.url.href,
    name: 'MCP server',
    environment: 'ENVIRONMENT_PRODUCTION',
    scopes: ['orders:read'],
  });
  const agent = await registerApp(home, {
    ...{ authMethod: 'AUTH_METHOD_CLIENT_SECRET_BASIC', redirectUris: [], audiences: [server.url.href] },
    grantTypes: ['urn:ietf:params:oauth:grant-type:jwt-bearer'],
  });
  const agentAtIdp = await registerApp(idp, {
    authMethod: 'AUTH_METHOD_CLIENT_SECRET_POST',
    grantTypes: ['authorization_code', 'urn:ietf:params:oauth:grant-type:token-exchange'],
  });
  await home.rpc('federation.v1.FederationService/RemoveIssuer', { id: scene.issuerId });
  const issuerId = await trust(home, {
    ...{ issuer: idp.issuer, jwksUri: `${idp.issuer}/jwks`, purposes: ['ASSERTION_PURPOSE_ID_JAG'] },
    audiences: [server.url.href, ordersApi],
  });
  const userId = scene.subjectAtHome.slice('user:'.length);
  const subjectId = await link(home, { issuerId, subject: scene.subjectAtIdp, userId });
  await idp.rpc('federation.v1.FederationService/TrustResourceServer', {
    ...{ issuer: home.issuer, name: 'MCP', clientId: agentAtIdp.id, remoteClientId: agent.id },
    ...{ profile: 'ASSERTION_PROFILE_ENTERPRISE_MANAGED', resources: [server.url.href], scopes: ['orders:read'] },
  });
  const { id_token: idToken } = await signInAtIdp({ ...scene, clientAtIdp: agentAtIdp });
  let idJag = '';
  const provider = new CrossAppAccessProvider({
    ...{ clientId: agent.id, clientSecret: agent.secret, expectedIssuer: home.issuer },
    assertion: async ({ authorizationServerUrl, resourceUrl, scope, fetchFn }) => {
      const granted = await discoverAndRequestJwtAuthGrant({
        ...{ idpUrl: idp.issuer, audience: authorizationServerUrl, resource: resourceUrl, idToken, fetchFn },
        ...{ clientId: agentAtIdp.id, clientSecret: agentAtIdp.secret },
        ...(scope !== undefined && { scope }),
      });
      idJag = granted.jwtAuthGrant;
      return idJag;
    },
  });
  expect(await auth(provider, { serverUrl: server.url })).toBe('AUTHORIZED');

  expect(decodeProtectedHeader(idJag).typ).toBe('oauth-id-jag+jwt');
  const said = decodeJwt(idJag);
  expect(said).toMatchObject({
    ...{ iss: idp.issuer, aud: home.issuer, sub: scene.subjectAtIdp, client_id: agent.id },
    ...{ resource: server.url.href, scope: 'orders:read' },
  });
  expect(Object.keys(said).sort()).toEqual(
    ['iss', 'sub', 'aud', 'exp', 'iat', 'jti', 'scope', 'client_id', 'resource', 'auth_time'].sort(),
  );
  const token = provider.tokens()?.access_token ?? '';
  expect(decodeJwt(token)).toMatchObject({
    ...{ iss: home.issuer, aud: server.url.href, sub: scene.subjectAtHome, client_id: agent.id, scope: 'orders:read' },
    ...{ grants: [issuerId, subjectId], auth_time: said.auth_time },
  });
  expect(Object.keys(decodeJwt(token)).sort()).toEqual(
    [
      ...['iss', 'aud', 'sub', 'exp', 'iat', 'jti', 'client_id', 'scope', 'tenant_id', 'tenant_role', 'ep', 'fs'],
      ...['grants', 'auth_time', 'did', 'pv'],
    ].sort(),
  );
  expect(decodeJwt(token).exp).toBeLessThanOrEqual(said.exp ?? 0);
  expect(provider.tokens()).not.toHaveProperty('refresh_token');
  await home.rpc('federation.v1.FederationService/RemoveIssuer', { id: issuerId });
  const introspection = ask(home.issuer, '/oauth2/introspect', { token });
  expect((await send(authenticated(introspection, agent))).body).toEqual({ active: false });
  scene = { ...scene, issuerId: await trust(home, { issuer: idp.issuer, jwksUri: `${idp.issuer}/jwks` }) };
  scene = { ...scene, subjectId: await link(home, { issuerId: scene.issuerId, subject: scene.subjectAtIdp, userId }) };
});

test('an ID token, or a living refresh token, becomes an ID-JAG, which its client redeems as often as it needs until it expires', async () => {
  const tokens = await signInAtIdp(scene);
  const byIdToken = await send(askingForIdJag(scene, tokens.id_token));
  expect(byIdToken).toMatchObject({
    status: 200,
    body: {
      ...{ token_type: 'N_A', issued_token_type: 'urn:ietf:params:oauth:token-type:id-jag', scope: 'orders:read' },
      expires_in: 300,
    },
  });
  expect(byIdToken.headers.get('cache-control')).toBe('no-store');
  expect(byIdToken.body).not.toHaveProperty('refresh_token');
  const byRefresh = askingForIdJag(scene, tokens.refresh_token);
  byRefresh.form.set('subject_token_type', 'urn:ietf:params:oauth:token-type:refresh_token');
  expect((await send(byRefresh)).status).toBe(200);
  // It was looked at and not used up.
  expect((await send(byRefresh)).status).toBe(200);
  for (const _ of [1, 2]) {
    const answer = await send(redeeming(scene, String(byIdToken.body.access_token)));
    expect(answer).toMatchObject({ status: 200, body: { token_type: 'Bearer', scope: 'orders:read' } });
    expect(answer.body).not.toHaveProperty('refresh_token');
    expect(answer.body).not.toHaveProperty('id_token');
  }
});

test('what was issued dies with the link and with the issuer, at once, and nothing of it comes back', async () => {
  const { home } = scene;
  const { id_token } = await signInAtIdp(scene);
  const idJag = String((await send(askingForIdJag(scene, id_token))).body.access_token);
  const redeem = async () => String((await send(redeeming(scene, idJag))).body.access_token);
  const isActive = async (token: string) => {
    const request = ask(home.issuer, '/oauth2/introspect', { token });
    return (await send(authenticated(request, scene.client))).body.active;
  };
  const first = await redeem();
  expect(await isActive(first)).toBe(true);
  await home.rpc('federation.v1.FederationService/SuspendIssuer', { id: scene.issuerId, reason: 'looked at' });
  expect(await isActive(first)).toBe(false);
  expect((await send(redeeming(scene, idJag))).body.error).toBe('invalid_grant');
  await home.rpc('federation.v1.FederationService/ResumeIssuer', { id: scene.issuerId });
  const second = await redeem();
  expect([await isActive(first), await isActive(second)]).toEqual([false, true]);
  await home.rpc('federation.v1.FederationService/UnlinkSubject', { id: scene.subjectId });
  expect(await isActive(second)).toBe(false);
  expect((await send(redeeming(scene, idJag))).body.error).toBe('invalid_grant');
  const { subjects = [] } = await home.rpc('federation.v1.FederationService/ListSubjects', {
    issuerId: scene.issuerId,
  });
  expect(subjects).toEqual([]);
  const userId = scene.subjectAtHome.slice('user:'.length);
  const asked = { issuerId: scene.issuerId, subject: scene.subjectAtIdp, userId };
  expect(idOf(await home.rpc('federation.v1.FederationService/LinkSubject', asked), 'subject')).not.toBe(
    scene.subjectId,
  );
});

test('metadata says so where it is in force, never whom it trusts, and says nothing of it elsewhere', async () => {
  const read = async (issuer: string) => (await fetch(`${issuer}/.well-known/openid-configuration`)).json();
  const document = await read(scene.home.issuer);
  expect(document).toMatchObject({
    identity_chaining_requested_token_types_supported: [
      'urn:ietf:params:oauth:token-type:id-jag',
      'urn:ietf:params:oauth:token-type:jwt',
    ],
    authorization_grant_profiles_supported: ['urn:ietf:params:oauth:grant-profile:id-jag'],
    grant_types_supported: expect.arrayContaining(['urn:ietf:params:oauth:grant-type:jwt-bearer']),
  });
  expect(JSON.stringify(document)).not.toContain(scene.idp.issuer);
  const silent = await read(scene.home.issuer.replace('/t/home', '/t/platform'));
  expect(JSON.stringify(silent)).not.toMatch(/jwt-bearer|id-jag|identity_chaining/);
});
