import { formActionSource } from '../authorize/redirect-uri.ts';
import type { IdentityContext } from '../context.ts';
import { allowFormTarget, basePath, type Page, tokenFor } from '../hosted-page.ts';
import { messagePage } from '../pages/message-page.ts';
import { signOutPage } from '../pages/sign-out-page.ts';
import { readFormText } from '../read-body.ts';
import { readSession } from '../read-session.ts';
import { signOut } from '../sign-out.ts';
import { readLogoutRequest } from './logout-request.ts';

/** What the form that confirms has to send again. */
const kept = ['client_id', 'post_logout_redirect_uri', 'state', 'id_token_hint'];

/**
 * RP-initiated logout: a client that shows an ID token of this very session ends it; everybody else only gets the
 * person asked, so that no page of the web can sign people out.
 */
export async function endSession(context: IdentityContext, c: Page): Promise<Response> {
  const tenant = c.get('tenant');
  const { raw } = c.req;
  const sent = raw.method === 'POST' ? new URLSearchParams(await readFormText(raw)) : new URL(raw.url).searchParams;
  const { hinted, destination } = await readLogoutRequest(context, tenant, sent);
  const session = await readSession(context, tenant, raw.headers);
  if (session && session.id !== hinted) {
    const query = new URLSearchParams([...sent].filter(([name]) => kept.includes(name)));
    if (destination) allowFormTarget(c, formActionSource(destination));
    return c.html(
      signOutPage({
        tenantName: tenant.displayName,
        email: session.email,
        action: `${basePath(tenant)}/sign-out?${query}`,
        formToken: tokenFor(context, c, session, destination ?? ''),
      }),
    );
  }
  if (session) {
    const answer = await signOut(context, tenant, session, {
      origin: context.originOf(raw),
      cookie: c.req.header('cookie') ?? null,
    });
    for (const cleared of answer.headers.getSetCookie()) c.header('set-cookie', cleared, { append: true });
  }
  return destination ? c.redirect(destination, 303) : c.html(messagePage('Signed out', 'You are signed out here.'));
}
