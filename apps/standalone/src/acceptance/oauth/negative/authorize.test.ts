import { openTestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ordersApi, redirectUri, registerApp } from '../oauth-scene.ts';
import { authorizationRequest, type Lab, openLab } from './lab.ts';

let lab: Lab;

beforeAll(async () => {
  lab = await openLab(await openTestDatabase(), testKek);
});
afterAll(() => lab?.scene.close());

/** An authorization request, broken once; `bend` changes the parameters of a right one. */
interface AuthorizeRow {
  readonly section: string;
  readonly name: string;
  readonly bend: (request: URLSearchParams) => void;
  /** The error at the client's redirect URI; undefined where nobody may be redirected. */
  readonly error: string | undefined;
}

const row = (section: string, name: string, bend: AuthorizeRow['bend'], error?: string): AuthorizeRow => ({
  section,
  name,
  bend,
  error,
});

/** RFC 6749 §4.1.2.1: without a client and a redirect URI that are known, the person is told, and nobody is redirected. */
const authorizeRows = (lab: Lab): AuthorizeRow[] => [
  row('6749 §4.1.2.1', 'no client', (request) => request.delete('client_id')),
  row('6749 §4.1.2.1', 'a client that never was', (request) =>
    request.set('client_id', 'cli_00000000000000000000000000'),
  ),
  row('law 5', 'a client of another tenant', (request) => request.set('client_id', lab.foreign.id)),
  row('6749 §3.2', 'two clients', (request) => request.append('client_id', lab.rival.id)),
  row('6749 §3.1.2.4', 'no redirect_uri', (request) => request.delete('redirect_uri')),
  row('9700 §4.1.3', 'another redirect_uri', (request) =>
    request.set('redirect_uri', 'https://evil.example.test/callback'),
  ),
  row('9700 §4.1.3', 'a redirect_uri below', (request) => request.set('redirect_uri', `${redirectUri}/deeper`)),
  row('9700 §4.1.3', 'a redirect_uri with a query', (request) => request.set('redirect_uri', `${redirectUri}?a=b`)),
  row('9700 §4.1.3', 'a redirect_uri with a fragment', (request) => request.set('redirect_uri', `${redirectUri}#a`)),
  row('9700 §4.1.3', 'a redirect_uri with a user', (request) =>
    request.set('redirect_uri', 'https://app@app.example.test/callback'),
  ),
  row('9700 §4.1.3', 'a redirect_uri with a port', (request) =>
    request.set('redirect_uri', 'https://app.example.test:8443/callback'),
  ),
  row('9700 §4.1.3', 'a redirect_uri by http', (request) =>
    request.set('redirect_uri', 'http://app.example.test/callback'),
  ),
  row('9700 §4.1.3', 'a redirect_uri in upper case', (request) =>
    request.set('redirect_uri', redirectUri.toUpperCase()),
  ),
  row('9700 §4.1.3', 'a redirect_uri with dots', (request) =>
    request.set('redirect_uri', 'https://app.example.test/x/../callback'),
  ),
  row('9700 §4.1.3', 'a redirect_uri that is a script', (request) =>
    request.set('redirect_uri', 'javascript:alert(1)'),
  ),
  row('6749 §3.2', 'two redirect_uris', (request) => request.append('redirect_uri', redirectUri)),
  row('6749 §3.1.1', 'no response_type', (request) => request.delete('response_type'), 'invalid_request'),
  row(
    '6749 §3.1.1',
    'the implicit response_type',
    (request) => request.set('response_type', 'token'),
    'unsupported_response_type',
  ),
  row(
    'OIDC §3.3',
    'a hybrid response_type',
    (request) => request.set('response_type', 'code id_token'),
    'unsupported_response_type',
  ),
  row('6749 §3.2', 'two response_types', (request) => request.append('response_type', 'code'), 'invalid_request'),
  row('6749 §3.2', 'two scopes', (request) => request.append('scope', 'openid'), 'invalid_request'),
  row('6749 §3.3', 'a scope beyond the manifest', (request) => request.set('scope', 'openid admin'), 'invalid_scope'),
  row('6749 §3.3', 'a scope that is none', (request) => request.set('scope', 'a"b'), 'invalid_scope'),
  row('7636 §4.4.1', 'no challenge', (request) => request.delete('code_challenge'), 'invalid_request'),
  row('7636 §4.3', 'no method', (request) => request.delete('code_challenge_method'), 'invalid_request'),
  row('7636 §4.3', 'the plain method', (request) => request.set('code_challenge_method', 'plain'), 'invalid_request'),
  row(
    '7636 §4.2',
    'a challenge that is too short',
    (request) => request.set('code_challenge', 'short'),
    'invalid_request',
  ),
  row(
    '7636 §4.2',
    'a challenge with forbidden letters',
    (request) => request.set('code_challenge', '!'.repeat(43)),
    'invalid_request',
  ),
  row('6749 §3.2', 'two challenges', (request) => request.append('code_challenge', 'x'.repeat(43)), 'invalid_request'),
  row(
    '8707 §2',
    'a resource beyond the manifest',
    (request) => request.set('resource', 'https://elsewhere.example.test'),
    'invalid_target',
  ),
  row(
    '8707 §2',
    'a resource with a fragment',
    (request) => request.set('resource', `${ordersApi}#a`),
    'invalid_target',
  ),
  row('8707 §2', 'a resource that is no URI', (request) => request.set('resource', 'orders'), 'invalid_target'),
  row('9101 §5', 'a request object', (request) => request.set('request', 'e30.e30.'), 'request_not_supported'),
  row('OIDC §3.1.2.1', 'prompt none and login', (request) => request.set('prompt', 'none login'), 'invalid_request'),
  row('OIDC §3.1.2.1', 'a max_age that is no number', (request) => request.set('max_age', 'old'), 'invalid_request'),
  row('OIDC §3.1.2.1', 'a max_age below zero', (request) => request.set('max_age', '-1'), 'invalid_request'),
  row(
    'OAuth multiple response types §2.1',
    'the answer in a fragment',
    (request) => request.set('response_mode', 'fragment'),
    'invalid_request',
  ),
  row('9449 §10', 'a dpop_jkt that is no thumbprint', (request) => request.set('dpop_jkt', 'key'), 'invalid_request'),
  row('6749 §3.2', 'two states', (request) => request.append('state', 'other'), 'invalid_request'),
  row('OIDC §3.1.2.6', 'prompt none without consent', (request) => request.set('prompt', 'none'), 'consent_required'),
];

test('an authorization request that breaks one MUST leads to the client with its error, or nowhere', async () => {
  const { owner, issuer } = lab.scene;
  const client = await registerApp(lab.scene);
  const faults: string[] = [];
  for (const { section, name, bend, error } of authorizeRows(lab)) {
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
