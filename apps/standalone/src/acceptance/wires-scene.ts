import type { JsonObject } from '@bufbuild/protobuf';
import { createClient } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-node';
import { newId } from '@mono-auth/core/ids';
import { systemRuntime as runtime } from '@mono-auth/core/runtime';
import type { Database } from '@mono-auth/database';
import { createAdmission } from '@mono-auth/gateway';
import { ClientKind, ClientService } from '@mono-auth/proto/monoauth/clients/v1/clients';
import { FeedService } from '@mono-auth/proto/monoauth/feed/v1/feed';
import { RevocationService } from '@mono-auth/proto/monoauth/revocation/v1/revocation';
import { type GrpcListener, openGrpcListener } from '../grpc-listener.ts';
import { rpcClient } from '../tour/person.ts';
import { type Installation, openInstallation } from './installation.ts';
import { makeKey, PlainClient } from './plain-client.ts';

/** An installation with its gRPC port beside it, and a tenant with its owner. */
export interface WiresScene {
  readonly installation: Installation;
  readonly grpc: GrpcListener;
  /** URL of the tenant on the main port, and of the gRPC port. */
  readonly issuer: string;
  readonly grpcUrl: string;
  /** A token of the owner for the RPC face. */
  readonly token: string;
  /** The same, but it may only read the tenant. */
  readonly narrowToken: string;
  /** A workload, and what it asks in order to act for the owner: the message of TokenService.Exchange in JSON form. */
  readonly workload: PlainClient;
  exchangeMessage(): Promise<JsonObject>;
  /** What went wrong behind the gRPC port. */
  readonly errors: unknown[];
  /** Headers that reached the RPCs behind the gRPC port. */
  readonly arrived: Headers[];
  register(name: string): Promise<string>;
  /** Makes a new entry in the tenant's feed: a token that nobody holds is revoked. */
  revokeSomething(): Promise<void>;
  close(): Promise<void>;
}

/** The service that the workload acts at. */
const orders = 'https://orders.example';

async function registerWorkload(issuer: string, ownerToken: string): Promise<PlainClient> {
  const key = await makeKey();
  const { client } = await rpcClient(issuer, ClientService, ownerToken).createClient({
    kind: ClientKind.MACHINE,
    name: 'exchanger',
    scopes: ['orders:read'],
    audiences: [orders],
    jwks: { keys: [key.publicJwk as JsonObject] },
    approve: true,
  });
  return new PlainClient(issuer, client?.id ?? '', key);
}

export const as = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });

export async function openWiresScene(database: Database, kek: Uint8Array, slug: string): Promise<WiresScene> {
  const installation = await openInstallation(database, kek);
  const { controlPlane, baseUrl } = installation;
  const grpc = await openGrpcListener('MONO_GRPC_LISTEN', { host: '127.0.0.1', port: 0 });
  const errors: unknown[] = [];
  const arrived: Headers[] = [];
  grpc.serve({
    admit: createAdmission({
      ...{ runtime, baseUrl, revocations: installation.revocations, onRefusal: () => {} },
      find: controlPlane.tenants.find,
    }),
    http2(exchange, ingress) {
      arrived.push(exchange.headers);
      return controlPlane.http2(exchange, ingress);
    },
    onError: (error) => errors.push(error),
  });
  await installation.provision(slug);
  const issuer = `${baseUrl}/t/${slug}`;
  const owner = await installation.signIn(slug);
  const token = await owner.token();
  const narrowToken = await owner.token({ scope: 'tenants:read' });
  const workload = await registerWorkload(issuer, token);
  const transport = createConnectTransport({ baseUrl: `${issuer}/rpc`, httpVersion: '1.1' });
  return {
    ...{ installation, grpc, issuer, token, narrowToken, workload, errors, arrived },
    grpcUrl: `http://127.0.0.1:${grpc.port}`,
    exchangeMessage: async () =>
      workload.exchangeMessage({ subject: await owner.token({ audience: issuer, scope: 'orders:read' }) }, orders),
    register: async (name) => (await createClient(FeedService, transport).register({ name }, as(token))).subscriberId,
    async revokeSomething() {
      const target = { target: { case: 'tokenId' as const, value: newId(runtime, 'tok') } };
      await createClient(RevocationService, transport).revoke({ target, reason: 'test' }, as(token));
    },
    async close() {
      await grpc.stop(0);
      await installation.close();
    },
  };
}
