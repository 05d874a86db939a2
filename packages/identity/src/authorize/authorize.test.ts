import { createHash } from 'node:crypto';
import { base64url, utf8 } from '@mono-auth/core/encoding';
import type { ClientId } from '@mono-auth/core/ids';
import { systemRuntime } from '@mono-auth/core/runtime';
import type { Tenant } from '@mono-auth/tenants';
import { openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Browser, openBrowser } from '../browser.ts';
import { openScene, type Scene } from '../identity-scene.ts';
import { actionIn, answerOf, authorizePathOf, challenge, decide, fieldIn, redirectUri } from './authorize-scene.ts';

const baseUrl = 'https://id.example';
const email = 'ada@example.com';
const password = 'correct horse battery';
const authorizePath = authorizePathOf('acme');
let db: TestDatabase;
let scene: Scene;
let acme: Tenant;
let globex: Tenant;
let app: ClientId;

beforeAll(async () => {
  db = await openTestDatabase();
  scene = openScene({ ...db, runtime: systemRuntime, baseUrl, kek: testKek });
  acme = await scene.openTenant('acme');
  globex = await scene.openTenant('globex');
  await scene.openUser(acme, email, password);
  await scene.openUser(globex, email, password);
  app = await db.insertApp(acme);
  await db.insertResource(acme, 'https://orders.example');
});
afterAll(() => db.close());

async function signedIn(slug = 'acme'): Promise<Browser> {
  const browser = openBrowser(scene, baseUrl);
  expect((await browser.post(`/t/${slug}/auth/sign-in/email`, { email, password })).status).toBe(200);
  return browser;
}

test('a person who has allowed it once gets the client its code: 303, state as it came, iss, and nothing else', async () => {
  const browser = await signedIn();
  const asked = await browser.get(authorizePath(app));
  expect([asked.status, asked.headers.get('location')?.split('?')[0]]).toEqual([303, '/t/acme/consent']);
  const first = await decide(browser, asked, 'allow');
  const again = await browser.get(authorizePath(app));
  for (const answer of [first, again]) {
    expect(answer.status).toBe(303);
    const { to, params } = answerOf(answer);
    expect(to).toBe(redirectUri);
    expect(params).toEqual({ code: expect.stringMatching(/^[A-Za-z0-9]{32}$/), state: 'st+a te%/', iss: acme.issuer });
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(answer.headers.get('access-control-allow-origin')).toBeNull();
  }
});

test('a code stands as a digest, lives 60 s, and tells what it stands for without being used up', async () => {
  const browser = await signedIn();
  const extra = { nonce: 'n-1', dpop_jkt: challenge, resource: 'https://orders.example' };
  const fresh = await db.insertApp(acme);
  const asked = await browser.get(authorizePath(fresh, extra));
  const before = systemRuntime.nowMs();
  const { code = '' } = answerOf(await decide(browser, asked, 'allow')).params;
  const rows = await db.admin<{ identifier: string; value: string }>(
    'select identifier, value from identity.verification order by "createdAt" desc',
  );
  const codeId = base64url(createHash('sha256').update(utf8(code)).digest());
  expect(rows.some(({ identifier }) => identifier === codeId)).toBe(true);
  expect(JSON.stringify(rows)).not.toContain(code);
  const read = await scene.identity.readAuthorizationCode(acme, code);
  const userId = await scene.identity.findUser(acme, email);
  expect(read).toEqual({
    ...{ codeId, clientName: fresh, redirectUri, codeChallenge: challenge, userId, nonce: 'n-1', dpopJkt: challenge },
    scopes: ['openid', 'orders:read'],
    resources: ['https://orders.example'],
    sessionId: expect.stringMatching(/^ses_/),
    authTimeMs: expect.any(Number),
    expiresAtMs: expect.any(Number),
  });
  expect((read?.expiresAtMs ?? 0) - before).toBeGreaterThanOrEqual(59_000);
  expect((read?.expiresAtMs ?? 0) - before).toBeLessThanOrEqual(61_000);
  expect(await scene.identity.readAuthorizationCode(acme, code)).toEqual(read);
  expect(await scene.identity.readAuthorizationCode(globex, code)).toBeUndefined();
  await scene.identity.forgetAuthorizationCode(globex, code);
  expect(await scene.identity.readAuthorizationCode(acme, code)).toEqual(read);
  await scene.identity.forgetAuthorizationCode(acme, code);
  expect(await scene.identity.readAuthorizationCode(acme, code)).toBeUndefined();
});

