import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { create, type JsonObject } from '@bufbuild/protobuf';
import { Code, ConnectError, type ConnectRouter, type Interceptor } from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { Refusal } from '@mono-auth/core/errors';
import { newId, type TenantId } from '@mono-auth/core/ids';
import { unaryDeadlineMsMax } from '@mono-auth/core/limits';
import { type Runtime, systemRuntime } from '@mono-auth/core/runtime';
import { ErrorInfoSchema } from '@mono-auth/proto/google/rpc/error_details';
import { FeedService } from '@mono-auth/proto/monoauth/feed/v1/feed';
import { exportJWK, generateKeyPair, type JWK, type JWTHeaderParameters, SignJWT } from 'jose';
import { FakeFeed, type FeedSigner } from './fake-feed.ts';

export interface IssuerKey {
  readonly publicJwk: JWK;
  readonly privateKey: CryptoKey;
  readonly signer: FeedSigner;
}

export async function makeKey(kid: string): Promise<IssuerKey> {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
  const sign = async (data: Uint8Array) =>
    new Uint8Array(await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, privateKey, new Uint8Array(data)));
  const publicJwk = { ...(await exportJWK(publicKey)), kid, alg: 'ES256', use: 'sig' };
  return { publicJwk, privateKey, signer: { kid, sign } };
}

/** An answer of the fake token endpoint, or of any other path below the issuer. */
export type PlainHandler = (request: { path: string; body: string; headers: Headers }) => Response | undefined;

/** A tenant's issuer on a real port with real keys: discovery, key set, feed and whatever services a test adds. */
export class FakeIssuer {
  readonly tenantId: TenantId;
  readonly runtime: Runtime = systemRuntime;
  readonly url: string;
  readonly feed: FakeFeed;
  readonly rootKey: IssuerKey;
  readonly feedKey: IssuerKey;
  readonly tokenKey: IssuerKey;
  /** Keys in the key set. */
  published: JWK[];
  /** What Register offers as root. */
  offeredRoot: JWK;
  /** Tokens that the RPC face refuses. */
  readonly refusedTokens = new Set<string>();
  /** How often each path was asked for. */
  readonly hits = new Map<string, number>();
  leaseMs: number | undefined;
  plain: PlainHandler = () => undefined;
  /** Answers nothing any more, as an issuer behind a dead network. */
  down = false;
  readonly #server: Server;

