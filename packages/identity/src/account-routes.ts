import { isId } from '@mono-auth/core/ids';
import { allowedClients, withdrawConsent } from './consent/allowed-clients.ts';
import type { IdentityContext } from './context.ts';
import { basePath, type Page, readForm, signInPath, tokenFor } from './hosted-page.ts';
import { logoutDestination } from './logout/logout-request.ts';
import { accountPage } from './pages/account-page.ts';
import { messagePage } from './pages/message-page.ts';
import { readSession } from './read-session.ts';
import { signOut } from './sign-out.ts';

export async function showAccount(context: IdentityContext, c: Page): Promise<Response> {
  const tenant = c.get('tenant');
  const session = await readSession(context, tenant, c.req.raw.headers);
  const base = basePath(tenant);
  if (!session) return c.redirect(signInPath(tenant, `${base}/account`), 303);
  return c.html(
    accountPage({
      tenantName: tenant.displayName,
      name: session.name,
      email: session.email,
      signOutAction: `${base}/sign-out`,
      revokeAction: `${base}/account/revoke`,
      clients: await allowedClients(context, tenant, session.userId),
      formToken: tokenFor(context, c, session),
    }),
  );
}

/** Takes back what a client was allowed: its consent and its grants. */
export async function revokeClient(context: IdentityContext, c: Page): Promise<Response> {
  const tenant = c.get('tenant');
  const session = await readSession(context, tenant, c.req.raw.headers);
  const account = `${basePath(tenant)}/account`;
  if (!session) return c.redirect(signInPath(tenant, account), 303);
  const form = await readForm(context, c, session);
  if (!form || !isId('cli', form.client_id)) {
    return c.html(messagePage('Not changed', 'This form has expired. Please go back and try again.'), 403);
  }
  await withdrawConsent(context, tenant, session, form.client_id, context.originOf(c.req.raw));
  return c.redirect(account, 303);
}

export async function submitSignOut(context: IdentityContext, c: Page): Promise<Response> {
  const tenant = c.get('tenant');
  const session = await readSession(context, tenant, c.req.raw.headers);
  const destination = await logoutDestination(context, tenant, new URL(c.req.url).searchParams);
  const onward = destination ?? `${basePath(tenant)}/sign-in`;
  if (!session) return c.redirect(`${basePath(tenant)}/sign-in`, 303);
  if (!(await readForm(context, c, session, destination ?? ''))) {
    return c.html(messagePage('Not signed out', 'This form has expired. Please go back and try again.'), 403);
  }
  const cookie = c.req.header('cookie') ?? null;
  const response = await signOut(context, tenant, session, { origin: context.originOf(c.req.raw), cookie });
  for (const cleared of response.headers.getSetCookie()) c.header('set-cookie', cleared, { append: true });
  return c.redirect(onward, 303);
}