test('who is not signed in does so first, and exactly this request goes on', async () => {
  const browser = openBrowser(scene, baseUrl);
  const away = await browser.get(authorizePath(app, { state: "o'hara &=?#%2f" }));
  expect(away.headers.get('location')).toMatch(/^\/t\/acme\/sign-in\?return_to=/);
  const shown = await browser.get(away.headers.get('location') ?? '');
  expect(shown.headers.get('content-security-policy')).toContain("form-action 'self' https://app.example;");
  const page = await shown.text();
  const form = new URLSearchParams({ form_token: fieldIn(page, 'form_token'), email, password });
  const back = await browser.post(actionIn(page), form.toString());
  expect(back.headers.get('location')).toMatch(/^\/t\/acme\/oauth2\/authorize\?/);
  const resumed = await browser.get(back.headers.get('location') ?? '');
  const done = answerOf(resumed).to === redirectUri ? resumed : await decide(browser, resumed, 'allow');
  expect(answerOf(done)).toMatchObject({ to: redirectUri, params: { state: "o'hara &=?#%2f", iss: acme.issuer } });
});

test('prompt=login and max_age ask for a new sign-in, once, and nobody can skip it', async () => {
  const browser = await signedIn();
  for (const changed of [{ prompt: 'login' }, { max_age: '0' }, { prompt: 'select_account' }]) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    const away = await browser.get(authorizePath(app, changed));
    const signIn = away.headers.get('location') ?? '';
    expect(signIn).toMatch(/^\/t\/acme\/sign-in\?/);
    const returnTo = new URL(signIn, baseUrl).searchParams.get('return_to') ?? '';
    // Going straight back, or with a mark that is not ours, asks again.
    expect((await browser.get(returnTo)).headers.get('location')).toMatch(/^\/t\/acme\/sign-in\?/);
    const forged = returnTo.replace(/mono_resume=\d+/, 'mono_resume=0');
    expect((await browser.get(forged)).headers.get('location')).toMatch(/^\/t\/acme\/sign-in\?/);
    const page = await (await browser.get(signIn)).text();
    const form = new URLSearchParams({ form_token: fieldIn(page, 'form_token'), email, password });
    const back = await browser.post(actionIn(page), form.toString());
    expect(answerOf(await browser.get(back.headers.get('location') ?? '')).to).not.toBe('/t/acme/sign-in');
  }
});

test('prompt=none is answered at once: login_required, consent_required, or a code', async () => {
  const fresh = await db.insertApp(acme);
  const answer = async (browser: Browser) => answerOf(await browser.get(authorizePath(fresh, { prompt: 'none' })));
  const told = (error: string) => ({ to: redirectUri, params: { error, state: 'st+a te%/', iss: acme.issuer } });
  expect(await answer(openBrowser(scene, baseUrl))).toMatchObject(told('login_required'));
  const browser = await signedIn();
  expect(await answer(browser)).toMatchObject(told('consent_required'));
  await decide(browser, await browser.get(authorizePath(fresh)), 'allow');
  expect((await answer(browser)).params.code).toBeTruthy();
  await new Promise((resolve) => setTimeout(resolve, 5));
  const aged = answerOf(await browser.get(authorizePath(fresh, { prompt: 'none', max_age: '0' })));
  expect(aged).toMatchObject(told('login_required'));
  // More than was allowed is not given without asking.
  const more = answerOf(await browser.get(authorizePath(fresh, { prompt: 'none', scope: 'openid email' })));
  expect(more.params.error).toBe('consent_required');
});

