import { createHash } from 'node:crypto';
import { openTestDatabase, testKek } from '@mono-auth/testing';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { authorizeAs } from './browser-person.ts';
import { type OAuthScene, openOAuthScene, ordersApi } from './oauth-scene.ts';

let scene: OAuthScene;
let site: Bun.Server<undefined>;
let clientId: string;
const redirectUri = 'http://127.0.0.1:9/callback';
const verifier = 'v'.repeat(43);

beforeAll(async () => {
  scene = await openOAuthScene(await openTestDatabase(), testKek);
  site = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    fetch: ({ url: client_id }) =>
      Response.json({
        ...{ client_id, client_name: 'Reader', redirect_uris: [redirectUri], token_endpoint_auth_method: 'none' },
        grant_types: ['authorization_code', 'refresh_token'],
      }),
  });
  clientId = `http://127.0.0.1:${site.port}/client.json`;
});
afterAll(async () => {
  await site?.stop(true);
  await scene?.close();
});

function request(change: Record<string, string> = {}): URL {
  const url = new URL(`${scene.issuer}/oauth2/authorize`);
  const code_challenge = createHash('sha256').update(verifier).digest('base64url');
  const sent = {
    ...{ response_type: 'code', client_id: clientId, redirect_uri: redirectUri, state: 's' },
    ...{ scope: 'openid offline_access orders:read', resource: ordersApi, code_challenge },
    ...{ code_challenge_method: 'S256', ...change },
  };
  for (const [name, value] of Object.entries(sent)) url.searchParams.set(name, value);
  return url;
}

async function token(form: Record<string, string>) {
  const answer = await fetch(`${scene.issuer}/oauth2/token`, { method: 'POST', body: new URLSearchParams(form) });
  return { status: answer.status, body: (await answer.json()) as Record<string, string> };
}

async function setMode(metadataDocumentClients: string): Promise<void> {
  const { policy, version } = await scene.rpc('tenants.v1.TenantService/GetSecurityPolicy', {});
  const changed = { ...(policy as object), metadataDocumentClients };
  await scene.rpc('tenants.v1.TenantService/UpdateSecurityPolicy', { policy: changed, version: version ?? '0' });
}

test('a client that nobody registered signs a person in by its document, refreshes, and is gone where it is disabled', async () => {
  const callback = await authorizeAs(scene.owner, request());
  expect(callback.origin + callback.pathname).toBe(redirectUri);
  const code = callback.searchParams.get('code') ?? '';
  const redemption = { grant_type: 'authorization_code', code, redirect_uri: redirectUri, code_verifier: verifier };
  const first = await token({ ...redemption, client_id: clientId });
  expect(first).toMatchObject({ status: 200, body: { scope: 'openid offline_access orders:read' } });
  const claims = decodeJwt(first.body.access_token ?? '');
  expect(claims).toMatchObject({ aud: ordersApi, client_id: expect.stringMatching(/^cli_/) });
  expect(decodeJwt(first.body.id_token ?? '').aud).toBe(clientId);

  const refresh = { grant_type: 'refresh_token', refresh_token: first.body.refresh_token ?? '' };
  // By its own id it would pass by its document, and by the policy.
  expect(await token({ ...refresh, client_id: String(claims.client_id) })).toMatchObject({ status: 401 });
  const second = await token({ ...refresh, client_id: clientId });
  expect(second.status).toBe(200);

  await setMode('METADATA_DOCUMENT_CLIENTS_DISABLED');
  const third = { ...refresh, refresh_token: second.body.refresh_token ?? '' };
  expect(await token({ ...third, client_id: clientId })).toMatchObject({
    status: 401,
    body: { error: 'invalid_client' },
  });
  const asked = await scene.owner.fetch(`/oauth2/authorize${request().search}`);
  expect(asked.status).toBeGreaterThanOrEqual(400);
  await setMode('METADATA_DOCUMENT_CLIENTS_ALLOWED');
  // What was refused has used nothing up.
  expect((await token({ ...third, client_id: clientId })).status).toBe(200);
});

test.each([
  ['a redirect URI that is not in the document', { redirect_uri: 'http://127.0.0.1:9/other' }],
  ['no PKCE', { code_challenge: '' }],
  ['a document that is not there', { client_id: 'http://127.0.0.1:9/client.json' }],
])('with %s no code is given', async (_what, change) => {
  const answer = await scene.owner.fetch(`/oauth2/authorize${request(change).search}`);
  expect(answer.headers.get('location') ?? '').not.toContain('code=');
});

test('under review a person is not asked for a client that waits', async () => {
  await setMode('METADATA_DOCUMENT_CLIENTS_REVIEW');
  const waiting = `http://127.0.0.1:${site.port}/waiting.json`;
  const answer = await scene.owner.fetch(`/oauth2/authorize${request({ client_id: waiting }).search}`);
  expect(answer.status).toBeGreaterThanOrEqual(400);
  await setMode('METADATA_DOCUMENT_CLIENTS_ALLOWED');
});
