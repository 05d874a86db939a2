import type { Refusal } from '@mono-auth/core/errors';
import type { TokenId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import type { Runtime } from '@mono-auth/core/runtime';
import type { Database } from '@mono-auth/database';
import type { Feed } from '@mono-auth/feed';
import type { Keyring } from '@mono-auth/keys';
import type { Minter } from '@mono-auth/minting';
import type { PolicySource } from '@mono-auth/policy';
import type { TenantDirectory } from '@mono-auth/tenants';
import type { Ingress } from '@mono-auth/transport';

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
}

/** Which request this is and where it came from, as the edge knows it. */
export type Origin = Pick<Ingress, 'requestId' | 'ip'>;

export interface TokenDeps extends GrantDeps, BearerDeps {
  readonly keys: Pick<Keyring, 'publicKeys' | 'jwks'>;
  readonly tenants: Pick<TenantDirectory, 'bySlug' | 'byId'>;
  /** Never read from headers that a client can set. */
  originOf(request: Request): Origin;
  /** The revocation use case: takes the token and everything made from it away. */
  revokeToken(call: Call, tokenId: TokenId): Promise<void>;
  /** Told of every refusal that goes out, with its cause. */
  onRefusal(refusal: Refusal): void;
}