test('a session that is dead by our rules, or belongs to another tenant, is none', async () => {
  const stranger = await signedIn('globex');
  expect(answerOf(await stranger.get(authorizePath(app, { prompt: 'none' }))).params.error).toBe('login_required');
  const browser = await signedIn();
  await db.admin('update identity.session set epoch = epoch + 1');
  expect(answerOf(await browser.get(authorizePath(app, { prompt: 'none' }))).params.error).toBe('login_required');
});

test('any other parameter sent twice is an error for the client, with a state that is known', async () => {
  const browser = await signedIn();
  for (const name of ['state', 'scope', 'response_type', 'code_challenge', 'prompt', 'nonce']) {
    const { params } = answerOf(await browser.get(`${authorizePath(app)}&${name}=x&${name}=y`));
    expect([params.error, params.state === undefined], name).toEqual(['invalid_request', name === 'state']);
  }
});

test('with an unknown client or redirect URI, or two of either, nobody is redirected', async () => {
  const browser = await signedIn();
  const retired = await db.insertApp(acme, { status: 'retired' });
  const suspended = await db.insertApp(acme, { status: 'suspended' });
  const draft = await db.insertApp(acme, { status: 'draft' });
  const machine = await db.insertApp(acme, { kind: 'machine' });
  const other = await db.insertApp(globex);
  const unknown = 'cli_00000000000000000000000000';
  const cases = [
    ...[retired, suspended, draft, machine, other, unknown, 'x', "' or 1=1", ''].map((id) => authorizePath(id)),
    ...[
      ...[
        'https://app.example/cb/',
        'https://app.example/cb?x=1',
        'https://app.example/CB',
        'https://app.example:443/cb',
      ],
      ...[
        'http://app.example/cb',
        'https://app.example/cb#x',
        'https://app.example@evil.test/cb',
        'https://evil.test/cb',
      ],
      ...[
        'https://app.example/cb/../x',
        'http://localhost/cb',
        'http://127.0.0.1:99/other',
        'http://127.0.0.1.evil.test/cb',
      ],
      ...[
        'http://127.0.0.1:80@evil.test/cb',
        'com.example.app:/other',
        'javascript:alert(1)',
        '//evil.test',
        undefined,
      ],
    ].map((uri) => authorizePath(app, { redirect_uri: uri })),
    ...['client_id', 'redirect_uri'].map((name) => `${authorizePath(app)}&${name}=x&${name}=x`),
    `${authorizePath(app)}&x=${'y'.repeat(7000)}`,
  ];
  for (const path of cases) {
    const response = await browser.get(path);
    expect([response.status, response.headers.get('location')], path).toEqual([400, null]);
    expect(response.headers.get('x-frame-options')).toBe('DENY');
    expect(await response.text()).not.toContain('evil.test');
  }
});

