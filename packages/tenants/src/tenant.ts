import type { RequestId, TenantId } from '@mono-auth/core/ids';
import { type Caller, callerWithoutToken } from '@mono-auth/core/principal';

export type TenantStatus = 'provisioning' | 'active' | 'suspended';

/** A tenant as its row has it. */
export interface TenantRecord {
  readonly id: TenantId;
  /** Never changes. */
  readonly slug: string;
  readonly displayName: string;
  readonly status: TenantStatus;
  /** Tokens and sessions of a smaller epoch are dead. */
  readonly epoch: number;
  /** Raised when the database was rolled back; heads, checkpoints and join states carry it. */
  readonly incarnation: number;
  /** Another one whenever a signing key of the tenant has changed. */
  readonly keyVersion: number;
  readonly createdAtMs: number;
}

export interface Tenant extends TenantRecord {
  /** `{base}/t/{slug}`, byte-stable. */
  readonly issuer: string;
}

/** The installation itself as a caller: provisioning at first start, jobs of the worker. It holds no permission. */
export function systemCaller(tenant: Pick<TenantRecord, 'id' | 'slug'>, requestId: RequestId): Caller {
  return callerWithoutToken({ principal: 'system:platform', tenant, requestId, ip: '' });
}
