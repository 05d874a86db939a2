import { notFound } from '@mono-auth/core/errors';
import { permissionsOf } from '@mono-auth/core/permissions';
import { protectedResourceMetadata, protectedResourceUrl } from '@mono-auth/core/protected-resource';
import { issuerOf, platformSlug, rpcAudienceOf } from '@mono-auth/core/tenant-slug';
import { dpopAlgorithms } from '@mono-auth/core/token-claims';
import { type Context, Hono } from 'hono';
import type { Parts } from './compose.ts';

/** Changes with a release only. */
const publicDocument = { 'cache-control': 'public, max-age=300' };
/** What takes tokens of the management API: RPCs, the feed as an event stream, the log's files. */
const facePath = /^\/t\/([^/]+)\/(?:rpc\/|feed$|log\/)/;

/**
 * The management API of a tenant as a protected resource (RFC 9728): the document in front of its path as §3.1 has it, and
 * behind it, where clients look that append.
 */
export function resourceMetadataRoutes(parts: Pick<Parts, 'tenants' | 'baseUrl'>): Hono {
  const app = new Hono();
  const answer = async (c: Context) => {
    const tenant = await parts.tenants.bySlug(c.req.param('slug') ?? '');
    if (tenant?.status !== 'active') throw notFound('tenant');
    return c.json(documentOf(parts.baseUrl, tenant.slug), 200, publicDocument);
  };
  app.get('/.well-known/oauth-protected-resource/t/:slug/rpc', answer);
  app.get('/t/:slug/rpc/.well-known/oauth-protected-resource', answer);
  return app;
}

function documentOf(baseUrl: string, slug: string) {
  const issuer = issuerOf(baseUrl, slug);
  return protectedResourceMetadata({
    resource: rpcAudienceOf(baseUrl, slug),
    authorizationServers: [issuer],
    // The platform's own permissions belong to its tenant alone.
    scopes: permissionsOf('owner', slug === platformSlug),
    name: 'Mono-Auth management API',
    jwksUri: `${issuer}/jwks`,
    dpopAlgorithms,
  });
}

/**
 * RFC 9728 §5.1: whoever is refused for want of a token is told where to learn which one. Added to the challenge that the
 * answer has, or as one where the protocol of the answer knows none.
 */
export function withResourceMetadata(baseUrl: string, request: Request, answer: Response): Response {
  const slug = answer.status === 401 ? facePath.exec(new URL(request.url).pathname)?.[1] : undefined;
  if (slug === undefined) return answer;
  const parameter = `resource_metadata="${protectedResourceUrl(rpcAudienceOf(baseUrl, slug))}"`;
  const challenge = answer.headers.get('www-authenticate') ?? 'Bearer';
  const headers = new Headers(answer.headers);
  headers.set('www-authenticate', `${challenge}${challenge.includes(' ') ? ',' : ''} ${parameter}`);
  return new Response(answer.body, { status: answer.status, headers });
}
