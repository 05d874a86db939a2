import { asRefusal, Refusal } from '@mono-auth/core/errors';
import type { Tenant } from '@mono-auth/tenants';
import { type Context, Hono } from 'hono';
import { secureHeaders } from 'hono/secure-headers';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import type { IdentityContext } from './context.ts';
import { formNonce, readFormNonce } from './form-nonce.ts';
import { formToken, isFormToken } from './form-token.ts';
import { handleAuth } from './handle-auth.ts';
import { requireSameOrigin } from './origin.ts';
import { accountPage } from './pages/account-page.ts';
import { messagePage } from './pages/message-page.ts';
import { styleSource } from './pages/page.ts';
import { signInPage } from './pages/sign-in-page.ts';
import { readBody } from './read-body.ts';
import { readSession, type Session } from './read-session.ts';
import { parseReturnTo } from './return-to.ts';
import { credentials, signIn } from './sign-in.ts';
import { signOut } from './sign-out.ts';

type Page = Context<{ Variables: { tenant: Tenant } }>;

/** The hosted pages and the tenant's `auth` endpoints, to be mounted at `/t/:slug`. */
export function identityRoutes(context: IdentityContext): Hono<{ Variables: { tenant: Tenant } }> {
  const app = new Hono<{ Variables: { tenant: Tenant } }>();
  const resolve = async (c: Page, next: () => Promise<void>) => {
    const tenant = await context.tenants.bySlug(c.req.param('slug') ?? '');
    if (!tenant || tenant.status === 'suspended')
      return c.html(messagePage('Not found', 'There is no such page.'), 404);
    c.set('tenant', tenant);
    return next();
  };
  for (const path of ['/sign-in', '/sign-out', '/account']) app.use(path, pageHeaders, neverStored, resolve);
  app.get('/sign-in', (c) => showSignIn(context, c));
  app.post('/sign-in', (c) => submitSignIn(context, c));
  app.get('/account', (c) => showAccount(context, c));
  app.post('/sign-out', (c) => submitSignOut(context, c));
  app.all('/auth/*', resolve, (c) => handleAuth(context, c.get('tenant'), c.req.raw, context.originOf(c.req.raw)));
  app.onError((error, c) => {
    const refusal = asRefusal(error);
    if (refusal.reason === 'internal') context.log(`${c.req.path}: ${String(refusal.cause)}`);
    return c.html(messagePage('That did not work', refusal.detail), refusal.row.http as ContentfulStatusCode);
  });
  return app;
}

const pageHeaders = secureHeaders({
  contentSecurityPolicy: {
    defaultSrc: ["'none'"],
    styleSrc: [styleSource],
    formAction: ["'self'"],
    frameAncestors: ["'none'"],
    baseUri: ["'none'"],
  },
  xFrameOptions: 'DENY',
  // Under `no-referrer` a browser posts the form with `Origin: null`, and the exact comparison would fail.
  referrerPolicy: 'same-origin',
  permissionsPolicy: { camera: [], geolocation: [], microphone: [] },
});

async function neverStored(c: Page, next: () => Promise<void>): Promise<void> {
  await next();
  c.header('cache-control', 'no-store');
}

async function showSignIn(context: IdentityContext, c: Page): Promise<Response> {
  const tenant = c.get('tenant');
  const session = await readSession(context, tenant, c.req.raw.headers);
  if (session) return c.redirect(destination(c), 303);
  return signInForm(context, c, 200);
}

