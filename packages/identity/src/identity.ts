import type { ClientId, SessionId, TenantId, UserId } from '@mono-auth/core/ids';
import type { Tenant } from '@mono-auth/tenants';
import type { Hono } from 'hono';
import { type AuthorizationCode, forgetAuthorizationCode, readAuthorizationCode } from './authorize/read-code.ts';
import { validatePushed } from './authorize/validate-pushed.ts';
import type { IdentityContext, IdentityDeps } from './context.ts';
import { createUser, type NewUser } from './create-user.ts';
import { handleAuth } from './handle-auth.ts';
import { readSession, type Session } from './read-session.ts';
import { identityRoutes } from './routes.ts';
import { type SessionFate, sessionFate } from './session-fate.ts';
import type { Credentials } from './sign-in.ts';
import { checkSignIn } from './sign-in-check.ts';
import { type Person, selectPerson, selectUserId } from './store.ts';
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
  /** Undefined for nobody, and for who may sign in no more. */
  readUser(tenantId: TenantId, userId: UserId): Promise<Person | undefined>;
  /** The live session that the cookie of these headers names. */
  session(tenant: Tenant, headers: Headers): Promise<Session | undefined>;
  /** What stands behind a code of this tenant; reading uses nothing up. */
  readAuthorizationCode(tenant: Tenant, code: string): Promise<AuthorizationCode | undefined>;
  /** Deletes the row of a code that was redeemed. */
  forgetAuthorizationCode(tenant: Tenant, code: string): Promise<void>;
  /** Whether a session lives now: whoever redeems a code, or refreshes within a session, asks again. */
  sessionFate(tenant: Tenant, sessionId: SessionId): Promise<SessionFate>;
  /**
   * The rules of the authorization endpoint for parameters that a client pushes (RFC 9126 §2.1).
   * @throws Refusal of the first rule that is broken.
   */
  validateAuthorizationParams(tenant: Tenant, clientId: ClientId, params: URLSearchParams): Promise<void>;
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
    readUser: (tenantId, userId) => selectPerson(deps.database.identityPool(tenantId), userId),
    session: (tenant, headers) => readSession(context, tenant, headers),
    readAuthorizationCode: (tenant, code) => readAuthorizationCode(context.auths.of(tenant).pool, code),
    forgetAuthorizationCode: (tenant, code) => forgetAuthorizationCode(context.auths.of(tenant).pool, code),
    sessionFate: (tenant, sessionId) => sessionFate(context, tenant, sessionId),
    validateAuthorizationParams: (tenant, clientId, params) => validatePushed(context, tenant, clientId, params),
    signInCheck: (tenant, credentials, verify) => checkSignIn(context, tenant, credentials, verify),
  };
}
