import { newId } from '@mono-auth/core/ids';
import { systemRuntime } from '@mono-auth/core/runtime';
import { FakeRuntime } from '@mono-auth/testing';
import { calculateJwkThumbprint, createLocalJWKSet, type JWK, jwtVerify } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { MachineCredentials } from './machine-credentials.ts';
import { generatePrivateJwk } from './signing-key.ts';
import { FakeIssuer } from './testing/fake-issuer.ts';

const clientId = newId(systemRuntime, 'cli');
let issuer: FakeIssuer;
let privateJwk: JWK;
let forms: URLSearchParams[] = [];
let refusal: { status: number; body: object } | undefined;

beforeAll(async () => {
  privateJwk = await generatePrivateJwk();
  issuer = await FakeIssuer.start();
  issuer.plain = ({ path, body }) => {
    if (path !== '/oauth2/token') return undefined;
    forms.push(new URLSearchParams(body));
    if (refusal) return Response.json(refusal.body, { status: refusal.status });
    return Response.json({ access_token: `t${forms.length}`, token_type: 'Bearer', expires_in: 300, scope: 'a b' });
  };
});
afterAll(() => issuer.stop());
beforeEach(() => {
  forms = [];
  refusal = undefined;
});

const open = (runtime = systemRuntime) => new MachineCredentials({ issuer: issuer.url, clientId, privateJwk, runtime });

test('authenticates by an assertion for the issuer alone, by the client, used once and gone in a minute', async () => {
  const credentials = open();
  await credentials.getToken();
  await credentials.getToken({ agent: 'agt_1' });
  const { d: _, ...publicJwk } = privateJwk;
  const assertions = await Promise.all(
    forms.map((form) => jwtVerify(form.get('client_assertion') ?? '', createLocalJWKSet({ keys: [publicJwk] }))),
  );
  for (const { payload, protectedHeader } of assertions) {
    expect(payload).toMatchObject({ iss: clientId, sub: clientId, aud: issuer.url });
    expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(60);
    const kid = await calculateJwkThumbprint(publicJwk);
    expect(protectedHeader).toEqual({ alg: 'ES256', typ: 'client-authentication+jwt', kid });
  }
  expect(assertions[0]?.payload.jti).not.toBe(assertions[1]?.payload.jti);
  expect(forms[0]?.get('client_id')).toBe(clientId);
});

describe('getToken', () => {
  test('keeps a token for each thing asked for, and replaces it before it ends', async () => {
    const runtime = new FakeRuntime(systemRuntime.nowMs());
    const credentials = open(runtime);
    const [first, same] = await Promise.all([
      credentials.getToken({ scope: ['a', 'b'] }),
      credentials.getToken({ scope: ['b', 'a'] }),
    ]);
    expect(same).toBe(first);
    expect(await credentials.getToken({ audience: 'https://x.test' })).not.toBe(first);
    runtime.advance(224_000);
    expect(await credentials.getToken({ scope: ['a', 'b'] })).toBe(first);
    runtime.advance(2_000);
    expect(await credentials.getToken({ scope: ['a', 'b'] })).not.toBe(first);
  });

  test('as a source, fetches another token when the last one was refused', async () => {
    const source = open().tokenSource({ scope: ['feed:follow'] });
    const first = await source();
    expect(await source({ renew: false })).toBe(first);
    expect(await source({ renew: true })).not.toBe(first);
  });

  test('a failure is not kept', async () => {
    const credentials = open();
    refusal = { status: 503, body: { error: 'temporarily_unavailable', reason: 'audit_unavailable' } };
    await expect(credentials.getToken()).rejects.toMatchObject({ reason: 'audit_unavailable' });
    refusal = undefined;
    expect(await credentials.getToken()).toBe('t2');
  });
});

test('exchange names both tokens and their types', async () => {
  const issued = await open().exchange({
    subjectToken: 'person',
    actorToken: 'agent',
    audience: 'https://orders.test',
    scope: ['orders:read'],
  });
  expect(issued).toEqual({ accessToken: 't1', expiresInSeconds: 300, scope: 'a b' });
  const type = 'urn:ietf:params:oauth:token-type:access_token';
  expect(Object.fromEntries(forms[0] ?? [])).toMatchObject({
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token: 'person',
    subject_token_type: type,
    actor_token: 'agent',
    actor_token_type: type,
    audience: 'https://orders.test',
    scope: 'orders:read',
  });
});

describe('a refusal of the token endpoint', () => {
  test.each<[string, number, object, string]>([
    ['keeps its reason', 409, { error: 'invalid_grant', reason: 'invite_used' }, 'invite_used'],
    ['is found by the OAuth error', 400, { error: 'invalid_target' }, 'invalid_target'],
    ['is found by the status', 502, {}, 'unavailable'],
    ['does not take an unknown reason', 403, { reason: 'toString' }, 'denied'],
  ])('%s', async (_, status, body, reason) => {
    refusal = { status, body };
    await expect(open().getToken()).rejects.toMatchObject({ reason });
  });
});
