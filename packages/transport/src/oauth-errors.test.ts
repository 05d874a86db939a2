import { Refusal } from '@mono-auth/core/errors';
import { expect, test } from 'vitest';
import { toBearerError, toConnectError, toOAuthError } from './index.ts';

test('an OAuth error has the code of the table, is never cached and carries the stable reason (RFC 6749 §5.2)', async () => {
  const response = toOAuthError(new Refusal('invite_used', 'the invite was used'));
  expect(response.status).toBe(409);
  expect(Object.fromEntries(response.headers)).toEqual({
    'content-type': 'application/json',
    'cache-control': 'no-store',
    pragma: 'no-cache',
  });
  expect(await response.json()).toEqual({
    error: 'invalid_grant',
    error_description: 'the invite was used',
    reason: 'invite_used',
  });
});

test('a description holds only the characters that RFC 6749 allows, so no header or page can be broken by it', async () => {
  const refusal = new Refusal('invalid_request', 'a "quoted"\r\nSet-Cookie: x\\ ü');
  const body = (await toOAuthError(refusal).json()) as { error_description: string };
  expect(body.error_description).toBe('a ?quoted???Set-Cookie: x? ?');
  const challenge = toBearerError(new Refusal('not_authenticated', '"\r\n'), { tokenPresent: true });
  expect(challenge.headers.get('www-authenticate')).toBe('Bearer error="invalid_token", error_description="???"');
});

test('a client that authenticated by header is challenged, another is not', () => {
  const refusal = new Refusal('invalid_client', 'unknown client');
  expect(toOAuthError(refusal, { challenge: 'Basic' }).headers.get('www-authenticate')).toBe('Basic realm="mono-auth"');
  expect(toOAuthError(refusal).headers.has('www-authenticate')).toBe(false);
  const denied = toOAuthError(new Refusal('denied', 'no'), { challenge: 'Basic' });
  expect(denied.headers.has('www-authenticate')).toBe(false);
});

test('what may be retried says when, in whole seconds and never at once', () => {
  const after = (retryAfterMs?: number): string | null =>
    toOAuthError(new Refusal('unavailable', 'later', retryAfterMs === undefined ? {} : { retryAfterMs })).headers.get(
      'retry-after',
    );
  expect([after(), after(1), after(2500)]).toEqual(['1', '1', '3']);
  expect(toOAuthError(new Refusal('denied', 'no')).headers.has('retry-after')).toBe(false);
});

test('an unknown error is a server error and says nothing of itself', async () => {
  const response = toOAuthError(new Error('relation "hosts" does not exist'));
  expect([response.status, await response.json()]).toEqual([
    500,
    { error: 'server_error', error_description: 'internal error', reason: 'internal' },
  ]);
});

test('a proof that is asked for is asked for with its scheme and its nonce, at an endpoint and at a resource (RFC 9449)', () => {
  const dpopNonce = 'n-1';
  for (const reason of ['use_dpop_nonce', 'invalid_dpop_proof', 'not_authenticated'] as const) {
    const refusal = new Refusal(reason, 'why', { dpopNonce });
    const atEndpoint = toOAuthError(refusal);
    expect([atEndpoint.status, atEndpoint.headers.get('dpop-nonce')]).toEqual([refusal.row.http, 'n-1']);
    const atResource = toBearerError(refusal, { tokenPresent: true });
    expect([atResource.status, atResource.headers.get('dpop-nonce')]).toEqual([401, 'n-1']);
    const challenge = `DPoP error="${refusal.row.oauth}", error_description="why", algs="ES256 EdDSA RS256"`;
    expect(atResource.headers.get('www-authenticate')).toBe(challenge);
    const { metadata } = toConnectError(refusal);
    expect([metadata.get('www-authenticate'), metadata.get('dpop-nonce')]).toEqual([challenge, 'n-1']);
  }
});

test('a challenge for the proof of a client’s instance goes out with its refusal, over any wire', () => {
  const refusal = new Refusal('use_attestation_challenge', 'why', { attestationChallenge: 'c-1' });
  const answer = toOAuthError(refusal);
  expect([answer.status, answer.headers.get('oauth-client-attestation-challenge')]).toEqual([400, 'c-1']);
  expect(toConnectError(refusal).metadata.get('oauth-client-attestation-challenge')).toBe('c-1');
});

test('a resource asks for a token without naming an error when none came, and names the missing scope (RFC 6750 §3)', () => {
  const header = (reason: 'not_authenticated' | 'insufficient_scope', tokenPresent: boolean): string | null =>
    toBearerError(new Refusal(reason, 'why'), { tokenPresent, scope: 'feed:follow' }).headers.get('www-authenticate');
  expect(header('not_authenticated', false)).toBe('Bearer');
  expect(header('not_authenticated', true)).toBe('Bearer error="invalid_token", error_description="why"');
  expect(header('insufficient_scope', true)).toBe(
    'Bearer error="insufficient_scope", error_description="why", scope="feed:follow"',
  );
});
