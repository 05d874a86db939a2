import { base64url, utf8 } from '@mono-auth/core/encoding';
import { asRefusal, notFound, Refusal } from '@mono-auth/core/errors';
import { parseSlug } from '@mono-auth/core/tenant-slug';
import type { Tenant } from '@mono-auth/tenants';
import { toOAuthError } from '@mono-auth/transport';
import { type Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { authorizeDevice } from './authorize-device.ts';
import type { TokenDeps } from './deps.ts';
import { formBytesMax, readForm } from './form.ts';
import type { FormRequest } from './grant-session.ts';
import { dispatchGrant } from './grants/dispatch-grant.ts';
import { introspectToken } from './introspect-token.ts';
import { openidConfiguration } from './metadata.ts';
import { pushAuthorization } from './push-authorization.ts';
import { revokeToken } from './revoke-token.ts';

/** RFC 6749 §5.1: what holds a credential is stored nowhere. */
const noStore = { 'cache-control': 'no-store', pragma: 'no-cache' };
/** How long verifiers may hold keys and metadata, seconds: a rotation overlaps far longer, a new key is seen soon. */
const publicMaxAgeSeconds = 300;

/** The OAuth endpoints of a tenant, to be mounted at `/t/:slug`. */
export function tokenRoutes(deps: TokenDeps): Hono {
  const app = new Hono();
  app.onError((error, c) => {
    const refusal = asRefusal(error);
    deps.onRefusal(refusal);
    // RFC 6749 §5.2: who tried the Authorization header is told which scheme failed.
    return toOAuthError(refusal, c.req.header('authorization') === undefined ? {} : { challenge: 'Basic' });
  });
  app.use(
    '/oauth2/*',
    bodyLimit({
      maxSize: formBytesMax,
      onError: () => {
        throw new Refusal('too_large', `the body is longer than ${formBytesMax} bytes`);
      },
    }),
  );
  app.post('/oauth2/token', async (c) => c.json(await dispatchGrant(deps, await readRequest(deps, c)), 200, noStore));
  app.post('/oauth2/par', async (c) => c.json(await pushAuthorization(deps, await readRequest(deps, c)), 201, noStore));
  app.post('/oauth2/device_authorization', async (c) =>
    c.json(await authorizeDevice(deps, await readRequest(deps, c)), 200, noStore),
  );
  app.post('/oauth2/introspect', async (c) =>
    c.json(await introspectToken(deps, await readRequest(deps, c)), 200, noStore),
  );
  app.post('/oauth2/revoke', async (c) => {
    await revokeToken(deps, await readRequest(deps, c));
    return c.body(null, 200, noStore);
  });
  app.get('/jwks', async (c) => {
    const tenant = await tenantOf(deps, c);
    return publicDocument(c, 'application/jwk-set+json', await deps.keys.jwks(tenant.id));
  });
  app.get('/.well-known/openid-configuration', async (c) => {
    const tenant = await tenantOf(deps, c);
    return publicDocument(c, 'application/json', openidConfiguration(tenant, deps.baseUrl));
  });
  return app;
}

async function readRequest(deps: TokenDeps, c: Context): Promise<FormRequest> {
  const tenant = await tenantOf(deps, c);
  const form = await readForm(c.req.raw);
  return { tenant, form, authorization: c.req.header('authorization'), origin: deps.originOf(c.req.raw) };
}

async function tenantOf(deps: TokenDeps, c: Context): Promise<Tenant> {
  const tenant = await deps.tenants.bySlug(parseSlug(c.req.param('slug'), 'tenant'));
  // One that is still being set up, or does not exist, is answered alike.
  if (!tenant || tenant.status === 'provisioning') throw notFound('tenant');
  return tenant;
}

/** A document that anybody may hold for a while (RFC 9111 §5.2.2, RFC 9110 §8.8.3). */
async function publicDocument(c: Context, contentType: string, document: unknown): Promise<Response> {
  const text = JSON.stringify(document);
  const etag = `"${base64url(new Uint8Array(await crypto.subtle.digest('SHA-256', utf8(text))))}"`;
  const headers = { etag, 'cache-control': `public, max-age=${publicMaxAgeSeconds}` };
  const known = c.req.header('if-none-match')?.split(/\s*,\s*/) ?? [];
  if (known.some((tag) => tag === '*' || tag.replace(/^W\//, '') === etag)) return c.body(null, 304, headers);
  return c.body(text, 200, { ...headers, 'content-type': contentType });
}
