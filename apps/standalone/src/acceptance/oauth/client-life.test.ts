import type { JsonObject } from '@bufbuild/protobuf';
import { openTestDatabase, testKek } from '@mono-auth/testing';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ask, basic, send } from './negative/ask.ts';
import { authenticated, authorizationRequest, redemption, refreshing } from './negative/lab.ts';
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
const clients = (method: string, message: JsonObject) => scene.rpc(`clients.v1.ClientService/${method}`, message);
const withSecret = { authMethod: 'AUTH_METHOD_CLIENT_SECRET_BASIC' };

beforeAll(async () => {
  scene = await openOAuthScene(await openTestDatabase(), testKek);
});
afterAll(() => scene?.close());

async function clientOf({ id }: RegisteredClient): Promise<JsonObject> {
  return (await clients('GetClient', { id })).client as JsonObject;
}

/** What a client can get right now, at each endpoint that gives something. */
async function gains(app: RegisteredClient, refreshToken: string, accessToken: string): Promise<string[]> {
  const request = authorizationRequest(app, 'v'.repeat(43));
  const authorized = await scene.owner.fetch(`/oauth2/authorize?${request}`);
  const refresh = ask(scene.issuer, '/oauth2/token', { grant_type: 'refresh_token', refresh_token: refreshToken });
  const introspect = ask(scene.issuer, '/oauth2/introspect', { token: accessToken });
  const device = ask(scene.issuer, '/oauth2/device_authorization', { scope: 'openid' });
  const push = ask(scene.issuer, '/oauth2/par', Object.fromEntries(request));
  const gained = [
    authorized.status < 400 && !authorized.headers.get('location')?.includes('error=') && 'code',
    (await send(authenticated(refresh, app))).status === 200 && 'refresh',
    (await send(authenticated(introspect, app))).status === 200 && 'introspection',
    (await send(authenticated(device, app))).status === 200 && 'device code',
    (await send(authenticated(push, app))).status === 201 && 'pushed request',
  ];
  return gained.filter((name): name is string => typeof name === 'string');
}

describe('a client gets what its status allows, and nothing else', () => {
  test.each(['draft', 'submitted'])('as %s: nothing', async (status) => {
    const app = await registerApp(scene, withSecret, { approve: false, submit: status === 'submitted' });
    expect((await clientOf(app)).status).toBe(`CLIENT_STATUS_${status.toUpperCase()}`);
    expect(await gains(app, 'none', 'none')).toEqual([]);
    const machine = await registerMachine(scene, {}, { approve: false, submit: status === 'submitted' });
    const request = ask(scene.issuer, '/oauth2/token', { grant_type: 'client_credentials' });
    expect((await send(authenticated(request, machine))).body).toMatchObject({ error: 'invalid_client' });
  });

  test.each(['suspended', 'retired'])('approved: everything; then %s: nothing, and its tokens die', async (status) => {
    const app = await registerApp(scene, withSecret);
    const refresh = await refreshing({ scene }, app);
    const { body } = await send(refresh);
    const [refreshToken, accessToken] = [String(body.refresh_token), String(body.access_token)];
    expect(await gains(app, refreshToken, accessToken)).toEqual([
      'code',
      'refresh',
      'introspection',
      'device code',
      'pushed request',
    ]);
    await clients(status === 'suspended' ? 'SuspendClient' : 'RetireClient', { id: app.id, reason: 'test' });
    expect(await gains(app, refreshToken, accessToken)).toEqual([]);
    const other = await registerApp(scene, { ...withSecret, scopes: [...appScopes, 'tokens:introspect'] });
    const request = ask(scene.issuer, '/oauth2/introspect', { token: accessToken });
    expect((await send(authenticated(request, other))).body).toEqual({ active: false });
  });
});

/** One field of the manifest, wider than before, and a request that needs it. */
const widenings: readonly (readonly [string, JsonObject, (request: URLSearchParams) => void])[] = [
  [
    'a redirect URI',
    { redirectUris: [redirectUri, `${redirectUri}/new`] },
    (r) => r.set('redirect_uri', `${redirectUri}/new`),
  ],
  ['a scope', { scopes: [...appScopes, 'orders:delete'] }, (r) => r.set('scope', 'openid orders:delete')],
  [
    'an audience',
    { audiences: [ordersApi, 'https://billing.example.test'] },
    (r) => r.set('resource', 'https://billing.example.test'),
  ],
];

