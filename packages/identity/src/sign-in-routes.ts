import { Refusal } from '@mono-auth/core/errors';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { findAnswerTarget } from './authorize/check-authorization.ts';
import { formActionSource } from './authorize/redirect-uri.ts';
import { readParams } from './authorize/request-params.ts';
import type { IdentityContext } from './context.ts';
import { allowFormTarget, basePath, type Page, readForm, tokenFor } from './hosted-page.ts';
import { signInPage } from './pages/sign-in-page.ts';
import { readSession } from './read-session.ts';
import { parseReturnTo } from './return-to.ts';
import { credentials, signIn } from './sign-in.ts';

/** Who is signed in goes on, unless a client asks that the person sign in again (`again`). */
export async function showSignIn(context: IdentityContext, c: Page): Promise<Response> {
  const session = await readSession(context, c.get('tenant'), c.req.raw.headers);
  if (session && !asksAgain(c)) return c.redirect(destination(c), 303);
  return signInForm(context, c, 200);
}

export async function submitSignIn(context: IdentityContext, c: Page): Promise<Response> {
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

async function signInForm(
  context: IdentityContext,
  c: Page,
  status: ContentfulStatusCode,
  shown: { error?: string; email?: string } = {},
): Promise<Response> {
  const tenant = c.get('tenant');
  const returnTo = parseReturnTo(c.req.query('return_to'), tenant.issuer);
  const query = new URLSearchParams({
    ...(returnTo && { return_to: returnTo }),
    ...(asksAgain(c) && { again: 'true' }),
  });
  const action = `${basePath(tenant)}/sign-in${query.size > 0 ? `?${query}` : ''}`;
  if (returnTo) allowFormTarget(c, await answerSource(context, c, returnTo));
  const token = tokenFor(context, c, undefined);
  return c.html(signInPage({ tenantName: tenant.displayName, action, formToken: token, ...shown }), status);
}

/** Where the redirects that follow a sign-in may end besides here: at the client whose request waits. */
async function answerSource(context: IdentityContext, c: Page, returnTo: string): Promise<string | undefined> {
  const tenant = c.get('tenant');
  const { pathname, searchParams } = new URL(returnTo, tenant.issuer);
  if (pathname !== `${basePath(tenant)}/oauth2/authorize`) return undefined;
  try {
    const { redirectUri } = await findAnswerTarget(context.auths.of(tenant).pool, readParams(searchParams));
    return formActionSource(redirectUri);
  } catch (error) {
    if (error instanceof Refusal) return undefined;
    throw error;
  }
}

function asksAgain(c: Page): boolean {
  return c.req.query('again') === 'true';
}

function destination(c: Page): string {
  const tenant = c.get('tenant');
  return parseReturnTo(c.req.query('return_to'), tenant.issuer) ?? `${basePath(tenant)}/account`;
}

function sentence({ detail }: Refusal): string {
  return `${detail.charAt(0).toUpperCase()}${detail.slice(1)}.`;
}