async function submitSignIn(context: IdentityContext, c: Page): Promise<Response> {
  const tenant = c.get('tenant');
  const form = await readForm(context, c, undefined);
  const email = typeof form?.email === 'string' ? form.email : '';
  if (!form) return signInForm(context, c, 403, { error: 'This form has expired. Please try again.' });
  try {
    const parsed = credentials.safeParse(form);
    if (!parsed.success) throw new Refusal('not_authenticated', 'e-mail or password is wrong');
    const origin = context.originOf(c.req.raw);
    const userAgent = c.req.header('user-agent') ?? null;
    const { response } = await signIn(context, tenant, parsed.data, { origin, userAgent });
    for (const cookie of response.headers.getSetCookie()) c.header('set-cookie', cookie, { append: true });
    return c.redirect(destination(c), 303);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const { row, reason, retryAfterMs } = error;
    if (retryAfterMs !== undefined) c.header('retry-after', String(Math.ceil(retryAfterMs / 1000)));
    const text = reason === 'not_authenticated' ? 'The e-mail address or the password is wrong.' : sentence(error);
    return signInForm(context, c, row.http as ContentfulStatusCode, { error: text, email });
  }
}

async function showAccount(context: IdentityContext, c: Page): Promise<Response> {
  const tenant = c.get('tenant');
  const session = await readSession(context, tenant, c.req.raw.headers);
  const base = basePath(tenant);
  if (!session) return c.redirect(`${base}/sign-in?return_to=${encodeURIComponent(`${base}/account`)}`, 303);
  const { formKey } = context.auths.of(tenant);
  return c.html(
    accountPage({
      tenantName: tenant.displayName,
      name: session.name,
      email: session.email,
      signOutAction: `${base}/sign-out`,
      formToken: formToken(formKey, tenant.id, formNonce(c, tenant, context.runtime), session.id),
    }),
  );
}

async function submitSignOut(context: IdentityContext, c: Page): Promise<Response> {
  const tenant = c.get('tenant');
  const session = await readSession(context, tenant, c.req.raw.headers);
  const signIn = `${basePath(tenant)}/sign-in`;
  if (!session) return c.redirect(signIn, 303);
  if (!(await readForm(context, c, session))) {
    return c.html(messagePage('Not signed out', 'This form has expired. Please go back and try again.'), 403);
  }
  const cookie = c.req.header('cookie') ?? null;
  const response = await signOut(context, tenant, session, { origin: context.originOf(c.req.raw), cookie });
  for (const cleared of response.headers.getSetCookie()) c.header('set-cookie', cleared, { append: true });
  return c.redirect(signIn, 303);
}

/** The form as our own page sent it from this browser; undefined when its token does not say so. */
async function readForm(
  context: IdentityContext,
  c: Page,
  session: Session | undefined,
): Promise<Record<string, unknown> | undefined> {
  const tenant = c.get('tenant');
  requireSameOrigin(c.req.raw.headers, new URL(tenant.issuer).origin, 'refused');
  const form = await readBody(c.req.raw, ['form']);
  const nonce = readFormNonce(c, tenant);
  if (!nonce) return undefined;
  const expected = formToken(context.auths.of(tenant).formKey, tenant.id, nonce, session?.id ?? '');
  return isFormToken(expected, form.form_token) ? form : undefined;
}

function signInForm(
  context: IdentityContext,
  c: Page,
  status: ContentfulStatusCode,
  shown: { error?: string; email?: string } = {},
): Response | Promise<Response> {
  const tenant = c.get('tenant');
  const returnTo = parseReturnTo(c.req.query('return_to'), tenant.issuer);
  const action = `${basePath(tenant)}/sign-in${returnTo ? `?return_to=${encodeURIComponent(returnTo)}` : ''}`;
  const token = formToken(context.auths.of(tenant).formKey, tenant.id, formNonce(c, tenant, context.runtime), '');
  return c.html(signInPage({ tenantName: tenant.displayName, action, formToken: token, ...shown }), status);
}

function destination(c: Page): string {
  const tenant = c.get('tenant');
  return parseReturnTo(c.req.query('return_to'), tenant.issuer) ?? `${basePath(tenant)}/account`;
}

function basePath(tenant: Tenant): string {
  return new URL(tenant.issuer).pathname;
}

function sentence({ detail }: Refusal): string {
  return `${detail.charAt(0).toUpperCase()}${detail.slice(1)}.`;
}