test.each(widenings)('%s that is added counts once it is approved, and not before', async (name, wider, needs) => {
  if (name === 'an audience') {
    const billing = {
      identifier: 'https://billing.example.test',
      name: 'Billing',
      environment: 'ENVIRONMENT_PRODUCTION',
    };
    await clients('CreateResource', billing);
  }
  const app = await registerApp(scene, withSecret);
  const asked = async () => {
    const request = authorizationRequest(app, 'v'.repeat(43));
    needs(request);
    const answer = await scene.owner.fetch(`/oauth2/authorize?${request}`);
    return answer.status < 400 && !answer.headers.get('location')?.includes('error=');
  };
  const { manifest, version } = await clientOf(app);
  const { client } = await clients('UpdateClient', {
    id: app.id,
    version: version as string,
    manifest: { ...(manifest as JsonObject), ...wider },
    submit: true,
  });
  const { proposedHash, manifestHash } = client as JsonObject;
  expect(await asked()).toBe(false);
  expect((await clientOf(app)).manifestHash).toBe(manifestHash);
  await expect(clients('ApproveClient', { id: app.id, manifestHash: String(manifestHash) })).rejects.toThrow(
    /stale_version|aborted/,
  );
  await clients('ApproveClient', { id: app.id, manifestHash: String(proposedHash) });
  expect(await asked()).toBe(true);
});

test('what is taken out of the manifest is gone at once, without an approval', async () => {
  const app = await registerApp(scene, { ...withSecret, redirectUris: [redirectUri, `${redirectUri}/old`] });
  const { manifest, version } = await clientOf(app);
  const narrower = { ...(manifest as JsonObject), redirectUris: [redirectUri], scopes: ['openid', 'orders:read'] };
  await clients('UpdateClient', { id: app.id, version: version as string, manifest: narrower });
  const request = authorizationRequest(app, 'v'.repeat(43));
  request.set('redirect_uri', `${redirectUri}/old`);
  expect((await scene.owner.fetch(`/oauth2/authorize?${request}`)).status).toBe(400);
  request.set('redirect_uri', redirectUri);
  const refused = await scene.owner.fetch(`/oauth2/authorize?${request}`);
  expect(refused.headers.get('location')).toContain('error=invalid_scope');
});

test('two secrets live in their overlap, each with its last use, and a retired one is dead at once', async () => {
  const machine = await registerMachine(scene);
  const works = async (secret: string) => {
    const request = ask(scene.issuer, '/oauth2/token', { grant_type: 'client_credentials' });
    request.headers.set('authorization', basic(machine.id, secret));
    return (await send(request)).status === 200;
  };
  const rotated = await clients('RotateSecret', { id: machine.id, overlapSeconds: 3_600 });
  const next = String(rotated.clientSecret);
  expect([await works(machine.secret), await works(next)]).toEqual([true, true]);
  const { secrets = [] } = (await clientOf(machine)) as { secrets?: JsonObject[] };
  expect(secrets).toHaveLength(2);
  for (const { lastUsedAt } of secrets) expect(lastUsedAt).toBeDefined();
  const newest = (rotated.secret as JsonObject).id;
  const old = secrets.find(({ id }) => id !== newest);
  await clients('RetireSecret', { id: machine.id, secretId: String(old?.id) });
  expect([await works(machine.secret), await works(next)]).toEqual([false, true]);
  expect(JSON.stringify(await clientOf(machine))).not.toContain(next);
});

test('a ceiling that is lowered holds from the next token on', async () => {
  const app = await registerApp(scene, { ...withSecret, accessTokenTtlSeconds: 1_800 });
  const lifetime = (token: unknown) => {
    const { iat = 0, exp = 0 } = decodeJwt(String(token));
    return exp - iat;
  };
  const refresh = await refreshing({ scene }, app);
  const first = await send(refresh);
  expect(lifetime(first.body.access_token)).toBe(1_800);
  const { policy, version = '0' } = await scene.rpc('tenants.v1.TenantService/GetSecurityPolicy', {});
  await scene.rpc('tenants.v1.TenantService/UpdateSecurityPolicy', {
    version,
    policy: { ...(policy as JsonObject), accessTokenTtlSecondsMax: 120 },
  });
  refresh.form.set('refresh_token', String(first.body.refresh_token));
  expect(lifetime((await send(refresh)).body.access_token)).toBe(120);
  const now = await scene.rpc('tenants.v1.TenantService/GetSecurityPolicy', {});
  await scene.rpc('tenants.v1.TenantService/UpdateSecurityPolicy', {
    version: now.version as string,
    policy: policy as JsonObject,
  });
});

