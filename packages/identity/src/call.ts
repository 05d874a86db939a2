import type { SessionId, UserId } from '@mono-auth/core/ids';
import type { Call, TenantRole } from '@mono-auth/core/principal';
import type { Runtime } from '@mono-auth/core/runtime';
import type { Tenant } from '@mono-auth/tenants';
import type { Origin } from './context.ts';

/** The call of a person who came with a session, or of nobody yet. It carries no scope: a token does. */
export function callOfPerson(
  runtime: Runtime,
  tenant: Pick<Tenant, 'id' | 'slug'>,
  origin: Origin,
  person?: { readonly userId: UserId; readonly sessionId: SessionId; readonly tenantRole?: TenantRole },
): Call {
  return {
    runtime,
    caller: {
      principal: person ? `user:${person.userId}` : 'anonymous:',
      tenantId: tenant.id,
      tenantSlug: tenant.slug,
      tenantRole: person?.tenantRole,
      scope: new Set(),
      tokenId: undefined,
      sessionId: person?.sessionId,
      clientId: undefined,
      act: undefined,
      requestId: origin.requestId,
      ip: origin.ip,
    },
  };
}