  private constructor(server: Server, keys: { root: IssuerKey; feed: IssuerKey; token: IssuerKey }) {
    this.#server = server;
    this.tenantId = newId(systemRuntime, 'ten');
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/t/tenant`;
    this.rootKey = keys.root;
    this.feedKey = keys.feed;
    this.tokenKey = keys.token;
    this.published = [keys.token.publicJwk];
    this.offeredRoot = keys.root.publicJwk;
    this.feed = new FakeFeed(this.tenantId, keys.feed.signer, systemRuntime);
  }

  static async start(routes: (router: ConnectRouter, issuer: FakeIssuer) => void = () => undefined) {
    const [root, feed, token] = await Promise.all([makeKey('key_root'), makeKey('key_feed'), makeKey('key_token')]);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const issuer = new FakeIssuer(server, { root, feed, token });
    const rpc = connectNodeAdapter({
      maxTimeoutMs: unaryDeadlineMsMax,
      requestPathPrefix: '/t/tenant/rpc',
      interceptors: [encodeRefusals],
      routes: (router) => {
        router.service(FeedService, { ...issuer.feed.service(), register: (request) => issuer.#register(request) });
        routes(router, issuer);
      },
      fallback: (request, response) => void issuer.#answer(request as IncomingMessage, response as ServerResponse),
    });
    server.on('request', (request, response) => {
      const path = (request.url ?? '').slice('/t/tenant'.length);
      issuer.hits.set(path, (issuer.hits.get(path) ?? 0) + 1);
      if (issuer.down) return void response.destroy();
      if (path.startsWith('/rpc/') && issuer.refusedTokens.has(request.headers.authorization?.slice(7) ?? '')) {
        return void response.writeHead(401, { 'content-type': 'application/json' }).end('{"code":"unauthenticated"}');
      }
      return void rpc(request, response);
    });
    return issuer;
  }

  /** An access token of this issuer: valid in every respect but those that are overridden; `undefined` leaves one out. */
  mint(claims: Record<string, unknown> = {}, options: { header?: Partial<JWTHeaderParameters>; key?: IssuerKey } = {}) {
    const iat = Math.floor(this.runtime.nowMs() / 1000);
    const key = options.key ?? this.tokenKey;
    const whole = {
      iss: this.url,
      aud: 'https://orders.test',
      sub: `user:${newId(this.runtime, 'usr')}`,
      exp: iat + 300,
      iat,
      jti: newId(this.runtime, 'tok'),
      client_id: newId(this.runtime, 'cli'),
      scope: 'orders:read orders:write',
      tenant_id: this.tenantId,
      ep: 0,
      fs: 0,
      ...claims,
    };
    return new SignJWT(JSON.parse(JSON.stringify(whole)))
      .setProtectedHeader({ alg: 'ES256', kid: key.publicJwk.kid ?? '', typ: 'at+jwt', ...options.header })
      .sign(key.privateKey);
  }

  certificate(key: IssuerKey = this.feedKey, by: IssuerKey = this.rootKey, purpose = 'feed'): Promise<string> {
    return new SignJWT({ iss: 'https://platform.test', tenant_id: this.tenantId, purpose, jwk: key.publicJwk })
      .setProtectedHeader({ alg: 'ES256', kid: by.publicJwk.kid ?? '', typ: 'mono-key-cert+jwt' })
      .setIssuedAt(Math.floor(this.runtime.nowMs() / 1000))
      .sign(by.privateKey);
  }

  async stop(): Promise<void> {
    this.feed.disconnect();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #register({ leaseMs }: { leaseMs: number }) {
    return {
      subscriberId: newId(this.runtime, 'sub'),
      leaseMs: this.leaseMs ?? leaseMs,
      feedKeyCertificate: await this.certificate(),
      rootJwk: this.offeredRoot as JsonObject,
    };
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const path = (request.url ?? '').slice('/t/tenant'.length);
    const headers = new Headers(request.headers as Record<string, string>);
    const answer = this.plain({ path, body: Buffer.concat(chunks).toString(), headers }) ?? this.#document(path);
    response.writeHead(answer.status, Object.fromEntries(answer.headers));
    response.end(Buffer.from(await answer.arrayBuffer()));
  }

  #document(path: string): Response {
    if (path === '/jwks') return Response.json({ keys: this.published });
    if (path !== '/.well-known/openid-configuration') return new Response('not found', { status: 404 });
    const tokenEndpoint = `${this.url}/oauth2/token`;
    return Response.json({ issuer: this.url, jwks_uri: `${this.url}/jwks`, token_endpoint: tokenEndpoint });
  }
}

/** Refusals as the control plane encodes them: code, detail and ErrorInfo. */
const encodeRefusals: Interceptor = (next) => async (request) => {
  const encode = (error: unknown) => (error instanceof Refusal ? toConnectError(error) : error);
  async function* inside<T>(messages: AsyncIterable<T>): AsyncIterable<T> {
    try {
      yield* messages;
    } catch (error) {
      throw encode(error);
    }
  }
  try {
    const response = await next(request);
    return response.stream ? { ...response, message: inside(response.message) } : response;
  } catch (error) {
    throw encode(error);
  }
};

function toConnectError({ reason, detail }: Refusal): ConnectError {
  const code = reason === 'reset_required' ? Code.OutOfRange : Code.FailedPrecondition;
  const info = create(ErrorInfoSchema, { reason, domain: 'monoauth' });
  return new ConnectError(detail, code, undefined, [{ desc: ErrorInfoSchema, value: info }]);
}
