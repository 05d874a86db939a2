import type { ClientId, HostId, UserId } from '@mono-auth/core/ids';
import type { Principal } from '@mono-auth/core/principal';
import type { JWK } from 'jose';
import type { Environment, Manifest } from './manifest.ts';

/**
 * `host` enrolled with an invite, `agent` has a key of its own under its host, `service` is a resource server, `app` is what
 * people sign in to, `machine` is none of these.
 */
export type ClientKind = 'host' | 'agent' | 'machine' | 'service' | 'app';
/** Only an approved client gets anything. `retired` is final: the name is free again, the id and the resource never are. */
export type ClientStatus = 'draft' | 'submitted' | 'approved' | 'suspended' | 'retired';
export type ClientSource = 'operator' | 'registration' | 'metadata_document';

export interface Client {
  readonly id: ClientId;
  readonly kind: ClientKind;
  readonly name: string;
  readonly status: ClientStatus;
  readonly environment: Environment;
  /** Empty: none. */
  readonly product: string;
  readonly ownerUserId: UserId | undefined;
  readonly source: ClientSource;
  /** What it calls itself where that is not its id: the URL of its metadata document. */
  readonly externalId: string | undefined;
  /** In force; undefined until the first approval. */
  readonly manifest: Manifest | undefined;
  /** What waits to be submitted or approved. */
  readonly proposed: Manifest | undefined;
  readonly proposedSubmitted: boolean;
  /** Who asked for the approval that was given last or waits, and who gave it; undefined for what needs none. */
  readonly submittedBy: Principal | undefined;
  readonly approvedBy: Principal | undefined;
  readonly version: number;
  /** Scope values that the client may ask for, of the manifest in force, or of the proposed one where none is. */
  readonly scopes: string[];
  /** Resource identifiers that the client may ask tokens for (RFC 8707); as `scopes`. */
  readonly audiences: string[];
  /** The audience that this client is. */
  readonly resource: string | undefined;
  readonly jwks: PublicJwks;
  /** For kinds host and agent. */
  readonly hostId: HostId | undefined;
  readonly createdAtMs: number;
}

export interface PublicJwks {
  readonly keys: JWK[];
}
