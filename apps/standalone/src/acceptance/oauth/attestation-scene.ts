import type { JsonObject } from '@bufbuild/protobuf';
import { nowSeconds, systemRuntime } from '@mono-auth/core/runtime';
import { makeKey, type PlainKey } from '../plain-client.ts';
import { exchange, type PlayedIssuer, playIssuer } from './federation-scene.ts';
import { type Ask, ask, send } from './negative/ask.ts';
import {
  appScopes,
  joinTenant,
  type OAuthScene,
  openOAuthScene,
  ordersApi,
  type RegisteredClient,
  registerMachine,
  type SceneDatabase,
} from './oauth-scene.ts';

export const vouches: JsonObject = {
  purposes: ['ASSERTION_PURPOSE_CLIENT_ATTESTATION'],
  scopes: appScopes,
  audiences: [ordersApi],
};

/** Two tenants that have attestation in force, an attester whom one trusts, and a machine whose instances it vouches for. */
export interface AttestationScene {
  readonly home: OAuthScene;
  readonly other: OAuthScene;
  readonly attester: PlayedIssuer;
  readonly machine: RegisteredClient;
  /** Of one instance. */
  readonly instance: PlainKey;
}

/** Puts attestation in force, or out of it. */
export async function setClientAttestation({ rpc }: OAuthScene, clientAttestation: boolean): Promise<void> {
  const { policy, version = '0' } = await rpc('tenants.v1.TenantService/GetSecurityPolicy', {});
  const changed = { ...(policy as JsonObject), clientAttestation };
  await rpc('tenants.v1.TenantService/UpdateSecurityPolicy', { policy: changed, version });
}

export async function openAttestation(
  db: SceneDatabase,
  kek: Uint8Array,
  redisUrl?: string,
): Promise<AttestationScene> {
  const home = await openOAuthScene(db, kek, redisUrl);
  const other = await joinTenant(db, home.installation, 'other');
  for (const tenant of [home, other]) await setClientAttestation(tenant, true);
  const attester = await playIssuer(home, 'attester', vouches);
  const machine = await registerAttested(home, attester);
  return { home, other, attester, machine, instance: await makeKey() };
}

/** A machine for whose instances `attester` vouches. */
export function registerAttested(
  home: OAuthScene,
  { issuer }: Pick<PlayedIssuer, 'issuer'>,
  manifest: JsonObject = {},
): Promise<RegisteredClient> {
  return registerMachine(home, {
    ...{ authMethod: 'AUTH_METHOD_ATTEST_JWT_CLIENT_AUTH', attester: issuer },
    grantTypes: ['client_credentials', exchange],
    ...manifest,
  });
}

export type Change = Readonly<Record<string, unknown>>;

/** An attestation that is right in every part; `change` bends its claims. */
export function attest(
  attester: PlayedIssuer,
  clientId: string,
  instance: Pick<PlainKey, 'publicJwk'>,
  change: Change = {},
  typ = 'oauth-client-attestation+jwt',
): Promise<string> {
  const iat = nowSeconds(systemRuntime);
  const claims = { iss: attester.issuer, sub: clientId, iat, exp: iat + 240, cnf: { jwk: instance.publicJwk } };
  return attester.key.sign(typ, { ...claims, jti: undefined, ...change });
}

/** The proof of an instance that is right in every part. */
export async function provePossession(
  instance: Pick<PlainKey, 'sign'>,
  issuer: string,
  change: Change = {},
  typ = 'oauth-client-attestation-pop+jwt',
): Promise<string> {
  const challenge = await fetchChallenge(issuer);
  return instance.sign(typ, { aud: issuer, challenge, exp: undefined, ...change });
}

export async function fetchChallenge(issuer: string): Promise<string> {
  const { body, text } = await send(ask(issuer, '/oauth2/challenge', {}));
  if (typeof body.attestation_challenge !== 'string') throw new Error(`no challenge: ${text}`);
  return body.attestation_challenge;
}

/** Puts attestation and proof on a request. */
export async function attested(
  request: Ask,
  { attester, instance }: Pick<AttestationScene, 'attester' | 'instance'>,
  clientId: string,
): Promise<Ask> {
  request.headers.set('oauth-client-attestation', await attest(attester, clientId, instance));
  request.headers.set('oauth-client-attestation-pop', await provePossession(instance, request.issuer));
  return request;
}

/** A right request of the machine for a token of its own. */
export function asking(scene: AttestationScene, change: Record<string, string> = {}): Promise<Ask> {
  const form = { grant_type: 'client_credentials', resource: ordersApi, ...change };
  return attested(ask(scene.home.issuer, '/oauth2/token', form), scene, scene.machine.id);
}
