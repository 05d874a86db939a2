import { create, type JsonObject } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import {
  ClientSchema,
  ClientSecretSchema,
  ManifestSchema,
  RegistrationTokenSchema,
  ResourceSchema,
  AuthMethod as WireAuthMethod,
  Environment as WireEnvironment,
  ClientKind as WireKind,
  type Manifest as WireManifest,
  ClientSource as WireSource,
  ClientStatus as WireStatus,
} from '@mono-auth/proto/monoauth/clients/v1/clients';
import type { Client, ClientKind, ClientSource, ClientStatus, PublicJwks } from './client.ts';
import type { AuthMethod, Environment, Manifest } from './manifest.ts';
import { manifestHash } from './manifest-hash.ts';
import type { ManifestInput } from './read-manifest.ts';
import type { RegistrationToken } from './registration-tokens/registration-token.ts';
import type { Resource } from './resources/resource.ts';
import type { ClientSecret } from './secrets/client-secret.ts';

const wireKind: Record<ClientKind, WireKind> = {
  host: WireKind.HOST,
  agent: WireKind.AGENT,
  machine: WireKind.MACHINE,
  service: WireKind.SERVICE,
  app: WireKind.APP,
};
const wireStatus: Record<ClientStatus, WireStatus> = {
  draft: WireStatus.DRAFT,
  submitted: WireStatus.SUBMITTED,
  approved: WireStatus.APPROVED,
  suspended: WireStatus.SUSPENDED,
  retired: WireStatus.RETIRED,
};
const wireSource: Record<ClientSource, WireSource> = {
  operator: WireSource.OPERATOR,
  registration: WireSource.REGISTRATION,
  metadata_document: WireSource.METADATA_DOCUMENT,
};
const wireEnvironment: Record<Environment, WireEnvironment> = {
  development: WireEnvironment.DEVELOPMENT,
  staging: WireEnvironment.STAGING,
  production: WireEnvironment.PRODUCTION,
};
const wireMethod: Record<AuthMethod, WireAuthMethod> = {
  private_key_jwt: WireAuthMethod.PRIVATE_KEY_JWT,
  client_secret_basic: WireAuthMethod.CLIENT_SECRET_BASIC,
  client_secret_post: WireAuthMethod.CLIENT_SECRET_POST,
  tls_client_auth: WireAuthMethod.TLS_CLIENT_AUTH,
  attest_jwt_client_auth: WireAuthMethod.ATTEST_JWT_CLIENT_AUTH,
  attest_jwt_client_auth_dpop: WireAuthMethod.ATTEST_JWT_CLIENT_AUTH_DPOP,
  none: WireAuthMethod.NONE,
};

/** @param secrets those that live, of this client or of several. */
export function clientToProto(client: Client, secrets: readonly ClientSecret[]) {
  const { manifest, proposed } = client;
  return create(ClientSchema, {
    id: client.id,
    kind: wireKind[client.kind],
    name: client.name,
    status: wireStatus[client.status],
    scopes: client.scopes,
    audiences: client.audiences,
    resource: client.resource ?? '',
    jwks: jwksToProto(client.jwks),
    createdAt: timestampFromMs(client.createdAtMs),
    environment: wireEnvironment[client.environment],
    product: client.product,
    ownerUserId: client.ownerUserId ?? '',
    source: wireSource[client.source],
    ...(manifest && { manifest: manifestToProto(manifest), manifestHash: manifestHash(manifest) }),
    ...(proposed && { proposed: manifestToProto(proposed), proposedHash: manifestHash(proposed) }),
    proposedSubmitted: client.proposedSubmitted,
    version: BigInt(client.version),
    secrets: secrets.filter(({ clientId }) => clientId === client.id).map(secretToProto),
    clientId: client.externalId ?? client.id,
  });
}

function manifestToProto(manifest: Manifest): WireManifest {
  const { authMethod, jwks, ...rest } = manifest;
  return create(ManifestSchema, {
    ...rest,
    authMethod: wireMethod[authMethod],
    ...(jwks.keys.length > 0 && { jwks: jwksToProto(jwks) }),
  });
}

function jwksToProto(jwks: PublicJwks): JsonObject {
  return { keys: jwks.keys } as unknown as JsonObject;
}

export function secretToProto(secret: ClientSecret) {
  return create(ClientSecretSchema, {
    id: secret.id,
    createdAt: timestampFromMs(secret.createdAtMs),
    expiresAt: timestampFromMs(secret.expiresAtMs),
    ...(secret.lastUsedAtMs !== undefined && { lastUsedAt: timestampFromMs(secret.lastUsedAtMs) }),
  });
}

export function resourceToProto(resource: Resource) {
  return create(ResourceSchema, {
    ...resource,
    environment: wireEnvironment[resource.environment],
    clientId: resource.clientId ?? '',
    version: BigInt(resource.version),
    createdAt: timestampFromMs(resource.createdAtMs),
  });
}

export function registrationTokenToProto(token: RegistrationToken) {
  return create(RegistrationTokenSchema, {
    id: token.id,
    label: token.label,
    environment: wireEnvironment[token.environment],
    createdAt: timestampFromMs(token.createdAtMs),
    expiresAt: timestampFromMs(token.expiresAtMs),
    usedForClientId: token.usedForClientId ?? '',
    revoked: token.revoked,
  });
}

/** Unspecified is production: whoever forgets it gets the stricter rules. */
export function environmentFromProto(environment: WireEnvironment): Environment {
  return keyOf(wireEnvironment, environment) ?? 'production';
}

export function manifestFromProto(manifest: WireManifest): ManifestInput {
  const { $typeName, $unknown, authMethod, jwks, ...rest } = manifest;
  return { ...rest, authMethod: keyOf(wireMethod, authMethod), ...(jwks !== undefined && { jwks }) };
}

/** The contract's validation lets three kinds through. */
export function kindFromProto(kind: WireKind): 'machine' | 'service' | 'app' {
  if (kind === WireKind.APP) return 'app';
  return kind === WireKind.SERVICE ? 'service' : 'machine';
}

function keyOf<K extends string, V>(map: Record<K, V>, value: V): K | undefined {
  return (Object.keys(map) as K[]).find((key) => map[key] === value);
}
