import { readLogFile, recordDenial } from '@mono-auth/audit';
import { notFound, Refusal } from '@mono-auth/core/errors';
import type { Permission } from '@mono-auth/core/permissions';
import type { Caller } from '@mono-auth/core/principal';
import { type AccessEffects, type Ingress, toBearerError } from '@mono-auth/transport';
import { Hono } from 'hono';
import type { Parts } from './compose.ts';

/** Entries are evidence, and hashes show how much happens in a tenant: both need what AuditService needs. */
const permission: Permission = 'audit:read';
const logPath = /^\/t\/[^/]+\/log\/(.+)$/;

/** C2SP tlog-tiles: tiles are immutable. `private`: a cache that is shared would answer those without a token. */
const immutableFile = { 'cache-control': 'private, max-age=31536000, immutable', vary: 'authorization' };
const latestFile = { 'cache-control': 'no-store' };

/** The tenant's log as static files, to be mounted at `/t/:slug`. */
export function logRoutes(parts: Parts, authenticate: AccessEffects['authenticate']): Hono {
  const app = new Hono();
  app.get('/log/*', async (c) => {
    const authorization = c.req.header('authorization') ?? null;
    try {
      const caller = await permit(parts, authenticate, authorization, parts.ingressOf(c.req.raw));
      // As it came: a router's parameter would be decoded, and a file has one path.
      const path = logPath.exec(new URL(c.req.url).pathname)?.[1];
      if (path === undefined) throw notFound('log file');
      const file = await parts.database.forTenant(caller.tenantId, (tx) => readLogFile(tx, path));
      return c.body(file.bytes, 200, {
        'content-type': file.contentType,
        'x-content-type-options': 'nosniff',
        ...(file.immutable ? immutableFile : latestFile),
      });
    } catch (error) {
      if (error instanceof Refusal) parts.onRefusal(error);
      return toBearerError(error, { tokenPresent: authorization !== null, scope: permission });
    }
  });
  return app;
}

/** Law 4 for what is no RPC: proves the caller, compares, and leaves evidence of who was refused. */
async function permit(
  { database, runtime }: Parts,
  authenticate: AccessEffects['authenticate'],
  authorization: string | null,
  ingress: Ingress,
): Promise<Caller> {
  let caller: Caller | undefined;
  try {
    caller = await authenticate(authorization, ingress);
    // RFC 6750 §3.1.
    if (!caller.scope.has(permission)) {
      throw new Refusal('insufficient_scope', `the log needs the permission ${permission}`);
    }
    return caller;
  } catch (error) {
    if (error instanceof Refusal) {
      await recordDenial(database, runtime, { ingress, caller, method: 'GET /log', permission, refusal: error });
    }
    throw error;
  }
}
