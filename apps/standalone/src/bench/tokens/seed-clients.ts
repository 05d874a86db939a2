import { createHash } from 'node:crypto';
import { base64url, hex, utf8 } from '@mono-auth/core/encoding';
import { type ClientId, newId, type TenantId } from '@mono-auth/core/ids';
import { systemRuntime as runtime } from '@mono-auth/core/runtime';
import type { Database } from '@mono-auth/database';
import { exportJWK, generateKeyPair, type JWK } from 'jose';
import { grants, scope, target } from './contestant.ts';
import type { PrivateJwk } from './load-task.ts';
import { insertClients, type SeededClient } from './store.ts';

const secretTtlMs = 86_400_000;
const secretBytes = 32;

export interface SecretClient {
  readonly id: ClientId;
  readonly secret: string;
}

export interface KeyedClient {
  readonly id: ClientId;
  readonly privateJwk: PrivateJwk;
}

function manifestOf(authMethod: string, keys: readonly JWK[]) {
  return {
    ...{ scopes: [scope], audiences: [target], grantTypes: Object.values(grants) },
    ...{ redirectUris: [], postLogoutRedirectUris: [], authMethod, jwks: { keys } },
    ...{ accessTokenTtlSeconds: 0, refreshTokenTtlSeconds: 0, dpopBoundAccessTokens: false },
  };
}

/** Machines of a tenant that authenticate by a secret. */
export async function seedSecretClients(
  database: Database,
  tenantId: TenantId,
  authMethod: 'client_secret_basic' | 'client_secret_post',
  count: number,
): Promise<SecretClient[]> {
  const clients = Array.from({ length: count }, () => ({
    id: newId(runtime, 'cli'),
    secret: `mono_cs_${base64url(runtime.randomBytes(secretBytes))}`,
  }));
  const manifest = manifestOf(authMethod, []);
  const rows = clients.map(({ id, secret }): SeededClient => {
    const digest = hex(createHash('sha256').update(utf8(secret)).digest());
    const name = `Bench ${id}`;
    return { id, name, scopes: [scope], audiences: [target], manifest, secret: { id: runtime.uuid(), digest } };
  });
  await database.forTenant(tenantId, (tx) => insertClients(tx, rows, { nowMs: runtime.nowMs(), secretTtlMs }));
  return clients;
}

export async function seedSecretClient(
  database: Database,
  tenantId: TenantId,
  authMethod: 'client_secret_basic' | 'client_secret_post',
): Promise<SecretClient> {
  const [client] = await seedSecretClients(database, tenantId, authMethod, 1);
  return client as SecretClient;
}

/** A machine of a tenant that authenticates by private_key_jwt. */
export async function seedKeyedClient(database: Database, tenantId: TenantId): Promise<KeyedClient> {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
  const kid = runtime.uuid();
  const manifest = manifestOf('private_key_jwt', [{ ...(await exportJWK(publicKey)), kid, alg: 'ES256', use: 'sig' }]);
  const id = newId(runtime, 'cli');
  const row = { id, name: `Bench ${id}`, scopes: [scope], audiences: [target], manifest, secret: undefined };
  await database.forTenant(tenantId, (tx) => insertClients(tx, [row], { nowMs: runtime.nowMs(), secretTtlMs }));
  return { id, privateJwk: { ...((await exportJWK(privateKey)) as JsonWebKey), kid } };
}
