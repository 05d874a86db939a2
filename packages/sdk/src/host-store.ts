import type { JWK } from 'jose';

/** What a host keeps. `privateJwk` and `joinState` are its identity: 0600, on this machine's disk only. */
export interface HostRecord {
  readonly v: 1;
  readonly issuer: string;
  readonly privateJwk: JWK;
  /** `jti` of the invite that this host was, or is being, enrolled with. */
  readonly inviteId: string;
  /** Absent until the invite is redeemed. */
  readonly enrolled?: EnrolledHost;
  /** A renewal that was begun and whose answer has not been seen. */
  readonly renewal?: PendingRenewal;
}

export interface EnrolledHost {
  readonly hostId: string;
  readonly hostName: string;
  readonly clientId: string;
  readonly generation: number;
  readonly joinState: string;
}

/** Written down before it is sent, so that an answer that got lost can be asked for again and is no second renewal. */
export interface PendingRenewal {
  readonly generation: number;
  readonly requestId: string;
  readonly nextPrivateJwk: JWK;
}

/** Where the record is kept. `write` must have reached the disk, whole or not at all, when it resolves. */
export interface HostStore {
  read(): Promise<HostRecord | undefined>;
  write(record: HostRecord): Promise<void>;
}
