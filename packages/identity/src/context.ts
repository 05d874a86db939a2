import type { Ephemeral } from '@mono-auth/cache';
import type { AgentId, TenantId } from '@mono-auth/core/ids';
import type { Runtime } from '@mono-auth/core/runtime';
import type { Database, TenantTx } from '@mono-auth/database';
import type { Feed } from '@mono-auth/feed';
import type { Keyring } from '@mono-auth/keys';
import type { Minter } from '@mono-auth/minting';
import type { TenantDirectory } from '@mono-auth/tenants';
import type { Ingress } from '@mono-auth/transport';
import type { GrantDoors } from './authorize/grant-doors.ts';
import type { TenantAuths } from './tenant-auths.ts';

/** Which request this is and where it came from, as the edge knows it. */
export type Origin = Pick<Ingress, 'requestId' | 'ip'>;

export interface IdentityDeps {
  readonly database: Database;
  readonly runtime: Runtime;
  readonly tenants: Pick<TenantDirectory, 'bySlug'>;
  readonly minter: Minter;
  /** Token keys of a tenant: an ID token that comes back as a hint is verified with them. */
  readonly keys: Pick<Keyring, 'publicKeys'>;
  readonly feed: Pick<Feed, 'state' | 'append'>;
  /** Counters of attempts. */
  readonly ephemeral: Pick<Ephemeral, 'count' | 'uncount'>;
  /** The public URL of the installation; its origin is the only one that forms and cookies are good for. */
  readonly baseUrl: string;
  /** Key material of one tenant, at least 32 bytes; cookies and form tokens are signed with keys derived from it. */
  readonly secret: (tenantId: TenantId) => Uint8Array;
  /** Whether `audience` is a resource of this tenant, for which its people may ask for tokens. */
  readonly isKnownAudience: (tx: TenantTx, audience: string) => Promise<boolean>;
  /** Whether the agent is one of this tenant and may act now. */
  readonly isActiveAgent: (tx: TenantTx, id: AgentId) => Promise<boolean>;
  /** What the edge knows of a request. Never read from headers that a client can set. */
  readonly originOf: (request: Request) => Origin;
  /** What the hosted pages need of grants. */
  readonly grants?: GrantDoors;
  /** Told of failures that the caller only learns of as "internal" or "unavailable"; names no address and no secret. */
  readonly log: (message: string) => void;
}

/** What the use cases of this package share. */
export interface IdentityContext extends IdentityDeps {
  readonly auths: TenantAuths;
}
