import { createHash } from 'node:crypto';
import { newId } from '@mono-auth/core/ids';
import { systemRuntime } from '@mono-auth/core/runtime';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ContextLike, type GuardContext, guard, honoGuard } from './middleware.ts';
import { FakeIssuer, makeKey } from './testing/fake-issuer.ts';
import { createVerifier, type Verifier } from './verifier.ts';

const audience = 'https://orders.test';
let issuer: FakeIssuer;
let verifier: Verifier;

beforeAll(async () => {
  issuer = await FakeIssuer.start();
  verifier = createVerifier({ issuer: issuer.url, audience });
});
afterAll(() => issuer.stop());

const nowSeconds = () => Math.floor(systemRuntime.nowMs() / 1000);

function ask(headers: Record<string, string> | Headers, url = 'https://orders.test/orders', scope = ['orders:read']) {
  return guard(new Request(url, { headers }), { verifier, scope });
}

async function outcome(answer: Awaited<ReturnType<typeof guard>>) {
  if (!(answer instanceof Response)) return { status: 200, challenge: null, reason: undefined };
  const { reason } = (await answer.json()) as { reason: string };
  return { status: answer.status, challenge: answer.headers.get('www-authenticate'), reason };
}

describe('a request without a token is challenged without an error code', () => {
  test.each<[string, Record<string, string>]>([
    ['no header', {}],
    ['another scheme', { authorization: 'Basic dXNlcjpwYXNz' }],
    ['a scheme that merely begins like ours', { authorization: 'BearerX abc' }],
    ['the token in another header', { 'x-access-token': 'a.b.c' }],
  ])('%s', async (_, headers) => {
    expect(await outcome(await ask(headers))).toMatchObject({ status: 401, challenge: 'Bearer' });
  });

  test('the token in the query', async () => {
    const token = await issuer.mint();
    expect(await outcome(await ask({}, `https://orders.test/orders?access_token=${token}`))).toMatchObject({
      status: 401,
      challenge: 'Bearer',
    });
  });
});

describe('401 invalid_token', () => {
  const rows: [string, () => Promise<string> | string][] = [
    ['not a token', () => 'nonsense'],
    ['two parts', async () => (await issuer.mint()).split('.').slice(0, 2).join('.')],
    ['an empty token', () => ''],
    ['expired', () => issuer.mint({ exp: nowSeconds() - 31 })],
    ['no exp', () => issuer.mint({ exp: undefined })],
    ['issued in the future', () => issuer.mint({ iat: nowSeconds() + 120 })],
    ['another issuer', () => issuer.mint({ iss: `${issuer.url}/` })],
    ['another audience', () => issuer.mint({ aud: 'https://other.test' })],
    ['no audience', () => issuer.mint({ aud: undefined })],
    ['an ID token', () => issuer.mint({}, { header: { typ: 'JWT' } })],
    ['an unknown kid', () => issuer.mint({}, { header: { kid: 'key_unknown' } })],
    ['no kid', () => issuer.mint({}, { header: { kid: '' } })],
    ['no jti', () => issuer.mint({ jti: undefined })],
    ['no sub', () => issuer.mint({ sub: undefined })],
    ['a sub that is no principal', () => issuer.mint({ sub: 'alice' })],
    ['no ep', () => issuer.mint({ ep: undefined })],
    ['an fs that is no number', () => issuer.mint({ fs: '0' })],
    ['an act without sub', () => issuer.mint({ act: { act: {} } })],
    ['signed by a stranger under a known kid', async () => issuer.mint({}, { key: await makeKey('key_token') })],
    ['a changed payload', async () => tamper(await issuer.mint())],
    ['alg none', async () => unsigned(await issuer.mint())],
    ['a second spelling of the signature', async () => respelt(await issuer.mint())],
  ];
  test.each(rows)('%s', async (_, make) => {
    const answer = await outcome(await ask({ authorization: `Bearer ${await make()}` }));
    expect(answer).toMatchObject({ status: 401, reason: 'not_authenticated' });
    expect(answer.challenge).toContain('error="invalid_token"');
  });

  test('two Authorization headers', async () => {
    const token = await issuer.mint();
    const headers = new Headers({ authorization: `Bearer ${token}` });
    headers.append('authorization', `Bearer ${token}`);
    expect(await outcome(await ask(headers))).toMatchObject({ status: 401, reason: 'not_authenticated' });
  });
});

