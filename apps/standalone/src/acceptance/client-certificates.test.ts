import type { JsonObject } from '@bufbuild/protobuf';
import { ClientKind, ClientService } from '@mono-auth/proto/monoauth/clients/v1/clients';
import { loopbackTls, openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { rpcClient } from '../tour/person.ts';
import { type Installation, openInstallation } from './installation.ts';
import { makeKey } from './plain-client.ts';

const pem = encodeURIComponent(loopbackTls.cert);
const opened: { readonly installation: Installation; readonly db: TestDatabase }[] = [];

afterAll(async () => {
  for (const { installation, db } of opened) {
    await installation.close();
    await db.close();
  }
});

/** A tenant with one client that authenticates by the certificate of these tests, behind proxies that may be trusted. */
async function openScene(slug: string, trustedProxies: readonly string[]) {
  const clientCertificates = { header: 'x-ssl-cert', trustedProxies };
  const db = await openTestDatabase();
  const installation = await openInstallation(db.database, testKek, { clientCertificates });
  opened.push({ installation, db });
  const { issuer } = await installation.provision(slug);
  const ownerToken = await (await installation.signIn(slug)).token();
  const key = await makeKey();
  const { client } = await rpcClient(issuer, ClientService, ownerToken).createClient({
    kind: ClientKind.MACHINE,
    name: 'batch',
    scopes: ['feed:follow'],
    jwks: { keys: [key.publicJwk as JsonObject] },
    approve: true,
  });
  const id = client?.id ?? '';
  await db.changeManifest(id, { authMethod: 'tls_client_auth', tlsSubjectDn: 'cn=localhost' });
  const ask = async (headers: Record<string, string>) => {
    const body = new URLSearchParams({ grant_type: 'client_credentials', client_id: id });
    const answer = await fetch(`${issuer}/oauth2/token`, { method: 'POST', body, headers });
    return { status: answer.status, body: (await answer.json()) as Record<string, string> };
  };
  const register = (token: string, headers: Record<string, string>) =>
    fetch(`${issuer}/rpc/monoauth.feed.v1.FeedService/Register`, {
      method: 'POST',
      body: JSON.stringify({ name: 'edge' }),
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}`, ...headers },
    });
  return { issuer, ask, register };
}

describe('behind a proxy that is trusted with certificates (RFC 8705)', () => {
  let scene: Awaited<ReturnType<typeof openScene>>;
  beforeAll(async () => {
    scene = await openScene('acme', ['127.0.0.1']);
  });

  test('a client gets a token by its certificate, which opens the API with that certificate alone', async () => {
    const { issuer, ask, register } = scene;
    const { status, body } = await ask({ 'x-ssl-cert': pem });
    expect([status, body.token_type]).toEqual([200, 'Bearer']);
    const token = body.access_token ?? '';
    expect(decodeJwt(token).cnf).toEqual({ 'x5t#S256': expect.stringMatching(/^[A-Za-z0-9_-]{43}$/) });
    expect((await register(token, { 'x-ssl-cert': pem })).status).toBe(200);
    expect((await register(token, {})).status).toBe(401);
    const metadata = await (await fetch(`${issuer}/.well-known/openid-configuration`)).json();
    expect(metadata.token_endpoint_auth_methods_supported).toContain('tls_client_auth');
  });

  test('without the certificate, or with what is none, the client is refused', async () => {
    for (const headers of [{}, { 'x-ssl-cert': 'x' }, { 'x-ssl-cert': `${pem}, ${pem}` }, { 'x-client-cert': pem }]) {
      expect(await scene.ask(headers)).toMatchObject({ status: 401, body: { error: 'invalid_client' } });
    }
  });
});

test('whoever is no trusted proxy cannot say which certificate it is', async () => {
  const { ask } = await openScene('initech', ['192.0.2.1']);
  expect(await ask({ 'x-ssl-cert': pem })).toMatchObject({ status: 401, body: { error: 'invalid_client' } });
});
