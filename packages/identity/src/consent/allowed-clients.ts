import { append } from '@mono-auth/audit';
import type { ClientId, UserId } from '@mono-auth/core/ids';
import type { Tenant } from '@mono-auth/tenants';
import { callOfPerson } from '../call.ts';
import type { IdentityContext, Origin } from '../context.ts';
import type { AllowedClient } from '../pages/account-page.ts';
import type { Session } from '../read-session.ts';
import { deleteConsent, selectConsents } from './store.ts';

/** What a person has allowed, by client: remembered consents, and grants that live. */
export async function allowedClients(
  context: IdentityContext,
  tenant: Tenant,
  userId: UserId,
): Promise<readonly AllowedClient[]> {
  const consents = await selectConsents(context.auths.of(tenant).pool, userId);
  const { grants } = context;
  const living = grants ? await context.database.forTenant(tenant.id, (tx) => grants.listGrants(tx, userId)) : [];
  const clients = new Map<ClientId, { name: string; scopes: Set<string> }>();
  for (const { clientId, clientName, scopes } of [...consents, ...living]) {
    const known = clients.get(clientId) ?? { name: clientName, scopes: new Set() };
    for (const scope of scopes) known.scopes.add(scope);
    clients.set(clientId, known);
  }
  return [...clients].map(([clientId, { name, scopes }]) => ({ clientId, name, scopes: [...scopes] }));
}

/**
 * Takes back what a person allowed a client. The consent goes first, on its own connection: should the rest fail, the
 * person is told so, and the client is asked for once more than needed, never once less.
 */
export async function withdrawConsent(
  context: IdentityContext,
  tenant: Tenant,
  session: Session,
  clientId: ClientId,
  origin: Origin,
): Promise<void> {
  const { userId } = session;
  const call = callOfPerson(context.runtime, tenant, origin, { userId, sessionId: session.id });
  await deleteConsent(context.auths.of(tenant).pool, userId, clientId);
  await context.database.forTenant(tenant.id, async (tx) => {
    const ended = (await context.grants?.endGrants(tx, call, { userId, clientId })) ?? 0;
    await append(tx, call, {
      type: 'consent.withdrawn',
      object: { kind: 'client', id: clientId },
      detail: { grants: ended },
    });
  });
}