describe('403 for a genuine token that gives no access', () => {
  test.each<[string, Record<string, unknown>]>([
    ['tenant_id missing', { tenant_id: undefined }],
    ['tenant_id empty', { tenant_id: '' }],
    ['tenant_id no string', { tenant_id: 7 }],
    ['tenant_id no tenant', { tenant_id: 'hst_01arz3ndektsv4rrffq69g5fav' }],
    ['scope missing', { scope: undefined }],
    ['scope empty', { scope: '' }],
    ['scope blank', { scope: '  ' }],
    ['scope no string', { scope: ['orders:read'] }],
    ['tenant_id and every handle missing', { tenant_id: undefined, jti: undefined, ep: undefined, fs: undefined }],
  ])('%s', async (_, claims) => {
    const answer = await outcome(await ask({ authorization: `Bearer ${await issuer.mint(claims)}` }));
    expect(answer).toMatchObject({ status: 403, reason: 'denied' });
  });

  test('a scope that is needed is missing, and the challenge names it', async () => {
    const answer = await outcome(
      await ask({ authorization: `Bearer ${await issuer.mint({ scope: 'orders:reads' })}` }),
    );
    expect(answer).toMatchObject({ status: 403, reason: 'insufficient_scope' });
    expect(answer.challenge).toContain('scope="orders:read"');
  });

  test('a signature that is false stays 401, whatever the token says', async () => {
    const forged = await issuer.mint({ tenant_id: undefined }, { key: await makeKey('key_token') });
    expect(await outcome(await ask({ authorization: `Bearer ${forged}` }))).toMatchObject({ status: 401 });
  });
});

describe('a good token', () => {
  test('gives tenant, principal, scope and time', async () => {
    const sub = `user:${newId(systemRuntime, 'usr')}`;
    const guarded = await ask({
      authorization: `bearer ${await issuer.mint({ sub, aud: ['https://a.test', audience] })}`,
    });
    if (guarded instanceof Response) throw new Error('refused');
    const { iat } = guarded.claims;
    const expected: GuardContext = {
      tenantId: issuer.tenantId,
      principalId: sub as GuardContext['principalId'],
      scope: ['orders:read', 'orders:write'],
      iat,
    };
    expect(guarded.context).toEqual(expected);
  });

  test('passes through the wrapper for Hono, and a refusal ends there', async () => {
    const handler = honoGuard({ verifier });
    const seen = new Map<string, unknown>();
    const contextOf = (headers: Record<string, string>): ContextLike => ({
      req: { raw: new Request('https://orders.test/', { headers }) },
      set: (key, value) => seen.set(key, value),
    });
    let passed = 0;
    const next = async () => {
      passed++;
    };
    expect((await handler(contextOf({}), next))?.status).toBe(401);
    expect(passed).toBe(0);
    await handler(contextOf({ authorization: `Bearer ${await issuer.mint()}` }), next);
    expect(passed).toBe(1);
    expect(seen.get('auth')).toMatchObject({ tenantId: issuer.tenantId });
  });
});

describe('a token bound to a certificate (RFC 8705 §3)', () => {
  const ours = new TextEncoder().encode('our certificate, in DER');
  const thumbprint = createHash('sha256').update(ours).digest('base64url');
  const guarding = async (cnf: Record<string, unknown>, shown: Uint8Array | undefined, headers = bearer) => {
    const seeing = createVerifier({ issuer: issuer.url, audience, clientCertificate: () => shown });
    const token = await issuer.mint({ cnf });
    return outcome(await guard(new Request(url, { headers: await headers(token) }), { verifier: seeing }));
  };
  const bearer = async (token: string): Promise<Record<string, string>> => ({ authorization: `Bearer ${token}` });
  const proven = async (token: string) => ({ authorization: `DPoP ${token}`, dpop: await proofFor(token) });
  const both = async () => ({ 'x5t#S256': thumbprint, ...(await boundToKey()) });
  const refused = { status: 401, reason: 'not_authenticated' };

  test('passes over a connection of that certificate alone', async () => {
    const cnf = { 'x5t#S256': thumbprint };
    expect(await guarding(cnf, ours)).toMatchObject({ status: 200 });
    expect(await guarding(cnf, new TextEncoder().encode('another one'))).toMatchObject(refused);
    expect(await guarding(cnf, undefined)).toMatchObject(refused);
    expect(await guarding(cnf, ours, proven)).toMatchObject(refused);
  });

  test('and to a key as well needs both', async () => {
    expect(await guarding(await both(), ours, proven)).toMatchObject({ status: 200 });
    expect(await guarding(await both(), undefined, proven)).toMatchObject(refused);
    expect(await guarding(await both(), new TextEncoder().encode('another one'), proven)).toMatchObject(refused);
    expect(await guarding(await both(), ours)).toMatchObject(refused);
  });

  test('is refused where the service has not said how certificates are seen, with the proof of its key or without', async () => {
    const [alone, keyed] = [
      await issuer.mint({ cnf: { 'x5t#S256': thumbprint } }),
      await issuer.mint({ cnf: await both() }),
    ];
    expect(await outcome(await ask(await bearer(alone)))).toMatchObject(refused);
    expect(await outcome(await ask(await proven(keyed)))).toMatchObject(refused);
    await expect(verifier.verify(alone)).rejects.toMatchObject({ reason: 'not_authenticated' });
  });

  test('a certificate that was not shown uses no proof up', async () => {
    let shown: Uint8Array | undefined;
    const seeing = createVerifier({ issuer: issuer.url, audience, clientCertificate: () => shown });
    const token = await issuer.mint({ cnf: await both() });
    const headers = await proven(token);
    const enter = async () => (await outcome(await guard(new Request(url, { headers }), { verifier: seeing }))).status;
    expect(await enter()).toBe(401);
    shown = ours;
    expect(await enter()).toBe(200);
    expect(await enter()).toBe(401);
  });
});

