import type { TenantTx } from '@mono-auth/database';
import { RevocationState } from '@mono-auth/feed-engine';
import { requireHead } from './append-entries.ts';
import { type News, readEntries, type StoredEntry } from './store.ts';

/** Entries read at once while catching up: some 150 KiB. */
const pageEntries = 500;

/** What one tenant's feed has taken away, held in process and brought up to the table whenever it is asked for. */
export class TenantState {
  #incarnation = 0;
  #state = new RevocationState();

  /**
   * The state as of the head that this transaction sees, or a later one. `seen`: what it has read of the feed already.
   */
  async catchUp(tx: TenantTx, seen?: Pick<News, 'head' | 'entries'>): Promise<RevocationState> {
    const head = seen?.head ?? (await requireHead(tx));
    if (head.incarnation !== this.#incarnation) {
      this.#incarnation = head.incarnation;
      this.#state = new RevocationState();
    }
    // Another call may catch up meanwhile, or begin a new incarnation: what it has taken is not taken twice.
    const state = this.#state;
    applyNext(state, seen?.entries ?? []);
    while (state.seq < head.seq) {
      const entries = await readEntries(tx, state.seq, pageEntries);
      applyNext(state, entries);
      if (entries.length === 0) break;
    }
    return state;
  }
}

/** Takes the entries that come next, and no others: they are in order, but may begin before or beyond the state. */
function applyNext(state: RevocationState, entries: readonly StoredEntry[]): void {
  for (const entry of entries) if (entry.seq === state.seq + 1) state.apply(entry);
}
