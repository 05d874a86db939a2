import { type SessionId, type TenantId, type UserId, uuidOf } from '@mono-auth/core/ids';

type Admin = (text: string, values: unknown[]) => Promise<unknown>;

export interface SeededSession {
  readonly tenantId: TenantId;
  readonly userId: UserId;
  readonly sessionId: SessionId;
  readonly nowMs: number;
  readonly expiresAtMs: number;
}

/** A person with a session of now, as a sign-in leaves them, without the seconds that a password costs. */
export async function seedSession(
  admin: Admin,
  { tenantId, userId, sessionId, nowMs, expiresAtMs }: SeededSession,
): Promise<void> {
  const tenant = uuidOf(tenantId);
  const now = new Date(nowMs);
  await admin(
    `insert into identity."user" (tenant_id, "id", "name", "email", "emailVerified", "createdAt", "updatedAt", "banned")
     values ($1, $2, 'Ada', $3, true, $4, $4, false)`,
    [tenant, uuidOf(userId), `${userId}@example.test`, now],
  );
  await admin(
    `insert into identity."session" (tenant_id, "id", "userId", "token", "createdAt", "updatedAt", "expiresAt", "epoch", "feedSeq")
     select $1, $2, $3, $4, $5, $5, $6, t.epoch, h.seq from mono.tenants t, mono.feed_heads h
     where t.id = $1 and h.tenant_id = $1`,
    [tenant, uuidOf(sessionId), uuidOf(userId), `token-of-${sessionId}`, now, new Date(expiresAtMs)],
  );
}

export interface SeededResource {
  readonly identifier: string;
  readonly environment: 'development' | 'staging' | 'production';
  readonly scopes: readonly string[];
  readonly accessTokenTtlSeconds: number;
  readonly dpopRequired: boolean;
  readonly isDefault: boolean;
}

/** An API of a tenant. */
export async function seedResource(
  admin: Admin,
  tenantId: TenantId,
  api: SeededResource,
  nowMs: number,
): Promise<void> {
  await admin(
    `insert into mono.resources (tenant_id, identifier, name, environment, product, scopes, access_token_ttl_seconds,
       dpop_required, is_default, retired, version, created_at)
     values ($1, $2, $2, $3, '', $4, $5, $6, $7, false, 1, $8)`,
    [
      uuidOf(tenantId),
      ...[api.identifier, api.environment, api.scopes, api.accessTokenTtlSeconds, api.dpopRequired, api.isDefault],
      new Date(nowMs),
    ],
  );
}
