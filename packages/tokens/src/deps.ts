import type { Client } from '@mono-auth/clients';
import type { Refusal } from '@mono-auth/core/errors';
import type { TenantId, TokenId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import type { Runtime } from '@mono-auth/core/runtime';
import type { Database } from '@mono-auth/database';
import type { Feed } from '@mono-auth/feed';
import type { Keyring } from '@mono-auth/keys';
import type { Minter } from '@mono-auth/minting';
import type { PolicySource } from '@mono-auth/policy';
import type { Tenant, TenantDirectory } from '@mono-auth/tenants';
import type { Ingress } from '@mono-auth/transport';
import type { AuthorizationCodes, People } from './people.ts';

/** What it takes to say whether a token of ours is good now. */
export interface VerifierDeps {
  readonly runtime: Runtime;
  readonly baseUrl: string;
  readonly keys: Pick<Keyring, 'publicKeys'>;
  readonly feed: Pick<Feed, 'state' | 'stateIn'>;
}

export interface BearerDeps extends VerifierDeps {
  readonly tenants: Pick<TenantDirectory, 'byId'>;
}

/** What it takes to answer a grant. */
export interface GrantDeps extends VerifierDeps {
  readonly database: Database;
  readonly minter: Minter;
  readonly policies: PolicySource;
  readonly feed: Pick<Feed, 'state' | 'stateIn' | 'append'>;
  readonly people: People;
  /** Absent where no authorization endpoint is served: no code is known then. */
  readonly codes?: AuthorizationCodes;
}

/** Which request this is and where it came from, as the edge knows it. */
export type Origin = Pick<Ingress, 'requestId' | 'ip'>;

export interface TokenDeps extends GrantDeps, BearerDeps {
  readonly feed: GrantDeps['feed'];
  readonly keys: Pick<Keyring, 'publicKeys' | 'jwks'>;
  readonly tenants: Pick<TenantDirectory, 'bySlug' | 'byId'>;
  /** Never read from headers that a client can set. */
  originOf(request: Request): Origin;
  /** The revocation use case: takes the token and everything made from it away. */
  revokeToken(call: Call, tokenId: TokenId): Promise<void>;
  /** Key of a tenant under which user codes are stored (RFC 8628 §6.1). */
  userCodeKey(tenantId: TenantId): Uint8Array;
  /**
   * Checks the parameters of an authorization request as the authorization endpoint does (RFC 9126 §2.1).
   * @throws Refusal
   */
  checkAuthorization?(tenant: Tenant, client: Client, parameters: URLSearchParams): Promise<void>;
  /** Told of every refusal that goes out, with its cause. */
  onRefusal(refusal: Refusal): void;
}