test('every other fault is told to the client: error, state, iss (RFC 9207), and no code', async () => {
  const browser = await signedIn();
  await db.insertResource(acme, 'https://staging.example', { environment: 'staging' });
  await db.insertResource(acme, 'https://gone.example', { retired: true });
  await db.insertResource(acme, 'https://elsewhere.example');
  const audiences = [
    'https://orders.example',
    'https://staging.example',
    'https://gone.example',
    'https://never.example',
  ];
  const client = await db.insertApp(acme, { manifest: { audiences } });
  const noCode = await db.insertApp(acme, { manifest: { grantTypes: ['refresh_token'] } });
  const noGrants = await db.insertApp(acme, { manifest: { grantTypes: [] } });
  const staging = await db.insertApp(acme, {
    environment: 'staging',
    manifest: { audiences: [`${acme.issuer}/rpc`, 'https://orders.example'] },
  });
  const table: [string, ClientId, Record<string, string | undefined>][] = [
    ['invalid_request', client, { response_type: undefined }],
    ['unsupported_response_type', client, { response_type: 'token' }],
    ['unsupported_response_type', client, { response_type: 'code id_token' }],
    ['unsupported_response_type', client, { response_type: 'none' }],
    ['invalid_request', client, { response_mode: 'fragment' }],
    ['invalid_request', client, { response_mode: 'form_post' }],
    ['invalid_request', client, { response_mode: 'web_message' }],
    ['unauthorized_client', noCode, {}],
    ['unauthorized_client', noGrants, {}],
    ['invalid_request', client, { code_challenge: undefined }],
    ['invalid_request', client, { code_challenge: undefined, code_challenge_method: undefined }],
    ['invalid_request', client, { code_challenge_method: undefined }],
    ['invalid_request', client, { code_challenge_method: 'plain' }],
    ['invalid_request', client, { code_challenge_method: 's256' }],
    ['invalid_request', client, { code_challenge: 'short' }],
    ['invalid_request', client, { code_challenge: `${challenge}=` }],
    ['invalid_scope', client, { scope: 'orders:write' }],
    ['invalid_scope', client, { scope: 'openid orders:read admin' }],
    ['invalid_scope', client, { scope: 'openid "' }],
    ['invalid_scope', client, { scope: ' ' }],
    ['invalid_target', client, { resource: 'https://never.example' }],
    ['invalid_target', client, { resource: 'https://gone.example' }],
    ['invalid_target', client, { resource: 'https://staging.example' }],
    ['invalid_target', client, { resource: 'https://elsewhere.example' }],
    ['invalid_target', client, { resource: 'https://orders.example/' }],
    ['invalid_target', client, { resource: 'https://orders.example#x' }],
    ['invalid_target', client, { resource: 'orders' }],
    ['invalid_target', client, { resource: `${acme.issuer}/rpc` }],
    ['invalid_target', staging, { resource: `${acme.issuer}/rpc` }],
    ['invalid_target', staging, { resource: 'https://orders.example' }],
    ['request_not_supported', client, { request: 'e30.e30.' }],
    ['invalid_request', client, { prompt: 'none login' }],
    ['invalid_request', client, { prompt: 'create' }],
    ['invalid_request', client, { prompt: 'LOGIN' }],
    ['invalid_request', client, { max_age: '-1' }],
    ['invalid_request', client, { max_age: '1.5' }],
    ['invalid_request', client, { nonce: 'n\u0000' }],
    ['invalid_request', client, { nonce: 'n'.repeat(2049) }],
    ['invalid_request', client, { dpop_jkt: 'x' }],
  ];
  const codes = async () =>
    (await db.admin<{ n: string }>('select count(*) as n from identity.verification'))[0]?.n ?? '';
  const before = await codes();
  for (const [error, id, changed] of table) {
    const response = await browser.get(authorizePath(id, changed));
    const { to, params } = answerOf(response);
    const name = `${error} ${JSON.stringify(changed)}`;
    expect([response.status, to], name).toEqual([303, redirectUri]);
    expect(params, name).toEqual({
      error,
      error_description: expect.any(String),
      state: 'st+a te%/',
      iss: acme.issuer,
    });
    expect(response.headers.get('cache-control')).toBe('no-store');
  }
  const odd = answerOf(await browser.get(authorizePath(client, { state: 'ü' })));
  expect(odd.params).toEqual({ error: 'invalid_request', error_description: expect.any(String), iss: acme.issuer });
  expect(await codes()).toBe(before);
});

test('whose tokens could be for nothing is told so before anybody is asked to allow it', async () => {
  const browser = await signedIn();
  await db.insertResource(acme, 'https://one.dev.example', { environment: 'development' });
  await db.insertResource(acme, 'https://two.dev.example', { environment: 'development' });
  await db.insertResource(acme, 'https://retired.example', { retired: true });
  const answer = async (environment: string, audiences: string[]) => {
    const id = await db.insertApp(acme, { environment, manifest: { audiences } });
    const response = await browser.get(authorizePath(id, { scope: 'openid' }));
    return answerOf(response).params.error ?? response.headers.get('location')?.split('?')[0];
  };
  const consent = expect.stringContaining('/t/acme/consent');
  expect(await answer('development', [])).toBe('invalid_target');
  expect(await answer('development', ['https://unregistered.example'])).toBe('invalid_target');
  expect(await answer('development', ['https://retired.example'])).toBe('invalid_target');
  // Of several the client has to name one: the management API is production's.
  expect(await answer('development', ['https://one.dev.example', 'https://two.dev.example'])).toBe('invalid_target');
  expect(await answer('development', ['https://one.dev.example'])).toEqual(consent);
  expect(await answer('production', [])).toEqual(consent);
  expect(await answer('production', ['https://unregistered.example'])).toEqual(consent);
  expect(await answer('production', ['https://retired.example'])).toBe('invalid_target');
  await db.insertResource(acme, 'https://default.dev.example', { environment: 'development', isDefault: true });
  expect(await answer('development', [])).toEqual(consent);
  expect(await answer('development', ['https://unregistered.example'])).toBe('invalid_target');
});