const url = 'https://orders.test/orders';
const keys = generateKeyPair('ES256', { extractable: true });
const boundToKey = async () => ({ jkt: await calculateJwkThumbprint(await exportJWK((await keys).publicKey)) });
async function proofFor(token: string, overrides: Record<string, unknown> = {}) {
  const { publicKey, privateKey } = await keys;
  const ath = createHash('sha256').update(token).digest('base64url');
  const claims = { htm: 'GET', htu: url, ath, jti: systemRuntime.uuid(), iat: nowSeconds() };
  return new SignJWT({ ...claims, ...overrides })
    .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk: await exportJWK(publicKey) })
    .sign(privateKey);
}

describe('a token bound to a key', () => {
  const bound = async () => issuer.mint({ cnf: await boundToKey() });

  test('passes with its proof, once', async () => {
    const token = await bound();
    const headers = { authorization: `DPoP ${token}`, dpop: await proofFor(token) };
    expect(await outcome(await ask(headers))).toMatchObject({ status: 200 });
    const again = (await ask(headers)) as Response;
    expect(again.status).toBe(401);
    // RFC 9449 §7.1: the scheme that was tried, and what its proofs may be signed with.
    expect(again.headers.get('www-authenticate')).toMatch(/^DPoP error="invalid_token", .*algs="ES256 EdDSA RS256"$/);
  });

  test('is refused as a mere bearer token', async () => {
    const token = await bound();
    const answer = await outcome(await ask({ authorization: `Bearer ${token}`, dpop: await proofFor(token) }));
    expect(answer).toMatchObject({ status: 401 });
  });

  test.each<[string, Record<string, unknown>]>([
    ['another method', { htm: 'POST' }],
    ['another place', { htu: 'https://orders.test/other' }],
    ['another token', { ath: 'x' }],
    ['a proof that is old', { iat: nowSeconds() - 120 }],
  ])('is refused with a proof for %s', async (_, overrides) => {
    const token = await bound();
    const headers = { authorization: `DPoP ${token}`, dpop: await proofFor(token, overrides) };
    expect(await outcome(await ask(headers))).toMatchObject({ status: 401 });
  });

  test('an unbound token proves nothing under the DPoP scheme', async () => {
    expect(await outcome(await ask({ authorization: `DPoP ${await issuer.mint()}` }))).toMatchObject({ status: 401 });
  });
});

function tamper(token: string): string {
  const [header, payload = '', signature] = token.split('.');
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString());
  const changed = Buffer.from(JSON.stringify({ ...claims, scope: 'orders:admin' })).toString('base64url');
  return `${header}.${changed}.${signature}`;
}

function unsigned(token: string): string {
  const header = Buffer.from('{"alg":"none","typ":"at+jwt","kid":"key_token"}').toString('base64url');
  return `${header}.${token.split('.')[1]}.`;
}

/** 64 bytes leave two bits of the last character unused: lenient decoders take four spellings for one signature. */
function respelt(token: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  return token.slice(0, -1) + alphabet[alphabet.indexOf(token.at(-1) ?? '') ^ 1];
}
