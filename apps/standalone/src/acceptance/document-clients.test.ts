import { MetadataDocumentClients, TenantService } from '@mono-auth/proto/monoauth/tenants/v1/tenants';
import { openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { rpcClient } from '../tour/person.ts';
import { type Installation, openInstallation } from './installation.ts';
import { postRpc } from './plain-client.ts';

let db: TestDatabase;
let installation: Installation;
let issuer: string;
let token: string;
let site: Bun.Server<undefined>;
let documents = 0;
let url: string;

beforeAll(async () => {
  db = await openTestDatabase();
  installation = await openInstallation(db.database, testKek);
  ({ issuer } = await installation.provision('numbat'));
  token = await (await installation.signIn('numbat')).token();
  site = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    fetch: ({ url: client_id }) =>
      Response.json({ client_id, client_name: 'Reader', redirect_uris: [new URL('/cb', client_id).href] }),
  });
});
afterAll(async () => {
  await site?.stop(true);
  await installation?.close();
  await db?.close();
});
beforeEach(() => {
  url = `http://127.0.0.1:${site.port}/client-${++documents}.json`;
});

const statusOf = async (externalId: string) =>
  (await db.admin<{ status: string }>(`select status from mono.clients where external_id = $1`, [externalId]))[0]
    ?.status;
const post = (form: Record<string, string>, query = '') =>
  fetch(`${issuer}/oauth2/token${query}`, { method: 'POST', body: new URLSearchParams(form) });
const exchange = 'monoauth.tokens.v1.TokenService/Exchange';
const unsigned = (claims: object) => `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.AAAA`;

async function setMode(metadataDocumentClients: MetadataDocumentClients): Promise<void> {
  const tenants = rpcClient(issuer, TenantService, token);
  const { policy, version } = await tenants.getSecurityPolicy({});
  if (!policy) throw new Error('a tenant has a policy');
  await tenants.updateSecurityPolicy({ policy: { ...policy, metadataDocumentClients }, version });
}

const ways: [string, () => Promise<unknown>][] = [
  ['in an authorization request', () => fetch(`${issuer}/oauth2/authorize?client_id=${encodeURIComponent(url)}`)],
  ['at the token endpoint', () => post({ grant_type: 'authorization_code', code: 'x', client_id: url })],
  ['in an assertion', () => post({ grant_type: 'client_credentials', client_assertion: unsigned({ sub: url }) })],
  ['beside another name in the query', () => post({ client_id: url }, '?client_id=cli_x')],
  ['in an exchange over RPC', () => postRpc(issuer, exchange, { clientId: url })],
  ['in an assertion over RPC', () => postRpc(issuer, exchange, { clientAssertion: unsigned({ sub: url }) })],
  [
    'in a body without a length',
    () => {
      const headers = { 'content-type': 'application/x-www-form-urlencoded' };
      const body = new Blob([new URLSearchParams({ client_id: url }).toString()]).stream();
      return fetch(`${issuer}/oauth2/token`, { method: 'POST', headers, body, duplex: 'half' } as RequestInit);
    },
  ],
];

test.each(ways)('a client that is first named %s is there, approved by the policy', async (_where, meet) => {
  await meet();
  expect(await statusOf(url)).toBe('approved');
});

test.each(ways)('where such clients are disabled, one that is named %s is not made', async (_where, meet) => {
  await setMode(MetadataDocumentClients.DISABLED);
  await meet();
  expect(await statusOf(url)).toBeUndefined();
  await setMode(MetadataDocumentClients.ALLOWED);
});

test('disabling them ends those that are there at every endpoint, in the standard form', async () => {
  await post({ client_id: url });
  await setMode(MetadataDocumentClients.DISABLED);
  const answer = await post({ grant_type: 'authorization_code', code: 'x', client_id: url });
  expect(answer.status).toBe(401);
  expect(answer.headers.get('cache-control')).toBe('no-store');
  expect(await answer.json()).toMatchObject({ error: 'invalid_client' });
  await setMode(MetadataDocumentClients.ALLOWED);
});

test('under review it waits', async () => {
  await setMode(MetadataDocumentClients.REVIEW);
  await post({ client_id: url });
  expect(await statusOf(url)).toBe('submitted');
  await setMode(MetadataDocumentClients.ALLOWED);
});

test('a special-use address is not asked for, whatever the document of its name says', async () => {
  for (const address of ['http://169.254.169.254/latest', 'https://10.0.0.1/x', 'https://[fd00::1]/x']) {
    const answer = await post({ client_id: address });
    expect(answer.status).toBe(401);
    expect(await answer.json()).toMatchObject({ error: 'invalid_client' });
    expect(await statusOf(address)).toBeUndefined();
  }
});
