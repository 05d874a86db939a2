import type { NonceWindow } from '@mono-auth/cache';
import type { Client, clientAuthentication } from '@mono-auth/clients';
import type { Refusal } from '@mono-auth/core/errors';
import type { ClientId, GrantId, TenantId, TokenId, UserId } from '@mono-auth/core/ids';
import type { Call, Principal } from '@mono-auth/core/principal';
import type { Runtime } from '@mono-auth/core/runtime';
import type { Confirmation } from '@mono-auth/core/token-claims';
import type { Database } from '@mono-auth/database';
import type { Feed } from '@mono-auth/feed';
import type { Person } from '@mono-auth/identity';
import type { Keyring } from '@mono-auth/keys';
import type { Minter } from '@mono-auth/minting';
import type { PolicySource } from '@mono-auth/policy';
import type { Tenant, TenantDirectory } from '@mono-auth/tenants';
import type { Ingress } from '@mono-auth/transport';
import type { AttestationDeps } from './attestation/read-attestation.ts';
import type { Form } from './form.ts';
import type { AuthorizationCodes, People } from './people.ts';
import type { EndpointName } from './served-endpoints.ts';

/** What it takes to say whether a token of ours is good now. */
export interface VerifierDeps {
  readonly runtime: Runtime;
  readonly baseUrl: string;
  readonly keys: Pick<Keyring, 'publicKeys'>;
  readonly feed: Pick<Feed, 'state' | 'stateIn'>;
}

/** What it takes to ask for a DPoP proof and to judge one. */
export interface DpopDeps {
  readonly runtime: Runtime;
  readonly baseUrl: string;
  readonly dpopNonces: NonceWindow;
}

export interface BearerDeps extends VerifierDeps, DpopDeps {
  readonly tenants: Pick<TenantDirectory, 'byId'>;
}

/** What it takes to answer a grant. */
export interface GrantDeps extends VerifierDeps, DpopDeps, AttestationDeps {
  readonly database: Database;
  readonly minter: Minter;
  readonly policies: PolicySource;
  readonly feed: Pick<Feed, 'state' | 'stateIn' | 'append'>;
  readonly people: People;
  /** Absent where no authorization endpoint is served: no code is known then. */
  readonly codes?: AuthorizationCodes;
  readonly remoteKeys: Pick<clientAuthentication.RemoteKeys, 'keysOf' | 'publishedKeys' | 'withKeys'>;
  readonly noteSecretUse: clientAuthentication.NoteSecretUse;
}

/** What it takes to explain a token. */
export interface ExplainDeps {
  readonly runtime: Runtime;
  readonly baseUrl: string;
  readonly database: Database;
  readonly keys: Pick<Keyring, 'findKey'>;
  readonly feed: Pick<Feed, 'stateIn' | 'entryTimes'>;
}

/** Which request this is and where it came from, as the edge knows it. */
export type Origin = Pick<Ingress, 'requestId' | 'ip' | 'possession'>;

/** What an issuer says of itself beyond its endpoints: the tenant's security policy, as far as clients need to know it. */
export interface IssuerPolicy {
  readonly registration: boolean;
  readonly metadataDocuments: boolean;
  readonly pushedRequestsRequired: boolean;
  /** Assertions across domains. */
  readonly idJag: boolean;
  readonly clientAttestation: boolean;
}

export interface MetadataDeps {
  readonly baseUrl: string;
  /** What is mounted below an issuer. */
  readonly served: readonly EndpointName[];
  /** Whether a proxy in front is trusted with the certificates of clients. */
  readonly clientCertificates: boolean;
  readIssuerPolicy(tenantId: TenantId): Promise<IssuerPolicy>;
}

/** A living refresh token, in the terms of RFC 7662 §2.2. */
export interface RefreshTokenFacts {
  readonly grantId: GrantId;
  readonly client_id: ClientId;
  readonly sub: Principal;
  readonly scope: string;
  /** Seconds. */
  readonly iat: number;
  readonly exp: number;
  readonly cnf?: Confirmation;
}

/** What `grants` does for the endpoints that take tokens back or tell of them. */
export interface RefreshTokens {
  /** Undefined for one that is unknown, spent, expired or of another tenant. Not inside a transaction. */
  read(tenantId: TenantId, token: string): Promise<RefreshTokenFacts | undefined>;
  /** Ends the grant and every token made from it. */
  end(call: Call, grantId: GrantId): Promise<void>;
}

export interface UserinfoDeps extends VerifierDeps, DpopDeps {
  /** Undefined for nobody, and for who may sign in no more. */
  readUser(tenantId: TenantId, userId: UserId): Promise<Person | undefined>;
}

export interface TokenDeps extends GrantDeps, BearerDeps, ExplainDeps, UserinfoDeps, MetadataDeps {
  readonly feed: GrantDeps['feed'] & ExplainDeps['feed'];
  readonly keys: Pick<Keyring, 'publicKeys' | 'jwks' | 'signer' | 'findKey'>;
  /** Absent while no grant gives out refresh tokens. */
  readonly refreshTokens?: RefreshTokens;
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
  /**
   * Brings a client that calls itself by the URL of its metadata document up to date, before it is looked for. Absent where
   * something in front of the endpoints has done so, or nobody may call itself so.
   * @throws Refusal
   */
  prepareClient?(tenant: Tenant, form: Pick<Form, 'get'>, origin: Origin): Promise<void>;
  /** Told of every refusal that goes out, with its cause. */
  onRefusal(refusal: Refusal): void;
}