describe('two products in two environments, one sign-in', () => {
  const billingApi = 'https://billing.prod.example.test';
  const stagingApi = 'https://orders.staging.example.test';

  beforeAll(async () => {
    await clients('CreateResource', {
      identifier: billingApi,
      name: 'Billing',
      environment: 'ENVIRONMENT_PRODUCTION',
      product: 'billing',
      scopes: ['billing:read'],
    });
    await clients('CreateResource', {
      identifier: stagingApi,
      name: 'Orders',
      environment: 'ENVIRONMENT_STAGING',
      product: 'orders',
      scopes: ['orders:read'],
    });
  });
  const billing = () =>
    registerApp(
      scene,
      { ...withSecret, scopes: ['openid', 'billing:read'], audiences: [billingApi] },
      { product: 'billing' },
    );
  const staging = () =>
    registerApp(
      scene,
      { ...withSecret, scopes: ['openid', 'offline_access', 'orders:read'], audiences: [stagingApi] },
      { product: 'orders', environment: 'ENVIRONMENT_STAGING' },
    );
  const narrow = (resource: string, scope: string) => ({ resource, scope });

  test('each token carries its own product’s audience and scope', async () => {
    const orders = await send(await redemption({ scene }, await registerApp(scene, withSecret)));
    const bills = await send(await redemption({ scene }, await billing(), narrow(billingApi, 'openid billing:read')));
    const stage = await send(await redemption({ scene }, await staging(), narrow(stagingApi, 'openid orders:read')));
    const claimsOf = ({ body }: typeof orders) => decodeJwt<{ scope: string }>(String(body.access_token));
    expect(claimsOf(orders)).toMatchObject({ aud: ordersApi, scope: expect.not.stringContaining('billing') });
    expect(claimsOf(bills)).toMatchObject({ aud: billingApi, scope: 'openid billing:read' });
    expect(claimsOf(stage)).toMatchObject({ aud: stagingApi, scope: 'openid orders:read' });
    expect(claimsOf(bills).sub).toBe(claimsOf(orders).sub);
  });

  test('a client whose tokens could be for nothing is refused before its person is asked, not after', async () => {
    const inDevelopment = { environment: 'ENVIRONMENT_DEVELOPMENT' } as const;
    const idle = await registerApp(scene, { ...withSecret, scopes: ['openid'], audiences: [] }, inDevelopment);
    const request = authorizationRequest(idle, 'v'.repeat(43));
    request.delete('resource');
    request.set('scope', 'openid');
    const refused = async () => {
      const atFront = await scene.owner.fetch(`/oauth2/authorize?${request}`);
      const pushed = ask(scene.issuer, '/oauth2/par', Object.fromEntries(request));
      const device = ask(scene.issuer, '/oauth2/device_authorization', { scope: 'openid' });
      const answers = await Promise.all([pushed, device].map((one) => send(authenticated(one, idle))));
      const location = new URL(atFront.headers.get('location') ?? '', scene.issuer);
      return [location.searchParams.get('error'), ...answers.map(({ body }) => body.error ?? null)];
    };
    expect(await refused()).toEqual(['invalid_target', 'invalid_target', 'invalid_target']);
    const identifier = 'https://default.dev.example.test';
    const rest = { name: 'Default', ...inDevelopment, scopes: ['orders:read'], isDefault: true };
    await clients('CreateResource', { identifier, ...rest });
    expect(await refused()).toEqual([null, null, null]);
    const code = await redemption({ scene }, idle, { scope: 'openid', resource: '' });
    expect(decodeJwt(String((await send(code)).body.access_token)).aud).toBe(identifier);
  });

  test('nothing of staging works in production, nor the reverse', async () => {
    const [stage, prod] = [await staging(), await registerApp(scene, withSecret)];
    const code = await redemption({ scene }, stage, narrow(stagingApi, 'openid orders:read'));
    code.headers.set('authorization', basic(prod.id, prod.secret));
    expect((await send(code)).body).toMatchObject({ error: 'invalid_grant' });
    code.headers.set('authorization', basic(prod.id, stage.secret));
    expect((await send(code)).body).toMatchObject({ error: 'invalid_client' });
    code.headers.set('authorization', basic(stage.id, prod.secret));
    expect((await send(code)).body).toMatchObject({ error: 'invalid_client' });
    code.headers.set('authorization', basic(stage.id, stage.secret));
    const { body } = await send(code);
    const seen = ask(scene.issuer, '/oauth2/introspect', { token: String(body.access_token) });
    expect((await send(authenticated(seen, prod))).body).toEqual({ active: false });
    for (const [client, resource] of [
      [stage, ordersApi],
      [prod, stagingApi],
    ] as const) {
      const request = authorizationRequest(client, 'v'.repeat(43));
      request.set('resource', resource);
      request.set('scope', 'openid orders:read');
      const answer = await scene.owner.fetch(`/oauth2/authorize?${request}`);
      expect(answer.headers.get('location')).toContain('error=invalid_target');
    }
    await expect(
      registerApp(scene, { ...withSecret, audiences: [ordersApi] }, { environment: 'ENVIRONMENT_STAGING' }),
    ).rejects.toThrow(/audiences/);
  });
});
