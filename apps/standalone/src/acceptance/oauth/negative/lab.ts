import { createHash } from 'node:crypto';
import type { JsonObject } from '@bufbuild/protobuf';
import { base64url, utf8 } from '@mono-auth/core/encoding';
import { systemRuntime } from '@mono-auth/core/runtime';
import { authorizeAs } from '../browser-person.ts';
import {
  appScopes,
  joinTenant,
  type OAuthScene,
  openOAuthScene,
  ordersApi,
  type RegisteredClient,
  redirectUri,
  registerApp,
  registerMachine,
  type SceneDatabase,
} from '../oauth-scene.ts';
import { type Ask, ask, basic, send } from './ask.ts';

export const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
export const deviceGrant = 'urn:ietf:params:oauth:grant-type:device_code';

/** Two tenants with a client of each kind, and right requests for every endpoint, to be bent one by one. */
export interface Lab {
  readonly scene: OAuthScene;
  readonly other: OAuthScene;
  /** Authenticates by client_secret_basic. */
  readonly app: RegisteredClient;
  /** Another app with a secret. */
  readonly rival: RegisteredClient;
  readonly publicApp: RegisteredClient;
  /** Authenticates by private_key_jwt. */
  readonly keyed: RegisteredClient;
  readonly machine: RegisteredClient;
  /** An app of the other tenant, with a secret. */
  readonly foreign: RegisteredClient;
}

export async function openLab(db: SceneDatabase, kek: Uint8Array, redisUrl?: string): Promise<Lab> {
  const scene = await openOAuthScene(db, kek, redisUrl);
  const other = await joinTenant(db, scene.installation, 'other');
  await other.rpc('clients.v1.ClientService/CreateResource', {
    identifier: ordersApi,
    name: 'Orders',
    environment: 'ENVIRONMENT_PRODUCTION',
  });
  const withSecret: JsonObject = { authMethod: 'AUTH_METHOD_CLIENT_SECRET_BASIC' };
  return {
    scene,
    other,
    app: await registerApp(scene, withSecret),
    rival: await registerApp(scene, withSecret),
    publicApp: await registerApp(scene),
    keyed: await registerMachine(scene, { authMethod: 'AUTH_METHOD_PRIVATE_KEY_JWT' }),
    machine: await registerMachine(scene),
    foreign: await registerApp(other, withSecret),
  };
}

/** A right authorization request of a client. */
export function authorizationRequest(client: RegisteredClient, verifier: string): URLSearchParams {
  return new URLSearchParams({
    response_type: 'code',
    client_id: client.id,
    redirect_uri: redirectUri,
    scope: appScopes.join(' '),
    resource: ordersApi,
    state: 'kept',
    code_challenge: challengeOf(verifier),
    code_challenge_method: 'S256',
  });
}

/** A right redemption of a fresh code. */
export async function redemption(
  { scene }: Pick<Lab, 'scene'>,
  client: RegisteredClient,
  parameters: Record<string, string> = {},
): Promise<Ask> {
  const verifier = base64url(systemRuntime.randomBytes(32));
  const request = authorizationRequest(client, verifier);
  for (const [name, value] of Object.entries(parameters)) request.set(name, value);
  const callback = await authorizeAs(scene.owner, new URL(`${scene.issuer}/oauth2/authorize?${request}`));
  const code = callback.searchParams.get('code');
  if (code === null) throw new Error(`no code: ${callback.search}`);
  return authenticated(
    ask(scene.issuer, '/oauth2/token', {
      grant_type: 'authorization_code',
      code,
      redirect_uri: redirectUri,
      code_verifier: verifier,
    }),
    client,
  );
}

/** A right refresh with a fresh token. */
export async function refreshing(lab: Pick<Lab, 'scene'>, client: RegisteredClient): Promise<Ask> {
  const { body, text } = await send(await redemption(lab, client));
  if (typeof body.refresh_token !== 'string') throw new Error(`no refresh token: ${text}`);
  const form = { grant_type: 'refresh_token', refresh_token: body.refresh_token };
  return authenticated(ask(lab.scene.issuer, '/oauth2/token', form), client);
}

/** As the client proves itself: by its secret in the header, or, for a public one, by its name alone. */
export function authenticated(request: Ask, { id, secret }: RegisteredClient): Ask {
  if (secret) request.headers.set('authorization', basic(id, secret));
  else request.form.set('client_id', id);
  return request;
}

/** A right request of client_credentials with a fresh assertion. */
export async function asserting({ scene }: Pick<Lab, 'scene'>, { id, key }: RegisteredClient): Promise<Ask> {
  return ask(scene.issuer, '/oauth2/token', {
    grant_type: 'client_credentials',
    client_assertion_type: assertionType,
    client_assertion: await key.sign('client-authentication+jwt', { iss: id, sub: id, aud: scene.issuer }),
  });
}

/** An access token of the machine, for introspection and revocation. */
export async function machineToken({ scene, machine }: Pick<Lab, 'scene' | 'machine'>): Promise<string> {
  const request = authenticated(ask(scene.issuer, '/oauth2/token', { grant_type: 'client_credentials' }), machine);
  const { body, text } = await send(request);
  if (typeof body.access_token !== 'string') throw new Error(`no token: ${text}`);
  return body.access_token;
}

export const nowSeconds = () => Math.floor(systemRuntime.nowMs() / 1000);

/** RFC 7636 §4.2. */
function challengeOf(verifier: string): string {
  return base64url(createHash('sha256').update(utf8(verifier)).digest());
}
