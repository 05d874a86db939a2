import type { ClientId, HostId, InviteId } from '@mono-auth/core/ids';
import type { JWK } from 'jose';

/** `quarantined`: a clone was seen, nothing is minted until somebody decides. `revoked` is final. */
export type HostStatus = 'active' | 'quarantined' | 'revoked';

export interface Host {
  readonly id: HostId;
  readonly name: string;
  readonly status: HostStatus;
  /** Advances by one with each renewal. */
  readonly generation: number;
  readonly clientId: ClientId;
  readonly inviteId: InviteId;
  readonly publicJwk: JWK;
  /** RFC 7638 thumbprint of `publicJwk`. */
  readonly jkt: string;
  readonly enrolledAtMs: number;
  readonly renewedAtMs: number | undefined;
  /** The renewal that made this generation; undefined before the first one. */
  readonly lastRenewal: Renewal | undefined;
}

export interface Renewal {
  readonly requestId: string;
  readonly nextJkt: string;
  /** The join state that it was answered with. */
  readonly answer: string;
}
