import type { Runtime } from '@mono-auth/core/runtime';
import type { IdentityPool } from '@mono-auth/database';
import type { Tenant } from '@mono-auth/tenants';
import type { BetterAuthOptions } from 'better-auth';
import { Kysely, PostgresDialect } from 'kysely';
import { addressHeader, sessionCookieName } from './auth-headers.ts';
import { codeRow } from './authorize/code-row.ts';
import { authorizationPlugin } from './authorize/oauth-provider.ts';
import { passwordCharsMax, passwordCharsMin, passwordHash } from './password-hash.ts';
import { addressAttemptsMax, attemptsWindowSeconds, sessionTtlSeconds } from './session-policy.ts';

export interface BetterAuthParts {
  readonly runtime: Runtime;
  readonly pool: IdentityPool;
  readonly cookieSecret: string;
  /** Atomic counter of this tenant: the number of events under `key` in the window, this one included. */
  readonly count: (key: string, windowMs: number) => Promise<number>;
  /** What a session is born with. Throws when none may be born. */
  readonly birthOf: () => Promise<{ epoch: number; feedSeq: number }>;
  readonly log: (message: string) => void;
}

/**
 * What a request may reach at all is listed in `handle-auth.ts`; this second list closes the same doors inside Better
 * Auth. Users are made by operators; sessions are listed and ended through our own pages.
 */
const closedPaths = [
  '/sign-up/email',
  '/sign-in/social',
  '/change-email',
  '/change-password',
  '/set-password',
  '/verify-password',
  '/reset-password',
  '/request-password-reset',
  '/verify-email',
  '/send-verification-email',
  '/update-user',
  '/delete-user',
  '/delete-user/callback',
  '/update-session',
  '/list-sessions',
  '/revoke-session',
  '/revoke-sessions',
  '/revoke-other-sessions',
  '/link-social',
  '/unlink-account',
  '/list-accounts',
  '/refresh-token',
  '/get-access-token',
  '/account-info',
  '/ok',
  '/error',
  '/oauth2/token',
  '/oauth2/authorize',
  '/oauth2/consent',
  '/jwks',
];

/** The options of one tenant's instance. Its schema is fixed by migration 0050. */
export function betterAuthOptions(tenant: Pick<Tenant, 'id' | 'issuer'>, parts: BetterAuthParts) {
  const issuer = new URL(tenant.issuer);
  const secure = issuer.protocol === 'https:';
  return {
    appName: 'Mono-Auth',
    baseURL: issuer.origin,
    basePath: `${issuer.pathname}/auth`,
    trustedOrigins: [issuer.origin],
    secret: parts.cookieSecret,
    database: {
      db: new Kysely({ dialect: new PostgresDialect({ pool: parts.pool }) }),
      type: 'postgres',
      transaction: true,
    },
    telemetry: { enabled: false },
    // Below `error` it says which of address and password was wrong.
    logger: {
      level: 'error',
      log: (_level, message, ...causes: unknown[]) =>
        parts.log([message, ...causes.filter((cause) => cause instanceof Error).map(String)].join(' ')),
    },
    disabledPaths: closedPaths,
    plugins: [authorizationPlugin(issuer.pathname)],
    emailAndPassword: {
      enabled: true,
      disableSignUp: true,
      autoSignIn: false,
      minPasswordLength: passwordCharsMin,
      maxPasswordLength: passwordCharsMax,
      password: passwordHash,
    },
    user: {
      additionalFields: {
        banned: { type: 'boolean', required: true, input: false, defaultValue: false, returned: false },
      },
    },
    session: {
      expiresIn: sessionTtlSeconds,
      // The lifetime is absolute: Better Auth's refresh would put a shortened one back to seven days.
      disableSessionRefresh: true,
      cookieCache: { enabled: false },
      additionalFields: {
        epoch: { type: 'number', required: true, input: false, returned: false },
        feedSeq: { type: 'number', required: true, input: false, returned: false },
      },
    },
    databaseHooks: {
      session: {
        create: { before: async () => ({ data: { ...lifeFrom(parts.runtime), ...(await parts.birthOf()) } }) },
      },
      verification: { create: { before: async (row) => ({ data: codeRow(row, parts.runtime) }) } },
    },
    rateLimit: rateLimitOf(parts),
    advanced: advancedOf(sessionCookieName(tenant), secure, parts.runtime),
  } satisfies BetterAuthOptions;
}

function rateLimitOf({ count }: BetterAuthParts) {
  return {
    enabled: true,
    // Tokens and session reads have budgets of their own at the edge; the addresses of a fleet must not share one here.
    customRules: {
      '/sign-in/email': { window: attemptsWindowSeconds, max: addressAttemptsMax },
      '/get-session': false,
      '/sign-out': false,
    },
    // Better Auth's own memory is one map for the whole process: a tenant could use up another one's attempts.
    customStorage: {
      consume: async (key, rule) => {
        const allowed = (await count(key, rule.window * 1000)) <= rule.max;
        return { allowed, retryAfter: allowed ? null : rule.window };
      },
    },
  } satisfies BetterAuthOptions['rateLimit'];
}

function advancedOf(cookieName: string, secure: boolean, runtime: Runtime) {
  return {
    // The prefix it would add is __Secure-, which a sibling host can still plant.
    useSecureCookies: false,
    cookiePrefix: cookieName,
    cookies: { session_token: { name: cookieName } },
    defaultCookieAttributes: { secure, httpOnly: true, sameSite: 'lax', path: '/' },
    // Both checks are off by default when NODE_ENV says test.
    disableOriginCheck: false,
    disableCSRFCheck: false,
    ipAddress: { ipAddressHeaders: [addressHeader] },
    database: {
      generateId: () => runtime.uuid(),
      // A test holds schema and options together; introspecting the catalogue for each tenant's instance would only cost.
      validateSchema: false,
    },
  } satisfies BetterAuthOptions['advanced'];
}

function lifeFrom(runtime: Runtime): { createdAt: Date; updatedAt: Date; expiresAt: Date } {
  const createdAt = new Date(runtime.nowMs());
  return { createdAt, updatedAt: createdAt, expiresAt: new Date(createdAt.getTime() + sessionTtlSeconds * 1000) };
}
