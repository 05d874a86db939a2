import type { Tenant } from '@mono-auth/tenants';
import type { Context } from 'hono';
import { secureHeaders } from 'hono/secure-headers';
import type { IdentityContext } from './context.ts';
import { formNonce, readFormNonce } from './form-nonce.ts';
import { formToken, isFormToken } from './form-token.ts';
import { requireSameOrigin } from './origin.ts';
import { styleSource } from './pages/page.ts';
import { readBody } from './read-body.ts';
import type { Session } from './read-session.ts';

export type Page = Context<{ Variables: { tenant: Tenant } }>;

const policy = (...formTargets: string[]) =>
  `default-src 'none'; style-src ${styleSource}; form-action ${["'self'", ...formTargets].join(' ')}; frame-ancestors 'none'; base-uri 'none'`;

const secure = secureHeaders({
  xFrameOptions: 'DENY',
  // Under `no-referrer` a browser posts the form with `Origin: null`, and the exact comparison would fail.
  referrerPolicy: 'same-origin',
  permissionsPolicy: { camera: [], geolocation: [], microphone: [] },
  // A page that names where its form may end has said so itself.
  overwrite: false,
});

export async function pageHeaders(c: Page, next: () => Promise<void>): Promise<void> {
  await secure(c, next);
  if (!c.res.headers.has('content-security-policy')) c.header('content-security-policy', policy());
  c.header('cache-control', 'no-store');
}

/** Lets the redirects after this page's form end at `source` as well (CSP `form-action`). */
export function allowFormTarget(c: Page, source: string | undefined): void {
  if (source !== undefined) c.header('content-security-policy', policy(source));
}

export function basePath(tenant: Pick<Tenant, 'issuer'>): string {
  return new URL(tenant.issuer).pathname;
}

/** The sign-in page, with a return to `path` and its query, in the normal form that `return_to` has to have. */
export function signInPath(
  tenant: Pick<Tenant, 'issuer'>,
  path: string,
  query?: URLSearchParams,
  again = false,
): string {
  const text = query && query.size > 0 ? `${path}?${query}`.replaceAll("'", '%27') : path;
  return `${basePath(tenant)}/sign-in?${new URLSearchParams({ return_to: text, ...(again && { again: 'true' }) })}`;
}

/** The token for a form: `about` binds it to what the form decides. */
export function tokenFor(context: IdentityContext, c: Page, session: Session | undefined, about = ''): string {
  const tenant = c.get('tenant');
  const nonce = formNonce(c, tenant, context.runtime);
  return formToken(context.auths.of(tenant).formKey, tenant.id, nonce, session?.id ?? '', about);
}

/**
 * The form as our own page sent it from this browser; undefined when its token does not say so. `about` is worked out from
 * the form where it carries what it decides.
 */
export async function readForm(
  context: IdentityContext,
  c: Page,
  session: Session | undefined,
  about: string | ((form: Record<string, unknown>) => string) = '',
): Promise<Record<string, unknown> | undefined> {
  const tenant = c.get('tenant');
  requireSameOrigin(c.req.raw.headers, new URL(tenant.issuer).origin, 'refused');
  const form = await readBody(c.req.raw, ['form']);
  const nonce = readFormNonce(c, tenant);
  if (!nonce) return undefined;
  const bound = typeof about === 'string' ? about : about(form);
  const expected = formToken(context.auths.of(tenant).formKey, tenant.id, nonce, session?.id ?? '', bound);
  return isFormToken(expected, form.form_token) ? form : undefined;
}
