import type { PolicyVersionId } from '@mono-auth/core/ids';
import type { Principal } from '@mono-auth/core/principal';

/** A published policy, without its text. Versions count 1, 2, 3 … and never go back. */
export interface PolicyVersion {
  readonly id: PolicyVersionId;
  readonly version: number;
  /** SHA-256 of the snapshot's bytes. */
  readonly hash: Uint8Array;
  readonly publishedBy: Principal;
  readonly publishedAtMs: number;
}
