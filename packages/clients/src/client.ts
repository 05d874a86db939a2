import type { ClientId, HostId } from '@mono-auth/core/ids';
import type { JWK } from 'jose';

/** `host` enrolled with an invite, `agent` has a key of its own under its host, `service` is a resource server. */
export type ClientKind = 'host' | 'agent' | 'machine' | 'service';
/** `retired` is final: the name is free again, the id and the resource never are. */
export type ClientStatus = 'approved' | 'suspended' | 'retired';

export interface Client {
  readonly id: ClientId;
  readonly kind: ClientKind;
  readonly name: string;
  readonly status: ClientStatus;
  /** Scope values that the client may ask for. */
  readonly scopes: string[];
  /** Resource identifiers that the client may ask tokens for (RFC 8707). */
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
