import type { ClientId, GrantId, SessionId, TenantId, UserId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import type { TenantTx } from '@mono-auth/database';

/** A device that waits for its person (RFC 8628 §3.3). */
export interface DeviceRequest {
  readonly clientId: ClientId;
  readonly clientName: string;
  readonly scopes: readonly string[];
  readonly resources: readonly string[];
}

/** A living grant of a person. */
export interface PersonGrant {
  readonly id: GrantId;
  readonly clientId: ClientId;
  readonly clientName: string;
  readonly scopes: readonly string[];
  readonly createdAtMs: number;
}

export interface DeviceDecision {
  readonly userCode: string;
  readonly userId: UserId;
  readonly sessionId: SessionId;
  readonly granted: boolean;
  /** When the person signed in. */
  readonly authTimeMs: number;
}

/**
 * What the hosted pages do to grants, handed over by who composes: grants are none of this package's business. Without
 * it there is no device page, no pushed request, and the account page lists consents alone.
 */
export interface GrantDoors {
  /** The parameters that were pushed under this URI, taken: undefined when there are none of this client, or no more. */
  takePushedRequest(tenantId: TenantId, clientId: ClientId, requestUri: string): Promise<URLSearchParams | undefined>;
  /** Whether the tenant takes pushed requests only (RFC 9126 §5). */
  requiresPushedRequests(tenantId: TenantId): Promise<boolean>;
  /** The undecided, living request of a user code, in the form that `normalUserCode` gives it. */
  findDeviceRequest(tx: TenantTx, userCode: string): Promise<DeviceRequest | undefined>;
  /** Decides once, with its evidence. @throws Refusal `not_found` when there is nothing (any more) to decide. */
  decideDevice(tx: TenantTx, call: Call, decision: DeviceDecision): Promise<void>;
  listGrants(tx: TenantTx, userId: UserId): Promise<readonly PersonGrant[]>;
  /** Ends a person's grants to one client, their tokens by the feed, with evidence. @returns how many. */
  endGrants(tx: TenantTx, call: Call, of: { readonly userId: UserId; readonly clientId: ClientId }): Promise<number>;
}
