import type { SessionId, UserId } from '@mono-auth/core/ids';
import { type Call, callerWithoutToken, type Principal, type TenantRole } from '@mono-auth/core/principal';
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
  const principal: Principal = person ? `user:${person.userId}` : 'anonymous:';
  const { requestId, ip } = origin;
  const caller = { principal, tenant, requestId, ip, tenantRole: person?.tenantRole, sessionId: person?.sessionId };
  return { runtime, caller: callerWithoutToken(caller) };
}
