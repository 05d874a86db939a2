import { append } from '@mono-auth/audit';
import { newId } from '@mono-auth/core/ids';
import type { Tenant } from '@mono-auth/tenants';
import { callOfPerson } from './call.ts';
import type { IdentityContext, Origin } from './context.ts';
import { queueLogouts } from './logout/queue-logouts.ts';
import type { Session } from './read-session.ts';

/**
 * Ends a session: first the evidence and the feed entry, which kills the tokens minted in it at every enforcement
 * point (law 7), then the row.
 * @returns Better Auth's answer, which clears the cookie.
 */
export async function signOut(
  context: IdentityContext,
  tenant: Tenant,
  session: Session | undefined,
  request: { readonly origin: Origin; readonly cookie: string | null },
): Promise<Response> {
  if (session) {
    const call = callOfPerson(context.runtime, tenant, request.origin, {
      userId: session.userId,
      sessionId: session.id,
    });
    await context.database.forTenant(tenant.id, async (tx) => {
      const id = newId(context.runtime, 'rev');
      await append(tx, call, { type: 'session.ended', object: { kind: 'session', id: session.id } });
      const target = { kind: 'session', sid: session.id } as const;
      await queueLogouts(tx, context.runtime, { sessionId: session.id });
      await context.feed.append(tx, [{ kind: 'revocation', payload: { v: 1, id, target, reason: 'signed out' } }]);
    });
  }
  const headers = new Headers({ origin: new URL(tenant.issuer).origin });
  if (request.cookie) headers.set('cookie', request.cookie);
  return context.auths.of(tenant).handler(new Request(`${tenant.issuer}/auth/sign-out`, { method: 'POST', headers }));
}
