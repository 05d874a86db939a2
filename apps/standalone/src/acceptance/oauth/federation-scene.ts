import type { JsonObject } from '@bufbuild/protobuf';
import { systemRuntime } from '@mono-auth/core/runtime';
import { decodeJwt } from 'jose';
import { makeKey, type PlainKey } from '../plain-client.ts';
import { type Ask, ask, send } from './negative/ask.ts';
import { authenticated, redemption } from './negative/lab.ts';
import {
  joinTenant,
  type OAuthScene,
  openOAuthScene,
  ordersApi,
  type RegisteredClient,
  registerApp,
  type SceneDatabase,
} from './oauth-scene.ts';

export const jwtBearer = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
export const exchange = 'urn:ietf:params:oauth:grant-type:token-exchange';
export const tokenType = (name: string) => `urn:ietf:params:oauth:token-type:${name}`;
const federation = 'federation.v1.FederationService';

/** Two tenants: one that serves the orders, and one that knows the people; and a client that both know. */
export interface FederationScene {
  /** The resource server's authorization server. */
  readonly home: OAuthScene;
  /** The identity provider. */
  readonly idp: OAuthScene;
  /** The client at home, and at the identity provider. */
  readonly client: RegisteredClient;
  readonly clientAtIdp: RegisteredClient;
  /** The trust in the identity provider, and the link of its person to the person at home. */
  readonly issuerId: string;
  readonly subjectId: string;
  readonly serverId: string;
  /** `sub` of the person at the identity provider, and of the person at home. */
  readonly subjectAtIdp: string;
  readonly subjectAtHome: string;
}

/** Puts assertions across domains in force, or out of it. */
export async function setIdJag({ rpc }: OAuthScene, idJag: boolean): Promise<void> {
  const { policy, version = '0' } = await rpc('tenants.v1.TenantService/GetSecurityPolicy', {});
  await rpc('tenants.v1.TenantService/UpdateSecurityPolicy', { policy: { ...(policy as JsonObject), idJag }, version });
}

export const idOf = (answer: JsonObject, member: string) => String((answer[member] as JsonObject).id);

export async function openFederation(db: SceneDatabase, kek: Uint8Array): Promise<FederationScene> {
  const home = await openOAuthScene(db, kek);
  const idp = await joinTenant(db, home.installation, 'idp');
  await idp.rpc('clients.v1.ClientService/CreateResource', {
    identifier: ordersApi,
    name: 'Orders',
    environment: 'ENVIRONMENT_PRODUCTION',
    scopes: ['orders:read', 'orders:write'],
  });
  await setIdJag(home, true);
  await setIdJag(idp, true);
  const withSecret = { authMethod: 'AUTH_METHOD_CLIENT_SECRET_POST' };
  const client = await registerApp(home, {
    authMethod: 'AUTH_METHOD_CLIENT_SECRET_BASIC',
    ...{ grantTypes: [jwtBearer, 'client_credentials'], redirectUris: [] },
  });
  const clientAtIdp = await registerApp(idp, {
    ...withSecret,
    grantTypes: ['authorization_code', 'refresh_token', exchange],
  });
  const subjectAtIdp = String(decodeJwt(idp.ownerToken).sub);
  const subjectAtHome = String(decodeJwt(home.ownerToken).sub);
  const issuerId = await trust(home, { issuer: idp.issuer, jwksUri: `${idp.issuer}/jwks` });
  const subjectId = await link(home, { issuerId, subject: subjectAtIdp, userId: subjectAtHome.slice('user:'.length) });
  const server = await idp.rpc(`${federation}/TrustResourceServer`, {
    ...{ issuer: home.issuer, name: 'orders', clientId: clientAtIdp.id, remoteClientId: client.id },
    ...{ profile: 'ASSERTION_PROFILE_ENTERPRISE_MANAGED', resources: [ordersApi], scopes: ['orders:read'] },
  });
  const serverId = idOf(server, 'resourceServer');
  return { home, idp, client, clientAtIdp, issuerId, subjectId, serverId, subjectAtIdp, subjectAtHome };
}

