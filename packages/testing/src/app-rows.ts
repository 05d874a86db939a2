import { type ClientId, newId, type TenantId, uuidOf } from '@mono-auth/core/ids';
import { systemRuntime } from '@mono-auth/core/runtime';

interface AppParts {
  readonly name?: string;
  readonly status?: string;
  readonly kind?: string;
  readonly environment?: string;
  readonly externalId?: string;
  readonly manifest?: Record<string, unknown>;
}

type Admin = (text: string, values?: unknown[]) => Promise<unknown>;
type TenantRef = { readonly id: TenantId };

interface ResourceParts {
  readonly environment?: string;
  readonly isDefault?: boolean;
  readonly retired?: boolean;
}

/** Rows that approval and registration leave, without their way there. */
export interface AppRows {
  insertApp(tenant: TenantRef, parts?: AppParts): Promise<ClientId>;
  insertResource(tenant: TenantRef, identifier: string, parts?: ResourceParts): Promise<void>;
}

export function appRows(admin: Admin): AppRows {
  return {
    insertApp: (tenant, parts) => insertApp(admin, tenant, parts),
    insertResource: (tenant, identifier, parts) => insertResource(admin, tenant, identifier, parts),
  };
}

/** A client of kind app as its approval leaves it. */
async function insertApp(admin: Admin, tenant: TenantRef, parts: AppParts = {}): Promise<ClientId> {
  const id = newId(systemRuntime, 'cli');
  const manifest = {
    scopes: ['openid', 'profile', 'email', 'offline_access', 'orders:read'],
    audiences: ['https://orders.example'],
    grantTypes: ['authorization_code', 'refresh_token'],
    redirectUris: ['https://app.example/cb', 'http://127.0.0.1/cb', 'com.example.app:/cb'],
    postLogoutRedirectUris: ['https://app.example/bye'],
    authMethod: 'none',
    jwks: { keys: [] },
    accessTokenTtlSeconds: 0,
    refreshTokenTtlSeconds: 0,
    dpopBoundAccessTokens: false,
    clientUri: 'https://www.app.example/about',
    ...parts.manifest,
  };
  await admin(
    `insert into mono.clients (tenant_id, id, kind, name, status, scopes, audiences, jwks, created_at, environment, external_id, manifest)
     values ($1, $2, $3, $4, $5, $6, $7, '{"keys":[]}', $8, $9, $10, $11)`,
    [
      ...[uuidOf(tenant.id), uuidOf(id), parts.kind ?? 'app', parts.name ?? `Orders ${id}`, parts.status ?? 'approved'],
      ...[manifest.scopes, manifest.audiences, new Date(0), parts.environment ?? 'production'],
      ...[parts.externalId ?? null, JSON.stringify(manifest)],
    ],
  );
  return id;
}

/** An API of the tenant. */
async function insertResource(
  admin: Admin,
  tenant: TenantRef,
  identifier: string,
  parts: ResourceParts = {},
): Promise<void> {
  const { environment = 'production', isDefault = false, retired = false } = parts;
  await admin(
    `insert into mono.resources (tenant_id, identifier, name, environment, product, scopes, access_token_ttl_seconds,
       dpop_required, is_default, retired, version, created_at)
     values ($1, $2, $3, $4, '', '{}', 0, false, $5, $6, 1, $7)`,
    [uuidOf(tenant.id), identifier, `API ${identifier}`, environment, isDefault, retired, new Date(0)],
  );
}
