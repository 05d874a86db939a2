import { asRefusal, notFound, Refusal } from '@mono-auth/core/errors';
import type { Tenant } from '@mono-auth/tenants';
import { toBearerError, toOAuthError } from '@mono-auth/transport';
import { type Context, Hono } from 'hono';
import { accepts } from 'hono/accepts';
import { bodyLimit } from 'hono/body-limit';
import { answerChallenge } from './attestation/answer-challenge.ts';
import { authorizeDevice } from './authorize-device.ts';
import { browserAccess } from './browser-access.ts';
import type { TokenDeps } from './deps.ts';
import { nextNonce } from './dpop/next-nonce.ts';
import { formBytesMax } from './form.ts';
import type { FormRequest } from './grant-session.ts';
import { introspectToken } from './introspect-token.ts';
import { introspectionMediaType, signIntrospection } from './introspection-jwt.ts';
import { openidConfiguration } from './metadata.ts';
import { noStore } from './no-store.ts';
import { publicDocument } from './public-document.ts';
import { pushAuthorization } from './push-authorization.ts';
import { readUserinfo, userinfoScope } from './read-userinfo.ts';
import { revokeToken } from './revoke-token.ts';
import { browserEndpoints, endpointPaths } from './served-endpoints.ts';
import { answerTokenRequest, challengeOf, readFormRequest, requireTenant } from './token-endpoint.ts';

/** The OAuth endpoints of a tenant, to be mounted at `/t/:slug`. */
export function tokenRoutes(deps: TokenDeps): Hono {
  const app = new Hono();
  app.onError((error, c) => {
    const refusal = asRefusal(error);
    deps.onRefusal(refusal);
    return toOAuthError(refusal, challengeOf(c.req.raw));
  });
  for (const name of browserEndpoints) app.use(endpointPaths[name], browserAccess);
  for (const path of ['/jwks', '/.well-known/*']) app.use(path, browserAccess);
  app.use(
    '/oauth2/*',
    bodyLimit({
      maxSize: formBytesMax,
      onError: () => {
        throw new Refusal('too_large', `the body is longer than ${formBytesMax} bytes`);
      },
    }),
  );
  app.post(endpointPaths.token, (c) => answerTokenRequest(deps, c.req.param('slug') ?? '', c.req.raw));
  app.post(endpointPaths.pushed_authorization_request, async (c) => {
    const request = await readRequest(deps, c);
    const answer = await pushAuthorization(deps, request);
    return c.json(answer, 201, { ...noStore, ...(await nextNonce(deps, request)) });
  });
  app.post(endpointPaths.device_authorization, async (c) => {
    const request = await readRequest(deps, c);
    const answer = await authorizeDevice(deps, request);
    return c.json(answer, 200, { ...noStore, ...(await nextNonce(deps, request)) });
  });
  app.post(endpointPaths.challenge, async (c) => {
    const { body, headers } = await answerChallenge(deps, await tenantOf(deps, c));
    return c.json(body, 200, { ...noStore, ...headers });
  });
  app.post(endpointPaths.introspection, (c) => answerIntrospection(deps, c));
  app.post(endpointPaths.revocation, async (c) => {
    await revokeToken(deps, await readRequest(deps, c));
    return c.body(null, 200, noStore);
  });
  app.on(['GET', 'POST'], endpointPaths.userinfo, (c) => answerUserinfo(deps, c));
  app.get('/jwks', async (c) => {
    const tenant = await tenantOf(deps, c);
    return publicDocument(c, 'application/jwk-set+json', await deps.keys.jwks(tenant.id));
  });
  app.get('/.well-known/openid-configuration', async (c) => {
    const tenant = await tenantOf(deps, c);
    return publicDocument(c, 'application/json', await openidConfiguration(deps, tenant));
  });
  return app;
}

async function answerIntrospection(deps: TokenDeps, c: Context): Promise<Response> {
  const request = await readRequest(deps, c);
  const { client, introspection } = await introspectToken(deps, request);
  const supports = ['application/json', introspectionMediaType];
  const wanted = accepts(c, { header: 'Accept', supports, default: 'application/json' });
  if (wanted !== introspectionMediaType) return c.json(introspection, 200, noStore);
  const jwt = await signIntrospection(deps, request.tenant, client.id, introspection);
  return c.body(jwt, 200, { ...noStore, 'content-type': introspectionMediaType });
}

async function answerUserinfo(deps: TokenDeps, c: Context): Promise<Response> {
  const authorization = c.req.header('authorization');
  try {
    const tenant = await tenantOf(deps, c);
    if (tenant.status !== 'active') throw notFound('tenant');
    const { possession } = deps.originOf(c.req.raw);
    return c.json(await readUserinfo(deps, tenant, authorization, possession), 200, noStore);
  } catch (error) {
    deps.onRefusal(asRefusal(error));
    return toBearerError(error, { tokenPresent: authorization !== undefined, scope: userinfoScope });
  }
}

async function readRequest(deps: TokenDeps, c: Context): Promise<FormRequest> {
  return readFormRequest(deps, c.req.param('slug') ?? '', c.req.raw);
}

function tenantOf(deps: TokenDeps, c: Context): Promise<Tenant> {
  return requireTenant(deps, c.req.param('slug') ?? '');
}
