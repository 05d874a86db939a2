import type { JsonObject } from '@bufbuild/protobuf';
import type { Database } from '@mono-auth/database';
import type { Person } from '../../tour/person.ts';
import { type Installation, openInstallation } from '../installation.ts';
import { makeKey, type PlainKey, postRpc } from '../plain-client.ts';

/** A client of the tenant as its developer knows it. */
export interface RegisteredClient {
  readonly id: string;
  /** For a method that needs one. */
  readonly secret: string;
  readonly key: PlainKey;
}

/** The database of a test file. */
export interface SceneDatabase {
  readonly database: Database;
  close(): Promise<void>;
}

/** One tenant with a person in it, and clients as tests want them. */
export interface OAuthScene {
  readonly installation: Installation;
  readonly issuer: string;
  readonly owner: Person;
  readonly ownerToken: string;
  /** An RPC of the tenant's owner. @throws Error with the refusal. */
  rpc(method: string, message: JsonObject): Promise<JsonObject>;
  close(): Promise<void>;
}

export const redirectUri = 'https://app.example.test/callback';
/** An API of the tenant that most tests ask tokens for. */
export const ordersApi = 'https://orders.example.test';
const orderScopes = ['orders:read', 'orders:write'];
export const appScopes = ['openid', 'profile', 'email', 'offline_access', ...orderScopes];

const deviceCode = 'urn:ietf:params:oauth:grant-type:device_code';

export async function openOAuthScene(db: SceneDatabase, kek: Uint8Array, redisUrl?: string): Promise<OAuthScene> {
  const installation = await openInstallation(db.database, kek, { redisUrl });
  const scene = await joinTenant(db, installation, 'home');
  await scene.rpc('clients.v1.ClientService/CreateResource', {
    identifier: ordersApi,
    name: 'Orders',
    environment: 'ENVIRONMENT_PRODUCTION',
    scopes: orderScopes,
  });
  return scene;
}

/** One more tenant of the same installation. */
export async function joinTenant(db: SceneDatabase, installation: Installation, slug: string): Promise<OAuthScene> {
  const { issuer } = await installation.provision(slug);
  const owner = await installation.signIn(slug);
  const ownerToken = await owner.token();
  return {
    ...{ installation, issuer, owner, ownerToken },
    async rpc(method, message) {
      const { status, body } = await postRpc(issuer, `monoauth.${method}`, message, ownerToken);
      if (status !== 200) throw new Error(`${method}: ${status} ${JSON.stringify(body)}`);
      return body;
    },
    async close() {
      await installation.close();
      await db.close();
    },
  };
}

let clients = 0;

/** An approved client of the tenant. `manifest` and `rest` are in the JSON form of the contract. */
export async function registerApp(
  scene: OAuthScene,
  manifest: JsonObject = {},
  rest: JsonObject = {},
): Promise<RegisteredClient> {
  const key = await makeKey();
  const usesKeys = manifest.authMethod === 'AUTH_METHOD_PRIVATE_KEY_JWT';
  const body = await scene.rpc('clients.v1.ClientService/CreateClient', {
    kind: 'CLIENT_KIND_APP',
    name: `app-${++clients}`,
    approve: true,
    ...rest,
    manifest: {
      scopes: appScopes,
      audiences: [ordersApi],
      grantTypes: ['authorization_code', 'refresh_token', deviceCode],
      redirectUris: [redirectUri],
      authMethod: 'AUTH_METHOD_NONE',
      ...(usesKeys && { jwks: { keys: [key.publicJwk as JsonObject] } }),
      ...manifest,
    },
  });
  const client = body.client as JsonObject;
  return { id: String(client.id), secret: String(body.clientSecret ?? ''), key };
}

/** An approved client that asks for tokens of its own. */
export function registerMachine(scene: OAuthScene, manifest: JsonObject = {}, rest: JsonObject = {}) {
  const machine = {
    scopes: orderScopes,
    grantTypes: ['client_credentials'],
    redirectUris: [],
    authMethod: 'AUTH_METHOD_CLIENT_SECRET_BASIC',
  };
  return registerApp(scene, { ...machine, ...manifest }, { kind: 'CLIENT_KIND_MACHINE', ...rest });
}