/** Trusts an issuer for everything that it may be trusted for, unless told otherwise. @returns its id. */
export async function trust(home: OAuthScene, asked: JsonObject): Promise<string> {
  const answer = await home.rpc(`${federation}/TrustIssuer`, {
    name: 'a neighbour',
    purposes: ['ASSERTION_PURPOSE_ID_JAG', 'ASSERTION_PURPOSE_WORKLOAD', 'ASSERTION_PURPOSE_IDENTITY_CHAINING'],
    scopes: ['orders:read', 'orders:write'],
    audiences: [ordersApi],
    ...asked,
  });
  return idOf(answer, 'issuer');
}

export async function link(home: OAuthScene, asked: JsonObject): Promise<string> {
  return idOf(await home.rpc(`${federation}/LinkSubject`, asked), 'subject');
}

/** An issuer that a test plays itself: it signs what it likes. */
export interface PlayedIssuer {
  readonly issuer: string;
  readonly id: string;
  readonly key: PlainKey;
}

export async function playIssuer(home: OAuthScene, name: string, asked: JsonObject = {}): Promise<PlayedIssuer> {
  const key = await makeKey();
  const issuer = `https://${name}.example`;
  const id = await trust(home, { issuer, jwks: { keys: [key.publicJwk as JsonObject] }, ...asked });
  return { issuer, id, key };
}

/** An ID-JAG that is right in every part for this client and subject; `change` bends its claims. */
export function assertPerson(
  played: PlayedIssuer,
  { home, client }: Pick<FederationScene, 'home' | 'client'>,
  change: Record<string, unknown> = {},
  typ = 'oauth-id-jag+jwt',
): Promise<string> {
  const iat = Math.floor(systemRuntime.nowMs() / 1000);
  const claims = {
    ...{ iss: played.issuer, sub: 'alice', aud: home.issuer, client_id: client.id },
    ...{ jti: systemRuntime.uuid(), iat, exp: iat + 120, auth_time: iat - 60, acr: 'urn:mfa' },
    ...{ resource: ordersApi, scope: 'orders:read' },
    ...change,
  };
  return played.key.sign(typ, claims);
}

/** A right request to redeem it. */
export function redeeming({ home, client }: Pick<FederationScene, 'home' | 'client'>, assertion: string): Ask {
  return authenticated(ask(home.issuer, '/oauth2/token', { grant_type: jwtBearer, assertion }), client);
}

/** Tokens of the person at the identity provider, through the client there. */
export async function signInAtIdp(scene: FederationScene): Promise<Record<'id_token' | 'refresh_token', string>> {
  const request = await redemption({ scene: scene.idp }, scene.clientAtIdp);
  const { body, text } = await send(postedSecret(request, scene.clientAtIdp));
  if (typeof body.id_token !== 'string') throw new Error(`no ID token: ${text}`);
  return { id_token: body.id_token, refresh_token: String(body.refresh_token) };
}

/** As `client_secret_post` has it. */
export function postedSecret(request: Ask, { id, secret }: RegisteredClient): Ask {
  request.headers.delete('authorization');
  request.form.set('client_id', id);
  request.form.set('client_secret', secret);
  return request;
}

/** A right request for an ID-JAG. */
export function askingForIdJag(scene: FederationScene, idToken: string): Ask {
  const form = {
    grant_type: exchange,
    requested_token_type: tokenType('id-jag'),
    ...{ subject_token: idToken, subject_token_type: tokenType('id_token') },
    ...{ audience: scene.home.issuer, resource: ordersApi, scope: 'orders:read' },
  };
  return postedSecret(ask(scene.idp.issuer, '/oauth2/token', form), scene.clientAtIdp);
}
