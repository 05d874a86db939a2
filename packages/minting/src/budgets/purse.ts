import type { MeasuredToken } from '@mono-auth/machines';
import type { Share, WindowBlock } from './window-block.ts';

/** The decision met windows of which this process holds nothing: it is given up, blocks are reserved, and it is made again. */
export class BlocksWanted extends Error {
  override readonly name = 'BlocksWanted';
  readonly blocks: readonly WindowBlock[];
  readonly token: MeasuredToken;

  constructor(blocks: readonly WindowBlock[], token: MeasuredToken) {
    super('blocks of mint budgets have to be reserved');
    this.blocks = blocks;
    this.token = token;
  }
}

/** What one request has in hand of the budgets that its token counts against. */
export class Purse {
  /** Set aside for the decision that is to come. */
  #kept: Share[] = [];
  /** Spent by the decision under way. */
  #spent: Share[] = [];

  /** A decision begins: nothing of the one before was kept. */
  begin(): void {
    for (const share of this.#spent) share.block.giveBack(share);
    this.#spent = [];
  }

  /**
   * Spends a share of each window, or of none.
   * @throws BlocksWanted. Refusal `budget_exhausted`.
   */
  spend(blocks: readonly WindowBlock[], token: MeasuredToken): void {
    const missing: WindowBlock[] = [];
    const shares: Share[] = [];
    let refusal: Error | undefined;
    for (const block of blocks) {
      const share = this.#take(block, token);
      if (share) shares.push(share);
      else missing.push(block);
      if (!share) refusal ??= block.refusalOf(token);
    }
    if (missing.length === 0) {
      this.#spent.push(...shares);
      return;
    }
    // Nobody else gets them meanwhile, so that the next decision has all that it needs.
    this.#kept.push(...shares);
    throw refusal ?? new BlocksWanted(missing, token);
  }

  /** Puts a share aside for the decision that is to come. */
  keep(share: Share): void {
    this.#kept.push(share);
  }

  /** The request has its answer. `lost`: its evidence may stand in the log without its token being given out. */
  close(outcome: 'granted' | 'refused' | 'lost'): void {
    if (outcome === 'refused') this.begin();
    for (const share of this.#kept) share.block.giveBack(share);
    this.#kept = [];
  }

  #take(block: WindowBlock, token: MeasuredToken): Share | undefined {
    const { lifetimeSeconds, audience } = token;
    // By then the token may be a little shorter, where it ends with what it is made from.
    const fits = (share: Share) =>
      share.block === block && share.lifetimeSeconds >= lifetimeSeconds && share.audience === audience;
    const index = this.#kept.findIndex(fits);
    return index < 0 ? block.take(token) : this.#kept.splice(index, 1)[0];
  }
}
