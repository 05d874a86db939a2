import type { Principal } from '@mono-auth/core/principal';
import type { Runtime } from '@mono-auth/core/runtime';
import type { Database, TenantTx } from '@mono-auth/database';
import type { Feed } from '@mono-auth/feed';

/** What of a resource counts for the product that claims it. */
export interface ClaimedResource {
  /** Empty: none. */
  readonly product: string;
  readonly retired: boolean;
}

export interface RoleDeps {
  readonly database: Database;
  readonly runtime: Runtime;
  readonly feed: Pick<Feed, 'append'>;
  /** A resource of the tenant, retired or not: `clients` has them, in the same row of the layers. */
  findResource(tx: TenantTx, identifier: string): Promise<ClaimedResource | undefined>;
  /** Whether somebody of this name is in the tenant and not gone for good. */
  isPrincipal(tx: TenantTx, principal: Principal): Promise<boolean>;
}