test('a request object by reference, where no pushed requests are taken, is refused before anything else', async () => {
  const browser = await signedIn();
  for (const uri of ['urn:ietf:params:oauth:request_uri:x', 'https://evil.test/request.jwt']) {
    const response = await browser.get(authorizePath(app, { request_uri: uri }));
    expect([response.status, response.headers.get('location')]).toEqual([400, null]);
  }
});

test('what is only advice, and what is unknown, is let be', async () => {
  const browser = await signedIn();
  await decide(browser, await browser.get(authorizePath(app)), 'allow');
  const advice = { login_hint: 'ada@example.com', acr_values: 'x', ui_locales: 'de', display: 'popup', foo: 'bar' };
  expect(answerOf(await browser.get(authorizePath(app, advice))).params.code).toBeTruthy();
  expect(answerOf(await browser.get(authorizePath(app, { mono_resume: '1.0.x' }))).params.code).toBeTruthy();
});

test('without scope the client gets what its manifest has, but never offline access', async () => {
  const browser = await signedIn();
  const asked = await browser.get(authorizePath(app, { scope: undefined }));
  const done = answerOf(asked).to === redirectUri ? asked : await decide(browser, asked, 'allow');
  const read = await scene.identity.readAuthorizationCode(acme, answerOf(done).params.code ?? '');
  expect(read?.scopes).toEqual(['openid', 'profile', 'email', 'orders:read']);
});

test('a native app is answered at whatever port its loopback address has, and at its own scheme', async () => {
  const browser = await signedIn();
  for (const uri of ['http://127.0.0.1:51234/cb', 'http://127.0.0.1/cb', 'com.example.app:/cb']) {
    const asked = await browser.get(authorizePath(app, { redirect_uri: uri }));
    const done = answerOf(asked).params.code ? asked : await decide(browser, asked, 'allow');
    expect(answerOf(done)).toMatchObject({ to: uri, params: { iss: acme.issuer } });
  }
});

test('a client that is known by the URL of its metadata document is asked for by that URL alone', async () => {
  const browser = await signedIn();
  const url = 'https://client.example/oauth/metadata.json';
  const id = await db.insertApp(acme, { externalId: url });
  const done = await decide(browser, await browser.get(authorizePath(url)), 'allow');
  expect((await scene.identity.readAuthorizationCode(acme, answerOf(done).params.code ?? ''))?.clientName).toBe(url);
  expect((await browser.get(authorizePath(id))).status).toBe(400);
});

test('a form post is the same request; a browser that posts from elsewhere only loses its Lax cookie', async () => {
  const browser = await signedIn();
  await decide(browser, await browser.get(authorizePath(app)), 'allow');
  const body = authorizePath(app).split('?')[1] ?? '';
  const posted = await browser.post('/t/acme/oauth2/authorize', body, { origin: 'https://app.example' });
  expect(answerOf(posted).params.code).toBeTruthy();
  expect((await browser.post('/t/acme/oauth2/authorize', { client_id: app })).status).toBe(400);
  const preflight = await scene.fetch('/t/acme/oauth2/authorize', {
    method: 'OPTIONS',
    headers: { origin: 'https://app.example', 'access-control-request-method': 'POST' },
  });
  expect(preflight.headers.get('access-control-allow-origin')).toBeNull();
});
