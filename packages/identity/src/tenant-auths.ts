import { Refusal } from '@mono-auth/core/errors';
import { idFromUuid, type SessionId, type TenantId, type UserId } from '@mono-auth/core/ids';
import type { IdentityPool } from '@mono-auth/database';
import { readTenant, type Tenant } from '@mono-auth/tenants';
import { LRUCache } from 'lru-cache';
import type { BetterAuthParts } from './better-auth-options.ts';
import type { IdentityDeps } from './context.ts';
import type { openBetterAuth } from './open-better-auth.ts';
import { passwordHash } from './password-hash.ts';
import { deriveTenantSecrets } from './tenant-secrets.ts';

/** One tenant's Better Auth, narrowed to what this package needs: nobody gets hold of its server API. */
export interface TenantAuth {
  readonly pool: IdentityPool;
  readonly formKey: Uint8Array;
  handler(request: Request): Promise<Response>;
  /** The session of a cookie whose signature and time hold; its epoch and the feed are not looked at. */
  sessionIdOf(headers: Headers): Promise<SessionId | undefined>;
  /**
   * The next page of an authorization request that our gate has passed: the client's redirect URI or the consent page.
   * In process alone: there is no such path outside.
   */
  authorize(query: URLSearchParams, cookie: string): Promise<string>;
  /** The same after the person has allowed the request that Better Auth signed. @throws Refusal when it did not sign it. */
  allowConsent(signedQuery: string, cookie: string): Promise<string>;
  /** Whether Better Auth signed this query for its consent page, and it has not expired. */
  isSignedQuery(query: URLSearchParams): Promise<boolean>;
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
  const parts: BetterAuthParts = {
    runtime: deps.runtime,
    pool,
    cookieSecret,
    count: (key, windowMs) => deps.ephemeral.count(tenant.id, 'auth_rate', key, windowMs),
    birthOf: () => birthOf(deps, tenant.id),
    log: (message) => deps.log(`tenant ${tenant.slug}: ${message}`),
  };
  let opened: Promise<ReturnType<typeof openBetterAuth>> | undefined;
  const open = () => {
    opened ??= import('./open-better-auth.ts').then(({ openBetterAuth }) => openBetterAuth(tenant, parts));
    return opened;
  };
  return {
    pool,
    formKey,
    handler: async (request) => (await open()).handler(request),
    async sessionIdOf(headers) {
      const cookie = headers.get('cookie');
      if (!cookie) return undefined;
      const auth = await open();
      const found = await auth.api.getSession({ headers: new Headers({ cookie }) });
      return found ? idFromUuid('ses', found.session.id) : undefined;
    },
    async authorize(query, cookie) {
      const headers = new Headers({ cookie, accept: 'application/json' });
      const request = new Request(`${tenant.issuer}/auth/oauth2/authorize?${query}`, { headers });
      const auth = await open();
      return nextPage(await auth.api.oauth2Authorize({ request, headers, query: queryOf(query), asResponse: false }));
    },
    async allowConsent(signedQuery, cookie) {
      const headers = new Headers({ cookie, accept: 'application/json' });
      const request = new Request(`${tenant.issuer}/auth/oauth2/consent`, { method: 'POST', headers });
      const body = { accept: true, oauth_query: signedQuery };
      const auth = await open();
      const allow = () => auth.api.oauth2Consent({ request, headers, asResponse: false, body });
      // Two windows at the same moment: Better Auth looks for a consent and then inserts one, and the unique key lets one do
      // so. Whoever lost finds it the second time.
      return nextPage(await allow().catch((error) => (isDuplicate(error) ? allow() : Promise.reject(error))));
    },
    async isSignedQuery(query) {
      const { isSignedQuery } = await import('./open-better-auth.ts');
      const { secret } = await (await open()).$context;
      return isSignedQuery(query, secret, deps.runtime.nowMs());
    },
    async insertUser(id, { email, name, password }) {
      const { adapter } = await (await open()).$context;
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

/** A name that is there more than once, which only `resource` is, becomes a list. */
function queryOf(query: URLSearchParams): Record<string, string | string[]> {
  return Object.fromEntries(
    [...new Set(query.keys())].map((name) => {
      const [only = '', ...others] = query.getAll(name);
      return [name, others.length === 0 ? only : [only, ...others]];
    }),
  );
}

/** unique_violation (https://www.postgresql.org/docs/18/errcodes-appendix.html). */
function isDuplicate(error: unknown): boolean {
  return (error as { code?: unknown }).code === '23505';
}

function nextPage(answer: unknown): string {
  if (typeof answer === 'object' && answer !== null && 'url' in answer && typeof answer.url === 'string')
    return answer.url;
  throw new TypeError('the authorization request was not answered with a page');
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
