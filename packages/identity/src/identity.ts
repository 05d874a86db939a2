import type { UserId } from '@mono-auth/core/ids';
import type { Tenant } from '@mono-auth/tenants';
import type { Hono } from 'hono';
import type { IdentityContext, IdentityDeps } from './context.ts';
import { createUser, type NewUser } from './create-user.ts';
import { handleAuth } from './handle-auth.ts';
import { readSession, type Session } from './read-session.ts';
import { identityRoutes } from './routes.ts';
import type { Credentials } from './sign-in.ts';
import { checkSignIn } from './sign-in-check.ts';
import { selectUserId } from './store.ts';
import { openTenantAuths } from './tenant-auths.ts';

/** Who people are, per tenant. Better Auth's own server API stays inside. */
export interface Identity {
  /** Serves `/t/{slug}/auth/…`; the routes below do so as well. */
  handle(tenant: Tenant, request: Request): Promise<Response>;
  /** The hosted pages and `/auth/*`, to be mounted at `/t/:slug`. */
  routes(): Hono<{ Variables: { tenant: Tenant } }>;
  /** @throws Refusal `already_exists`; `invalid_request`. */
  createUser(tenant: Tenant, user: NewUser): Promise<UserId>;
  findUser(tenant: Tenant, email: string): Promise<UserId | undefined>;
  /** The live session that the cookie of these headers names. */
  session(tenant: Tenant, headers: Headers): Promise<Session | undefined>;
  /**
   * The check of provisioning: really signs in, mints a token, has `verify` look at it and signs out again.
   * @throws Refusal of whatever failed.
   */
  signInCheck(
    tenant: Tenant,
    credentials: Credentials,
    verify: (accessToken: string) => Promise<unknown>,
  ): Promise<void>;
}

export function openIdentity(deps: IdentityDeps): Identity {
  const context: IdentityContext = { ...deps, auths: openTenantAuths(deps) };
  return {
    handle: (tenant, request) => handleAuth(context, tenant, request, deps.originOf(request)),
    routes: () => identityRoutes(context),
    createUser: (tenant, user) => createUser(context, tenant, user),
    findUser: (tenant, email) => selectUserId(context.auths.of(tenant).pool, email),
    session: (tenant, headers) => readSession(context, tenant, headers),
    signInCheck: (tenant, credentials, verify) => checkSignIn(context, tenant, credentials, verify),
  };
}
