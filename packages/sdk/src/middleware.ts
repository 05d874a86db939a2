import { Refusal } from '@mono-auth/core/errors';
import type { TenantId } from '@mono-auth/core/ids';
import type { Principal } from '@mono-auth/core/principal';
import { type AccessTokenClaims, dpopAlgorithms, parseScope } from '@mono-auth/core/token-claims';
import { refusalOf } from './rpc-errors.ts';
import type { Verifier } from './verifier.ts';

/** Who calls, as a handler needs to know it. */
export interface GuardContext {
  readonly tenantId: TenantId;
  /** Principal URI of `sub`: on whose behalf. */
  readonly principalId: Principal;
  readonly scope: string[];
  /** When the token was issued, seconds since the Unix epoch. */
  readonly iat: number;
}

export interface Guarded {
  readonly context: GuardContext;
  readonly claims: AccessTokenClaims;
}

export interface GuardOptions {
  readonly verifier: Verifier;
  /** Scope values that the token must all carry. */
  readonly scope?: readonly string[];
  /** Where the service's metadata is (RFC 9728 §5.1): its challenges say so. */
  readonly resourceMetadataUrl?: string | undefined;
}

/** RFC 7235 §2.1: the scheme's case does not matter. Two headers reach us joined by a comma, which no token has. */
const credentials = /^(Bearer|DPoP) +([A-Za-z0-9._~+/-]+=*)$/i;
const knownScheme = /^(?:Bearer|DPoP)(?: |$)/i;

/**
 * Guards one request: who calls, or the answer that says why not. Only the Authorization header is looked at, never the
 * query (RFC 6750 §2.3 calls that unsafe) nor the body.
 *
 * No token: 401 without an error code. Not ours, expired or revoked: 401 `invalid_token`. Genuine, but without tenant or
 * scope, or without the scope that is needed: 403. Revocations unknown, or keys not to be had: 503.
 */
export async function guard(request: Request, options: GuardOptions): Promise<Guarded | Response> {
  const { verifier, scope = [], resourceMetadataUrl } = options;
  const header = request.headers.get('authorization');
  if (header === null || !knownScheme.test(header)) {
    return refuse(new Refusal('not_authenticated', 'a bearer token is needed'), {
      tokenPresent: false,
      scope,
      resourceMetadataUrl,
    });
  }
  try {
    const { scheme, token } = readCredentials(header);
    const claims = await verifier.verify(token);
    await verifier.verifyPossession(request, scheme, token, claims);
    const held = parseScope(claims.scope) ?? [];
    if (!scope.every((value) => held.includes(value))) {
      throw new Refusal('insufficient_scope', `scope needed: ${scope.join(' ')}`);
    }
    verifier.assertFresh();
    const { tenant_id, sub, iat } = claims;
    return { context: { tenantId: tenant_id as TenantId, principalId: sub, scope: held, iat }, claims };
  } catch (error) {
    const scheme = /^dpop/i.test(header) ? 'DPoP' : 'Bearer';
    return refuse(refusalOf(error), { tokenPresent: true, scope, scheme, resourceMetadataUrl });
  }
}

/** The part of Hono's context that the wrapper needs; any framework with these two members will do. */
export interface ContextLike {
  readonly req: { readonly raw: Request };
  set(key: string, value: unknown): void;
}

/**
 * `guard` as a middleware of Hono: `app.use('/orders/*', honoGuard({ verifier, scope: ['orders:read'] }))`. Handlers find
 * `GuardContext` under `auth` and the claims under `claims`.
 */
export function honoGuard(options: GuardOptions) {
  return async (c: ContextLike, next: () => Promise<void>): Promise<Response | undefined> => {
    const guarded = await guard(c.req.raw, options);
    if (guarded instanceof Response) return guarded;
    c.set('auth', guarded.context);
    c.set('claims', guarded.claims);
    await next();
    return undefined;
  };
}

function readCredentials(header: string): { scheme: 'bearer' | 'dpop'; token: string } {
  const [, scheme = '', token] = credentials.exec(header) ?? [];
  if (token === undefined) throw new Refusal('not_authenticated', 'token refused: malformed Authorization header');
  return { scheme: scheme.toLowerCase() === 'dpop' ? 'dpop' : 'bearer', token };
}

/** RFC 6750 §3, RFC 9449 §7.1: the challenge of the scheme that was tried, and the same in JSON. */
function refuse(
  refusal: Refusal,
  {
    tokenPresent,
    scope = [],
    scheme = 'Bearer',
    resourceMetadataUrl,
  }: Omit<GuardOptions, 'verifier'> & { readonly tokenPresent: boolean; readonly scheme?: 'Bearer' | 'DPoP' },
): Response {
  const { row, reason } = refusal;
  // RFC 6750 §3: error_description has no quote, no backslash and nothing outside ASCII.
  const description = refusal.detail.replace(/[^\x20-\x21\x23-\x5b\x5d-\x7e]/g, '?');
  const headers = new Headers({ 'cache-control': 'no-store' });
  if (row.http === 401 || row.http === 403) {
    const parts = tokenPresent ? [`error="${challengeError(refusal)}"`, `error_description="${description}"`] : [];
    if (row.http === 403 && scope.length > 0) parts.push(`scope="${scope.join(' ')}"`);
    if (scheme === 'DPoP') parts.push(`algs="${dpopAlgorithms.join(' ')}"`);
    if (resourceMetadataUrl !== undefined) parts.push(`resource_metadata="${resourceMetadataUrl}"`);
    headers.set('www-authenticate', [scheme, parts.join(', ')].filter(Boolean).join(' '));
  }
  if (row.retry) headers.set('retry-after', String(Math.ceil((refusal.retryAfterMs ?? 1000) / 1000)));
  return Response.json({ error: row.oauth, error_description: description, reason }, { status: row.http, headers });
}

/** RFC 6750 §3.1 knows two codes here; a token without tenant or scope has too little of both. */
function challengeError({ row }: Refusal): string {
  return row.http === 403 ? 'insufficient_scope' : 'invalid_token';
}
