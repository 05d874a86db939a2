import { asRefusal, notFound } from '@mono-auth/core/errors';
import type { Tenant } from '@mono-auth/tenants';
import { Hono } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { revokeClient, showAccount, submitSignOut } from './account-routes.ts';
import { handleAuthorize } from './authorize/handle-authorize.ts';
import { decideConsent, showConsent } from './consent/consent-routes.ts';
import type { IdentityContext } from './context.ts';
import { showDevice, submitDevice } from './device/device-routes.ts';
import { handleAuth } from './handle-auth.ts';
import { type Page, pageHeaders } from './hosted-page.ts';
import { endSession } from './logout/end-session.ts';
import { messagePage } from './pages/message-page.ts';
import { showSignIn, submitSignIn } from './sign-in-routes.ts';

const pages = [
  ...['/sign-in', '/sign-out', '/account', '/account/revoke', '/consent', '/device'],
  ...['/oauth2/authorize', '/oauth2/end_session'],
];

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
  for (const path of pages) app.use(path, pageHeaders, resolve);
  app.get('/sign-in', (c) => showSignIn(context, c));
  app.post('/sign-in', (c) => submitSignIn(context, c));
  app.get('/account', (c) => showAccount(context, c));
  app.post('/account/revoke', (c) => revokeClient(context, c));
  app.post('/sign-out', (c) => submitSignOut(context, c));
  app.on(['GET', 'POST'], '/oauth2/authorize', (c) => {
    return handleAuthorize(context, c.get('tenant'), c.req.raw, context.originOf(c.req.raw));
  });
  app.get('/consent', (c) => showConsent(context, c));
  app.post('/consent', (c) => decideConsent(context, c));
  app.use('/device', async (_c, next) => {
    if (!context.grants) throw notFound('page');
    await next();
  });
  app.get('/device', (c) => showDevice(context, c));
  app.post('/device', (c) => submitDevice(context, c));
  app.on(['GET', 'POST'], '/oauth2/end_session', (c) => endSession(context, c));
  app.all('/auth/*', resolve, (c) => handleAuth(context, c.get('tenant'), c.req.raw, context.originOf(c.req.raw)));
  app.onError((error, c) => {
    const refusal = asRefusal(error);
    if (refusal.reason === 'internal') context.log(`${c.req.path}: ${String(refusal.cause)}`);
    return c.html(messagePage('That did not work', refusal.detail), refusal.row.http as ContentfulStatusCode);
  });
  return app;
}
