import { systemRuntime } from '@mono-auth/core/runtime';
import { FakeRuntime } from '@mono-auth/testing';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FakeIssuer, makeKey } from './testing/fake-issuer.ts';
import { createVerifier } from './verifier.ts';

const audience = 'https://orders.test';
let issuer: FakeIssuer;

beforeEach(async () => {
  issuer = await FakeIssuer.start();
});
afterEach(() => issuer.stop());

const open = (options: Partial<Parameters<typeof createVerifier>[0]> = {}) =>
  createVerifier({ issuer: issuer.url, audience, ...options });
const jwksHits = () => issuer.hits.get('/jwks') ?? 0;

test('agrees with a stock jose client that knows nothing but the issuer', async () => {
  const token = await issuer.mint({ act: { sub: 'agent:agt_01arz3ndektsv4rrffq69g5fav' } });
  const document = (await (await fetch(`${issuer.url}/.well-known/openid-configuration`)).json()) as {
    jwks_uri: string;
  };
  const keys = createRemoteJWKSet(new URL(document.jwks_uri));
  const { payload } = await jwtVerify(token, keys, { issuer: issuer.url, audience, typ: 'at+jwt' });
  expect(await open().verify(token)).toEqual(payload);
});

describe('keys', () => {
  test('are fetched once for all who ask at the same time, and then kept', async () => {
    const verifier = open();
    const tokens = await Promise.all(Array.from({ length: 8 }, () => issuer.mint()));
    await Promise.all(tokens.map((token) => verifier.verify(token)));
    await verifier.verify(await issuer.mint());
    expect(jwksHits()).toBe(1);
  });

  test('an unknown kid leads to a fetch, at most once in 30 seconds', async () => {
    const runtime = new FakeRuntime(systemRuntime.nowMs());
    const verifier = open({ runtime });
    await verifier.verify(await issuer.mint());
    const next = await makeKey('key_next');
    issuer.published = [...issuer.published, next.publicJwk];
    runtime.advance(1);
    await verifier.verify(await issuer.mint({}, { key: next }));
    expect(jwksHits()).toBe(2);
    for (let i = 0; i < 5; i++) {
      await expect(verifier.verify(await issuer.mint({}, { header: { kid: `key_${i}` } }))).rejects.toMatchObject({
        reason: 'not_authenticated',
      });
    }
    expect(jwksHits()).toBe(2);
    runtime.advance(30_000);
    await expect(verifier.verify(await issuer.mint({}, { header: { kid: 'key_x' } }))).rejects.toThrow();
    expect(jwksHits()).toBe(3);
  });

  test('are used while they are fetched again, and no longer when the issuer was away for an hour', async () => {
    const runtime = new FakeRuntime(systemRuntime.nowMs());
    const verifier = open({ runtime, verifiedTokensMax: 0 });
    const long = await issuer.mint({ exp: Math.floor(systemRuntime.nowMs() / 1000) + 10_000 });
    await verifier.verify(long);
    issuer.down = true;
    runtime.advance(6 * 60_000);
    await verifier.verify(long);
    runtime.advance(60 * 60_000);
    await expect(verifier.verify(long)).rejects.toMatchObject({ reason: 'unavailable' });
    issuer.down = false;
    await verifier.verify(long);
  });

  test('a discovery document of another issuer is not believed', async () => {
    issuer.plain = ({ path }) =>
      path.startsWith('/.well-known/')
        ? Response.json({ issuer: `${issuer.url}x`, jwks_uri: `${issuer.url}/jwks`, token_endpoint: `${issuer.url}/t` })
        : undefined;
    await expect(open().verify(await issuer.mint())).rejects.toMatchObject({ reason: 'verification_failed' });
  });

  test('a key whose alg is another one is not used', async () => {
    issuer.published = [{ ...issuer.tokenKey.publicJwk, alg: 'EdDSA' }];
    await expect(open().verify(await issuer.mint())).rejects.toMatchObject({ reason: 'not_authenticated' });
  });
});

describe('remembered tokens', () => {
  test('still expire', async () => {
    const runtime = new FakeRuntime(systemRuntime.nowMs());
    const verifier = open({ runtime });
    const token = await issuer.mint({ exp: Math.floor(systemRuntime.nowMs() / 1000) + 10 });
    await verifier.verify(token);
    await verifier.verify(token);
    runtime.advance(41_000);
    await expect(verifier.verify(token)).rejects.toMatchObject({ reason: 'not_authenticated' });
  });

  test('do not lend their standing to the same claims under another signature', async () => {
    const verifier = open();
    const token = await issuer.mint();
    await verifier.verify(token);
    const [header, payload] = token.split('.');
    const [, , foreign] = (await issuer.mint()).split('.');
    await expect(verifier.verify(`${header}.${payload}.${foreign}`)).rejects.toMatchObject({
      reason: 'not_authenticated',
    });
  });

  test('are forgotten within a minute, so that a key that was withdrawn ends them', async () => {
    const runtime = new FakeRuntime(systemRuntime.nowMs());
    const verifier = open({ runtime });
    const token = await issuer.mint();
    await verifier.verify(token);
    issuer.published = [];
    runtime.advance(61_000);
    await verifier.verify(token);
    runtime.advance(5 * 60_000);
    await verifier.verify(await issuer.mint()).catch(() => undefined);
    await expect(verifier.verify(token)).rejects.toMatchObject({ reason: 'not_authenticated' });
  });
});
