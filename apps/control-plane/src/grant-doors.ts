import { findClient } from '@mono-auth/clients';
import type { ClientId, GrantId, SessionId, TenantId, UserId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import type { Runtime } from '@mono-auth/core/runtime';
import type { Database, TenantTx } from '@mono-auth/database';
import type { Feed } from '@mono-auth/feed';
import { deviceAuthorizations, endGrant, listGrants, pushedRequests } from '@mono-auth/grants';
import { readSecurityPolicy } from '@mono-auth/tenants';

export interface GrantDoorsDeps {
  readonly database: Database;
  readonly runtime: Runtime;
  readonly feed: Feed;
  /** Key of a tenant under which user codes are stored. */
  userCodeKey(tenantId: TenantId): Uint8Array;
}

interface Named {
  readonly clientId: ClientId;
  readonly clientName: string;
  readonly scopes: readonly string[];
}

interface DeviceDecision {
  readonly userCode: string;
  readonly userId: UserId;
  readonly sessionId: SessionId;
  readonly granted: boolean;
  readonly authTimeMs: number;
}

/** What the hosted pages and the authorization endpoint do to grants: identity and grants know nothing of each other. */
export function grantDoors({ database, runtime, feed, userCodeKey }: GrantDoorsDeps) {
  return {
    /** RFC 9126 §4: undefined when there is none of this client, or no more. */
    async takePushedRequest(
      tenantId: TenantId,
      clientId: ClientId,
      requestUri: string,
    ): Promise<URLSearchParams | undefined> {
      const asked = { requestUri, clientId };
      const taken = await database.forTenant(tenantId, (tx) => pushedRequests.takePushedRequest(tx, runtime, asked));
      return (
        taken &&
        new URLSearchParams(
          Object.entries(taken).flatMap(([name, value]) =>
            (typeof value === 'string' ? [value] : value).map((one) => [name, one]),
          ),
        )
      );
    },

    /** RFC 9126 §5. */
    requiresPushedRequests: async (tenantId: TenantId): Promise<boolean> =>
      (await database.forTenant(tenantId, readSecurityPolicy)).pushedRequestsRequired,

    /** What waits for a decision under a user code, however it is spelled. */
    async findDeviceRequest(
      tx: TenantTx,
      userCode: string,
    ): Promise<(Named & { resources: readonly string[] }) | undefined> {
      const asked = { typed: userCode, userCodeKey: userCodeKey(tx.tenantId) };
      const device = await deviceAuthorizations.findDeviceAuthorization(tx, runtime, asked);
      return device && { ...(await named(tx, device)), resources: device.resources };
    },

    /** @throws Refusal `not_found` when there is nothing (any more) to decide. */
    decideDevice: (tx: TenantTx, call: Call, { userCode, ...decision }: DeviceDecision): Promise<void> =>
      deviceAuthorizations.decideDeviceAuthorization(tx, call, {
        ...decision,
        typed: userCode,
        userCodeKey: userCodeKey(tx.tenantId),
      }),

    async listGrants(tx: TenantTx, userId: UserId): Promise<readonly (Named & { id: GrantId; createdAtMs: number })[]> {
      const shown = [];
      for (const grant of await listGrants(tx, runtime, userId)) {
        shown.push({ ...(await named(tx, grant)), id: grant.id, createdAtMs: grant.createdAtMs });
      }
      return shown;
    },

    /** Ends a person's grants to one client. @returns how many were living. */
    endGrants: (
      tx: TenantTx,
      call: Call,
      of: { readonly userId: UserId; readonly clientId: ClientId },
    ): Promise<number> => endGrant(feed, tx, call, of, 'consent was withdrawn'),
  };
}

async function named(
  tx: TenantTx,
  { clientId, scopes }: { readonly clientId: ClientId; readonly scopes: readonly string[] },
): Promise<Named> {
  // A grant has its client for ever: the row is kept when it is retired.
  return { clientId, clientName: (await findClient(tx, clientId))?.name ?? '', scopes };
}
