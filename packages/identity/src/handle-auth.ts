import { notFound, Refusal } from '@mono-auth/core/errors';
import type { Tenant } from '@mono-auth/tenants';
import { toOAuthError } from '@mono-auth/transport';
import type { IdentityContext, Origin } from './context.ts';
import { issueToken, signedOut } from './issue-token.ts';
import { requireSameOrigin } from './origin.ts';
import { readBody } from './read-body.ts';
import { readSession } from './read-session.ts';
import { credentials, signIn } from './sign-in.ts';
import { signOut } from './sign-out.ts';
import { parseTokenRequest } from './token-request.ts';

type Handler = (context: IdentityContext, tenant: Tenant, request: Request, origin: Origin) => Promise<Response>;

/** All that is open below `/t/{slug}/auth`, by method and exact path: what is not here does not exist. */
const handlers: Readonly<Record<string, Handler>> = {
  'POST /sign-in/email': handleSignIn,
  'POST /sign-out': handleSignOut,
  'GET /get-session': handleGetSession,
  'POST /token': handleToken,
};

/** Serves one request below `/t/{slug}/auth`. Never throws; never follows the Host header. */
export async function handleAuth(
  context: IdentityContext,
  tenant: Tenant,
  request: Request,
  origin: Origin,
): Promise<Response> {
  try {
    const { pathname } = new URL(request.url);
    const base = `${new URL(tenant.issuer).pathname}/auth`;
    // Exact, without normalising: `//path`, `/path/` and `/%70ath` are other paths (GHSA-x732-6j76-qmhm).
    const path = pathname.startsWith(`${base}/`) ? pathname.slice(base.length) : '';
    const name = `${request.method} ${path}`;
    const handler = Object.hasOwn(handlers, name) ? handlers[name] : undefined;
    if (!handler || tenant.status === 'suspended') throw notFound('page');
    return await handler(context, tenant, request, origin);
  } catch (error) {
    if (!(error instanceof Refusal)) context.log(`tenant ${tenant.slug}: ${String(error)}`);
    return toOAuthError(error);
  }
}

async function handleSignIn(
  context: IdentityContext,
  tenant: Tenant,
  request: Request,
  origin: Origin,
): Promise<Response> {
  requireSameOrigin(request.headers, new URL(tenant.issuer).origin, 'allowed');
  const parsed = credentials.safeParse(await readBody(request, ['json']));
  if (!parsed.success) throw new Refusal('invalid_request', 'email and password are needed');
  const userAgent = request.headers.get('user-agent');
  const { response } = await signIn(context, tenant, parsed.data, { origin, userAgent });
  return notStored(response);
}

async function handleSignOut(
  context: IdentityContext,
  tenant: Tenant,
  request: Request,
  origin: Origin,
): Promise<Response> {
  requireSameOrigin(request.headers, new URL(tenant.issuer).origin, 'allowed');
  const session = await readSession(context, tenant, request.headers);
  return notStored(await signOut(context, tenant, session, { origin, cookie: request.headers.get('cookie') }));
}

/** A session that is dead for us is deleted by the look at it, so Better Auth finds none either. */
async function handleGetSession(context: IdentityContext, tenant: Tenant, request: Request): Promise<Response> {
  await readSession(context, tenant, request.headers);
  const headers = new Headers();
  const cookie = request.headers.get('cookie');
  if (cookie) headers.set('cookie', cookie);
  return notStored(
    await context.auths.of(tenant).handler(new Request(`${tenant.issuer}/auth/get-session`, { headers })),
  );
}

async function handleToken(
  context: IdentityContext,
  tenant: Tenant,
  request: Request,
  origin: Origin,
): Promise<Response> {
  requireSameOrigin(request.headers, new URL(tenant.issuer).origin, 'allowed');
  const wanted = parseTokenRequest(await readBody(request, ['json', 'form']), tenant.issuer);
  const session = await readSession(context, tenant, request.headers);
  if (!session) throw signedOut();
  const { token, claims } = await issueToken(context, tenant, session, wanted, origin);
  // RFC 6749 §5.1.
  return Response.json(
    { access_token: token, token_type: 'Bearer', expires_in: claims.exp - claims.iat, scope: claims.scope },
    { headers: { 'cache-control': 'no-store', pragma: 'no-cache' } },
  );
}

function notStored(response: Response): Response {
  response.headers.set('cache-control', 'no-store');
  return response;
}
