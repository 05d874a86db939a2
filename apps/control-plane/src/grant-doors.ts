import { findClient } from '@mono-auth/clients';
import type { ClientId, TenantId } from '@mono-auth/core/ids';
import type { Runtime } from '@mono-auth/core/runtime';
import type { Database, TenantTx } from '@mono-auth/database';
import type { Feed } from '@mono-auth/feed';
import { deviceAuthorizations, endGrant, listGrants, pushedRequests } from '@mono-auth/grants';
import type { IdentityDeps } from '@mono-auth/identity';
import { readSecurityPolicy } from '@mono-auth/tenants';

interface GrantDoorDeps {
  readonly database: Database;
  readonly runtime: Runtime;
  readonly feed: Pick<Feed, 'append'>;
  /** Key of a tenant under which user codes are stored. */
  readonly userCodeKey: (tenantId: TenantId) => Uint8Array;
}

/** What the hosted pages do to grants, which identity does not know. */
export function openGrantDoors({
  database,
  runtime,
  feed,
  userCodeKey,
}: GrantDoorDeps): NonNullable<IdentityDeps['grants']> {
  return {
    async takePushedRequest(tenantId, clientId, requestUri) {
      const take = (tx: TenantTx) => pushedRequests.takePushedRequest(tx, runtime, { requestUri, clientId });
      const parameters = await database.forTenant(tenantId, take);
      if (!parameters) return undefined;
      const pairs = Object.entries(parameters).flatMap(([name, value]) => [value].flat().map((one) => [name, one]));
      return new URLSearchParams(pairs);
    },
    requiresPushedRequests: async (tenantId) =>
      (await database.forTenant(tenantId, readSecurityPolicy)).pushedRequestsRequired,
    async findDeviceRequest(tx, typed) {
      const key = userCodeKey(tx.tenantId);
      const device = await deviceAuthorizations.findDeviceAuthorization(tx, runtime, { typed, userCodeKey: key });
      if (!device) return undefined;
      const { clientId, scopes, resources } = device;
      return { clientId, clientName: await nameOf(tx, clientId), scopes, resources };
    },
    decideDevice: (tx, call, { userCode: typed, ...decision }) =>
      deviceAuthorizations.decideDeviceAuthorization(tx, call, {
        ...decision,
        ...{ typed, userCodeKey: userCodeKey(tx.tenantId) },
      }),
    async listGrants(tx, userId) {
      const grants = await listGrants(tx, runtime, userId);
      const named = new Map<ClientId, string>();
      for (const { clientId } of grants) named.set(clientId, named.get(clientId) ?? (await nameOf(tx, clientId)));
      return grants.map((grant) => ({ ...grant, clientName: named.get(grant.clientId) ?? '' }));
    },
    endGrants: (tx, call, of) => endGrant(feed, tx, call, of, 'consent was withdrawn'),
  };
}

async function nameOf(tx: TenantTx, clientId: ClientId): Promise<string> {
  return (await findClient(tx, clientId))?.name ?? '';
}
