import { notFound } from '@mono-auth/core/errors';
import { parseSlug } from '@mono-auth/core/tenant-slug';
import type { Tenant, TenantDirectory } from '@mono-auth/tenants';
import { toOAuthError } from '@mono-auth/transport';
import { Hono } from 'hono';
import { browserAccess } from './browser-access.ts';
import type { MetadataDeps } from './deps.ts';
import { authorizationServerMetadata, openidConfiguration } from './metadata.ts';
import { publicDocument } from './public-document.ts';

/** The forms of discovery whose path begins with `/.well-known` (RFC 8414 §3.1, and what MCP clients ask for). */
export function discoveryRoutes(deps: MetadataDeps & { readonly tenants: Pick<TenantDirectory, 'bySlug'> }): Hono {
  const app = new Hono();
  app.onError((error) => toOAuthError(error));
  app.use('/.well-known/*', browserAccess);
  const documents = {
    'oauth-authorization-server': authorizationServerMetadata,
    'openid-configuration': openidConfiguration,
  };
  for (const [name, documentOf] of Object.entries(documents)) {
    app.get(`/.well-known/${name}/t/:slug`, async (c) => {
      const tenant: Tenant | undefined = await deps.tenants.bySlug(parseSlug(c.req.param('slug'), 'tenant'));
      if (tenant?.status !== 'active') throw notFound('tenant');
      return publicDocument(c, 'application/json', await documentOf(deps, tenant));
    });
  }
  return app;
}
