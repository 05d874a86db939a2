import { type RevocationState, snapshot } from '@mono-auth/feed-engine';

/** Bytes of snapshots kept in process: that of a busy tenant, or those of hundreds of ordinary ones. */
const keptBytesMax = snapshot.snapshotBytesMax;

interface Encoded {
  readonly seq: number;
  readonly bytes: Uint8Array;
  readonly hash: Uint8Array;
}

/**
 * Snapshots of states as they stood when they were last asked for: after a reset every subscriber of a tenant asks at
 * once, and the state is encoded once.
 */
export class EncodedSnapshots {
  /** In the order of use, the longest unused first. */
  readonly #kept = new Map<RevocationState, Encoded>();

  /**
   * The snapshot of `state` as it is now.
   * @throws Refusal `too_large` beyond the cut-offs that a snapshot may have.
   */
  of(state: RevocationState): Encoded {
    const known = this.#kept.get(state);
    this.#kept.delete(state);
    const encoded = known?.seq === state.seq ? known : { seq: state.seq, ...snapshot.encodeSnapshot(state) };
    this.#kept.set(state, encoded);
    this.#evict();
    return encoded;
  }

  #evict(): void {
    let bytes = 0;
    for (const kept of this.#kept.values()) bytes += kept.bytes.length;
    for (const [state, kept] of this.#kept) {
      if (bytes <= keptBytesMax) return;
      this.#kept.delete(state);
      bytes -= kept.bytes.length;
    }
  }
}
