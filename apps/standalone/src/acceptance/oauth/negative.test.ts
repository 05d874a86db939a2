import { exportJWK, generateKeyPair, type JWK } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { submitForm } from './browser-person.ts';
import { type Ask, ask, basic, expectRefused, type Row, send } from './negative/ask.ts';
import { authorizeRows } from './negative/authorize-rows.ts';
import { assertionRows, secretRows } from './negative/client-rows.ts';
import { codeRows } from './negative/code-rows.ts';
import { dpopRows, learnNonce, makeProofKey, type ProofKey, proven } from './negative/dpop-rows.ts';
import { deviceRows, introspectRows, parRows, pollRows, revokeRows } from './negative/endpoint-rows.ts';
import {
  asserting,
  authenticated,
  authorizationRequest,
  deviceGrant,
  type Lab,
  machineToken,
  openLab,
  redemption,
  refreshing,
} from './negative/lab.ts';
import { refreshRows } from './negative/refresh-rows.ts';
import { ordersApi, redirectUri, registerApp, registerMachine } from './oauth-scene.ts';

let lab: Lab;
let rows = 0;

beforeAll(async () => {
  lab = await openLab();
});
afterAll(() => lab?.scene.close());

/**
 * Each row breaks a right request once and sees it refused; then the right request still succeeds, so the broken one has
 * used up nothing: no code, token, assertion or secret.
 */
async function breakEach(table: readonly Row[], right: () => Promise<Ask>): Promise<void> {
  const faults: string[] = [];
  for (const row of table) {
    rows++;
    const request = await right();
    const bent: Ask = {
      ...request,
      form: new URLSearchParams(request.form),
      headers: new Headers(request.headers),
    };
    await row.bend(bent);
    try {
      expectRefused(await send(bent), row);
      const { status, text } = await send(request);
      expect([200, 201], `afterwards: ${text}`).toContain(status);
    } catch (error) {
      faults.push(`${row.section}, ${row.name}: ${(error as Error).message.split('\n')[0]}`);
    }
  }
  expect(faults).toEqual([]);
}

describe('a request that breaks one MUST is refused by its own error, and uses nothing up', () => {
  test('redeeming a code', () => breakEach(codeRows(lab), () => redemption(lab, lab.app)), 120_000);

  test('refreshing', () => breakEach(refreshRows(lab), () => refreshing(lab, lab.app)), 120_000);

  test('a client with a secret', () =>
    breakEach(secretRows(lab), async () =>
      authenticated(ask(lab.scene.issuer, '/oauth2/token', { grant_type: 'client_credentials' }), lab.machine),
    ));

  test('a client with a key', () => breakEach(assertionRows(lab), () => asserting(lab, lab.keyed)));

  test('starting on a device', () =>
    breakEach(deviceRows(lab), async () =>
      authenticated(ask(lab.scene.issuer, '/oauth2/device_authorization', { scope: 'openid' }), lab.publicApp),
    ));

  test('polling from a device', () => breakEach(pollRows(lab), () => allowedDevice()), 60_000);

  test('pushing a request', () =>
    breakEach(parRows(lab), async () => {
      const request = authorizationRequest(lab.app, 'v'.repeat(43));
      return authenticated(ask(lab.scene.issuer, '/oauth2/par', Object.fromEntries(request)), lab.app);
    }));

  test('introspecting', () =>
    breakEach(introspectRows(lab), async () =>
      authenticated(ask(lab.scene.issuer, '/oauth2/introspect', { token: await machineToken(lab) }), lab.machine),
    ));

  test('revoking', () =>
    breakEach(revokeRows(lab), async () =>
      authenticated(ask(lab.scene.issuer, '/oauth2/revoke', { token: await machineToken(lab) }), lab.machine),
    ));

  test('proving a key', async () => {
    const machine = await registerMachine(lab.scene, { dpopBoundAccessTokens: true });
    const plain = () =>
      authenticated(ask(lab.scene.issuer, '/oauth2/token', { grant_type: 'client_credentials' }), machine);
    const key: ProofKey = await makeProofKey();
    const nonce = await learnNonce(plain(), key);
    const privateJwk: JWK = await exportJWK((await generateKeyPair('ES256', { extractable: true })).privateKey);
    await breakEach(
      dpopRows(
        key,
        () => nonce,
        () => privateJwk,
      ),
      () => proven(plain(), key, nonce),
    );
  });
});

/** A device code that the owner has allowed, ready to be redeemed. */
async function allowedDevice(): Promise<Ask> {
  const start = ask(lab.scene.issuer, '/oauth2/device_authorization', {
    scope: 'openid orders:read',
    resource: ordersApi,
  });
  const { body } = await send(authenticated(start, lab.publicApp));
  const page = new URL(String(body.verification_uri_complete));
  const { owner, issuer } = lab.scene;
  const html = await (await owner.fetch(page.href.slice(issuer.length))).text();
  await submitForm(owner, page, html, { decision: 'allow' }).catch((error: unknown) => {
    if (!String(error).includes('answered 200')) throw error;
  });
  const form = { grant_type: deviceGrant, device_code: String(body.device_code) };
  return authenticated(ask(issuer, '/oauth2/token', form), lab.publicApp);
}

test('an authorization request that breaks one MUST leads to the client with its error, or nowhere', async () => {
  const { owner, issuer } = lab.scene;
  const client = await registerApp(lab.scene);
  const faults: string[] = [];
  for (const { section, name, bend, error } of authorizeRows(lab)) {
    rows++;
    const request = authorizationRequest(client, 'v'.repeat(43));
    bend(request);
    const answer = await owner.fetch(`/oauth2/authorize?${request}`);
    const location = answer.headers.get('location');
    try {
      expect(answer.headers.get('cache-control')).toBe('no-store');
      if (error === undefined) {
        expect([answer.status, location]).toEqual([expect.any(Number), null]);
        expect(answer.status).toBeGreaterThanOrEqual(400);
        expect(answer.status).toBeLessThan(500);
      } else {
        const to = new URL(location ?? '');
        expect(answer.status).toBe(303);
        expect(`${to.origin}${to.pathname}`).toBe(redirectUri);
        expect(to.searchParams.get('error')).toBe(error);
        expect(to.searchParams.get('iss')).toBe(issuer);
        expect(to.searchParams.get('code')).toBeNull();
        if (!name.includes('states')) expect(to.searchParams.get('state')).toBe('kept');
      }
    } catch (fault) {
      faults.push(`${section}, ${name}: ${answer.status} ${location} ${(fault as Error).message.split('\n')[0]}`);
    }
  }
  expect(faults).toEqual([]);
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
    rows += 9;
  });

  test('a token of another kind is no access token to introspection, and says nothing', async () => {
    const { body } = await send(await redemption(lab, lab.app));
    for (const token of [body.id_token, 'x', '', `${body.access_token}=`].map(String)) {
      const request = ask(lab.scene.issuer, '/oauth2/introspect', token === '' ? { token: 'e30.e30.e30' } : { token });
      request.headers.set('authorization', basic(lab.app.id, lab.app.secret));
      expect((await send(request)).body).toEqual({ active: false });
      rows++;
    }
  });
});

test('the table has at least 150 rows', () => {
  process.stdout.write(`negative rows over HTTP: ${rows}\n`);
  expect(rows).toBeGreaterThanOrEqual(150);
});
