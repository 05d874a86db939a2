import { Refusal } from '@mono-auth/core/errors';
import { idFromUuid, type SessionId, type TenantId, type UserId } from '@mono-auth/core/ids';
import type { IdentityPool } from '@mono-auth/database';
import { readTenant, type Tenant } from '@mono-auth/tenants';
import { betterAuth } from 'better-auth';
import { LRUCache } from 'lru-cache';
import { betterAuthOptions } from './better-auth-options.ts';
import type { IdentityDeps } from './context.ts';
import { passwordHash } from './password-hash.ts';
import { deriveTenantSecrets } from './tenant-secrets.ts';

/** One tenant's Better Auth, narrowed to what this package needs: nobody gets hold of its server API. */
export interface TenantAuth {
  readonly pool: IdentityPool;
  readonly formKey: Uint8Array;
  handler(request: Request): Promise<Response>;
  /** The session of a cookie whose signature and time hold; its epoch and the feed are not looked at. */
  sessionIdOf(headers: Headers): Promise<SessionId | undefined>;
  /** Makes a user with a password; both rows or neither. */
  insertUser(id: string, user: { email: string; name: string; password: string }): Promise<UserId>;
}

export interface TenantAuths {
  of(tenant: Pick<Tenant, 'id' | 'slug' | 'issuer'>): TenantAuth;
}

/** Instances kept: about 1.2 MB each; the others cost 5 ms when they are asked for again. */
const instancesMax = 256;

export function openTenantAuths(deps: IdentityDeps): TenantAuths {
  const instances = new LRUCache<TenantId, TenantAuth>({ max: instancesMax });
  return {
    of(tenant) {
      const known = instances.get(tenant.id);
      if (known) return known;
      const made = openTenantAuth(deps, tenant);
      instances.set(tenant.id, made);
      return made;
    },
  };
}

function openTenantAuth(deps: IdentityDeps, tenant: Pick<Tenant, 'id' | 'slug' | 'issuer'>): TenantAuth {
  const pool = deps.database.identityPool(tenant.id);
  const { cookieSecret, formKey } = deriveTenantSecrets(tenant.id, deps.secret(tenant.id));
  const auth = betterAuth(
    betterAuthOptions(tenant, {
      runtime: deps.runtime,
      pool,
      cookieSecret,
      count: (key, windowMs) => deps.ephemeral.count(tenant.id, 'auth_rate', key, windowMs),
      birthOf: () => birthOf(deps, tenant.id),
      log: (message) => deps.log(`tenant ${tenant.slug}: ${message}`),
    }),
  );
  return {
    pool,
    formKey,
    handler: (request) => auth.handler(request),
    async sessionIdOf(headers) {
      const cookie = headers.get('cookie');
      if (!cookie) return undefined;
      const found = await auth.api.getSession({ headers: new Headers({ cookie }) });
      return found ? idFromUuid('ses', found.session.id) : undefined;
    },
    async insertUser(id, { email, name, password }) {
      const { adapter } = await auth.$context;
      const now = new Date(deps.runtime.nowMs());
      const dates = { createdAt: now, updatedAt: now };
      const user = { id, email, name, emailVerified: false, banned: false, ...dates };
      const hash = await passwordHash.hash(password);
      const account = { userId: id, providerId: 'credential', accountId: id, password: hash, ...dates };
      await adapter.transaction(async (trx) => {
        await trx.create({ model: 'user', data: user, forceAllowId: true });
        await trx.create({ model: 'account', data: account });
      });
      return idFromUuid('usr', id);
    },
  };
}

/**
 * The feed is read before the tenant: a revocation or epoch that commits in between is later than what the session
 * says it has seen, and ends it.
 */
async function birthOf(deps: IdentityDeps, tenantId: TenantId): Promise<{ epoch: number; feedSeq: number }> {
  const { seq } = await deps.feed.state(tenantId);
  const { epoch, status } = await deps.database.forTenant(tenantId, readTenant);
  if (status === 'suspended') throw new Refusal('denied', 'the tenant is suspended');
  return { epoch, feedSeq: seq };
}
