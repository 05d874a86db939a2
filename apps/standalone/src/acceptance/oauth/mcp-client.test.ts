import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import tls from 'node:tls';
import * as second from '@modelcontextprotocol/client';
import * as first from '@modelcontextprotocol/sdk/client/auth.js';
import * as firstExtensions from '@modelcontextprotocol/sdk/client/auth-extensions.js';
import { loopbackTls, openTestDatabase, testKek } from '@mono-auth/testing';
import { decodeJwt, exportJWK } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { authorizeAs } from './browser-person.ts';
import { type McpServer, startMcpServer } from './mcp-server.ts';
import { type OAuthScene, openOAuthScene, type RegisteredClient, registerApp, registerMachine } from './oauth-scene.ts';

let scene: OAuthScene;
let server: McpServer;
const callbackUrl = 'http://127.0.0.1:9/callback';

beforeAll(async () => {
  scene = await openOAuthScene(await openTestDatabase(), testKek);
  server = startMcpServer(() => scene.issuer);
  await scene.rpc('clients.v1.ClientService/CreateResource', {
    identifier: server.url.href,
    name: 'MCP server',
    environment: 'ENVIRONMENT_PRODUCTION',
    scopes: ['orders:read'],
  });
});
afterAll(async () => {
  await server?.close();
  await scene?.close();
});

/** What an MCP client keeps between the two halves of its flow. */
class Memory {
  readonly redirectUrl = callbackUrl;
  readonly clientMetadata = { redirect_uris: [callbackUrl], client_name: 'MCP client', scope: 'orders:read' };
  readonly #client: RegisteredClient | undefined;
  #tokens: first.OAuthClientProvider extends { tokens(): infer T } ? Awaited<T> : never;
  #verifier = '';
  asked: URL | undefined;

  constructor(client: RegisteredClient | undefined) {
    this.#client = client;
  }
  state = () => 'kept';
  clientInformation = () => ({ client_id: this.#client?.id ?? '', issuer: scene.issuer });
  tokens = () => this.#tokens;
  saveTokens = (tokens: NonNullable<ReturnType<Memory['tokens']>>) => {
    this.#tokens = tokens;
  };
  redirectToAuthorization = (url: URL) => {
    this.asked = url;
  };
  saveCodeVerifier = (verifier: string) => {
    this.#verifier = verifier;
  };
  codeVerifier = () => this.#verifier;
}

const generations = [
  ['first', first.auth],
  ['second', second.auth],
] as const;

describe.each(generations)('the MCP client of the %s generation', (_name, auth) => {
  test('discovers the issuer from the resource, and a person signs in for it', async () => {
    const client = await registerApp(scene, {
      scopes: ['orders:read', 'offline_access'],
      audiences: [server.url.href],
      redirectUris: [callbackUrl],
    });
    const memory = new Memory(client);
    const provider = memory as first.OAuthClientProvider & second.OAuthClientProvider;
    expect(await auth(provider, { serverUrl: server.url })).toBe('REDIRECT');
    const callback = await authorizeAs(scene.owner, memory.asked as URL);
    const authorizationCode = callback.searchParams.get('code') ?? '';
    const iss = callback.searchParams.get('iss') ?? '';
    expect(await auth(provider, { serverUrl: server.url, authorizationCode, iss })).toBe('AUTHORIZED');
    expect(decodeJwt(memory.tokens()?.access_token ?? '')).toMatchObject({
      aud: server.url.href,
      scope: 'orders:read',
    });
  });

  test('that nobody registered is known by its metadata document', async () => {
    const site = createServer(loopbackTls, (_request, response) => {
      const document = { ...memory.clientMetadata, client_id: clientMetadataUrl, token_endpoint_auth_method: 'none' };
      response.setHeader('content-type', 'application/json').end(JSON.stringify(document));
    });
    await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve));
    const trusted = tls.getCACertificates('default');
    tls.setDefaultCACertificates([...trusted, loopbackTls.cert]);
    const clientMetadataUrl = `https://localhost:${(site.address() as AddressInfo).port}/client.json`;
    let saved: { client_id: string } | undefined;
    const memory = Object.assign(new Memory(undefined), {
      clientMetadataUrl,
      clientInformation: () => saved,
      saveClientInformation: (information: { client_id: string }) => {
        saved = information;
      },
    });
    const provider = memory as first.OAuthClientProvider & second.OAuthClientProvider;
    try {
      expect(await auth(provider, { serverUrl: server.url })).toBe('REDIRECT');
      expect(memory.asked?.searchParams.get('client_id')).toBe(clientMetadataUrl);
      const callback = await authorizeAs(scene.owner, memory.asked as URL);
      const authorizationCode = callback.searchParams.get('code') ?? '';
      const iss = callback.searchParams.get('iss') ?? '';
      expect(await auth(provider, { serverUrl: server.url, authorizationCode, iss })).toBe('AUTHORIZED');
      expect(decodeJwt(memory.tokens()?.access_token ?? '')).toMatchObject({
        aud: server.url.href,
        scope: 'orders:read',
      });
    } finally {
      tls.setDefaultCACertificates(trusted);
      site.close();
    }
  });
});

describe.each([
  ['first', first.auth, firstExtensions],
  ['second', second.auth, second],
] as const)('the MCP client of the %s generation without a person', (_name, auth, extensions) => {
  const asMachine = { scopes: ['orders:read'], audiences: [] as string[] };

  test('asks by client_credentials with a secret', async () => {
    const { id, secret } = await registerMachine(scene, { ...asMachine, audiences: [server.url.href] });
    const provider = new extensions.ClientCredentialsProvider({
      clientId: id,
      clientSecret: secret,
      expectedIssuer: scene.issuer,
    });
    expect(await auth(provider as never, { serverUrl: server.url })).toBe('AUTHORIZED');
    expect(decodeJwt(provider.tokens()?.access_token ?? '')).toMatchObject({ aud: server.url.href });
  });

  test('asks by client_credentials with private_key_jwt', async () => {
    const machine = await registerMachine(scene, {
      ...asMachine,
      audiences: [server.url.href],
      authMethod: 'AUTH_METHOD_PRIVATE_KEY_JWT',
    });
    const provider = new extensions.PrivateKeyJwtProvider({
      clientId: machine.id,
      privateKey: { ...(await exportJWK(machine.key.privateKey)), kid: machine.key.jkt },
      algorithm: 'ES256',
      expectedIssuer: scene.issuer,
    });
    expect(await auth(provider as never, { serverUrl: server.url })).toBe('AUTHORIZED');
    expect(decodeJwt(provider.tokens()?.access_token ?? '')).toMatchObject({ aud: server.url.href });
  });
});
