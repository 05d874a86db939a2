import type { TenantTx } from '@mono-auth/database';
import { RevocationState } from '@mono-auth/feed-engine';
import { requireHead } from './append-entries.ts';
import { readEntries } from './store.ts';

/** Entries read at once while catching up: some 150 KiB. */
const pageEntries = 500;

/** What one tenant's feed has taken away, held in process and brought up to the table whenever it is asked for. */
export class TenantState {
  #incarnation = 0;
  #state = new RevocationState();

  /** The state as of the head that this transaction sees, or a later one. */
  async catchUp(tx: TenantTx): Promise<RevocationState> {
    const head = await requireHead(tx);
    if (head.incarnation !== this.#incarnation) {
      this.#incarnation = head.incarnation;
      this.#state = new RevocationState();
    }
    // Another call may catch up meanwhile, or begin a new incarnation: what it has taken is not taken twice.
    const state = this.#state;
    while (state.seq < head.seq) {
      const entries = await readEntries(tx, state.seq, pageEntries);
      for (const entry of entries) if (entry.seq > state.seq) state.apply(entry);
      if (entries.length === 0) break;
    }
    return state;
  }
}
