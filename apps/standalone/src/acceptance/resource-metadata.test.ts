import * as second from '@modelcontextprotocol/client';
import * as first from '@modelcontextprotocol/sdk/client/auth.js';
import { openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import * as oauth from 'oauth4webapi';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Installation, openInstallation } from './installation.ts';

let db: TestDatabase;
let installation: Installation;
let issuer: string;

beforeAll(async () => {
  db = await openTestDatabase();
  installation = await openInstallation(db.database, testKek);
  ({ issuer } = await installation.provision('numbat'));
});
afterAll(async () => {
  await installation?.close();
  await db?.close();
});

const insecure = { [oauth.allowInsecureRequests]: true };
const path = '/.well-known/oauth-protected-resource';

test('an independent client finds the metadata of the management API, and its issuer through it', async () => {
  const resource = new URL(`${issuer}/rpc`);
  const answer = await oauth.resourceDiscoveryRequest(resource, insecure);
  const metadata = await oauth.processResourceDiscoveryResponse(resource, answer);
  expect(metadata).toEqual({
    resource: `${issuer}/rpc`,
    authorization_servers: [issuer],
    scopes_supported: expect.arrayContaining(['clients:manage', 'audit:read']),
    bearer_methods_supported: ['header'],
    resource_name: 'Mono-Auth management API',
    jwks_uri: `${issuer}/jwks`,
    dpop_signing_alg_values_supported: ['ES256', 'EdDSA', 'RS256'],
  });
  expect(metadata.scopes_supported).not.toContain('offline_access');
  const appended = await fetch(`${issuer}/rpc${path}`);
  expect(await appended.json()).toEqual({ ...metadata });
  expect(appended.headers.get('cache-control')).toContain('max-age');
});

test('both generations of the MCP client find it from a challenge', async () => {
  const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' };
  for (const client of [first, second]) {
    const refused = await fetch(`${issuer}/rpc/monoauth.clients.v1.ClientService/ListClients`, init);
    const { resourceMetadataUrl } = client.extractWWWAuthenticateParams(refused);
    if (!resourceMetadataUrl) throw new Error('the challenge names no metadata');
    const metadata = await client.discoverOAuthProtectedResourceMetadata(`${issuer}/rpc`, { resourceMetadataUrl });
    expect([metadata.resource, metadata.authorization_servers]).toEqual([`${issuer}/rpc`, [issuer]]);
  }
});

test.each(['nobody', 'numbat/log', 'numbat'])('there is none of %s', async (what) => {
  const { origin } = new URL(issuer);
  const tail = what === 'nobody' ? 'nobody/rpc' : what;
  expect((await fetch(`${origin}${path}/t/${tail}`)).status).toBe(404);
});

const faces: [string, string, RequestInit][] = [
  ['an RPC', '/rpc/monoauth.clients.v1.ClientService/ListClients', { method: 'POST', body: '{}' }],
  ['the feed', '/feed', {}],
  ['the log', '/log/checkpoint', {}],
];

test.each(faces)('who is refused by %s is told where the metadata is', async (_face, face, init) => {
  const url = `${new URL(issuer).origin}${path}/t/numbat/rpc`;
  for (const authorization of [undefined, 'Bearer nonsense']) {
    const headers = { 'content-type': 'application/json', ...(authorization && { authorization }) };
    const answer = await fetch(`${issuer}${face}`, { ...init, headers });
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer /);
    expect(answer.headers.get('www-authenticate')).toContain(`resource_metadata="${url}"`);
    expect((await answer.text()).length).toBeGreaterThan(0);
  }
});

test('an endpoint of the issuer is no such resource, and says nothing of the kind', async () => {
  const answer = await fetch(`${issuer}/oauth2/token`, { method: 'POST', body: new URLSearchParams({ a: 'b' }) });
  expect(answer.headers.get('www-authenticate') ?? '').not.toContain('resource_metadata');
});
