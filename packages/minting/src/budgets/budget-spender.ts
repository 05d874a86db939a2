import { Refusal } from '@mono-auth/core/errors';
import { isId, type TenantId } from '@mono-auth/core/ids';
import type { Actor, Principal } from '@mono-auth/core/principal';
import type { Runtime } from '@mono-auth/core/runtime';
import { actorChain } from '@mono-auth/core/token-claims';
import type { Database, TenantTx } from '@mono-auth/database';
import { type BudgetHolder, type HeldBudget, mintBudgets } from '@mono-auth/machines';
import { BlocksWanted, Purse } from './purse.ts';
import { type Reserve, type Share, WindowBlock } from './window-block.ts';

/** Windows of which this process holds something, about 500 bytes each. What was made first makes room: its block is lost. */
const blocksMax = 10_000;
/** Times that a request goes for blocks: once, and again when a window ends or a budget is changed meanwhile. */
const roundsMax = 4;

export interface SpenderDeps {
  readonly database: Pick<Database, 'forTenant'>;
  readonly runtime: Runtime;
}

/** What of a token says whose budgets it counts against, and how much. */
export interface CountedToken {
  readonly subject: Principal;
  readonly act?: Actor | undefined;
  readonly clientId: string;
  readonly audience: string;
  /** Seconds since the epoch. */
  readonly iat: number;
  readonly exp: number;
}

/**
 * Spends mint budgets in process, out of blocks that were reserved in Postgres before: a token takes its share of every
 * window that it counts in, before it is signed, and gives it back when it was certainly not made.
 */
export class BudgetSpender {
  readonly #deps: SpenderDeps;
  readonly #blocks = new Map<string, WindowBlock>();

  constructor(deps: SpenderDeps) {
    this.#deps = deps;
  }

  /** Runs decisions of one request, again after reserving when one has met a window of which nothing is held here. */
  async within<T>(tenantId: TenantId, work: (purse: Purse) => Promise<T>): Promise<T> {
    const purse = new Purse();
    for (let rounds = 0; ; rounds++) {
      try {
        const result = await work(purse);
        purse.close('granted');
        return result;
      } catch (error) {
        if (error instanceof BlocksWanted && rounds < roundsMax) {
          await this.#reserve(tenantId, purse, error);
          continue;
        }
        // An error of our own, or of the log, leaves open what was written: then the share counts as spent.
        purse.close(error instanceof BlocksWanted || isAnswer(error) ? 'refused' : 'lost');
        throw error instanceof BlocksWanted ? tooBusy(error) : error;
      }
    }
  }

  /**
   * Takes the share of a token about to be signed from the budgets of everybody whom it names.
   * @throws BlocksWanted, for `within`. Refusal `budget_exhausted`, `denied`. TypeError without a purse.
   */
  async spend(tx: TenantTx, purse: Purse | undefined, counted: CountedToken): Promise<void> {
    const holders = holdersOf(counted);
    if (holders.length === 0) return;
    const budgets = await mintBudgets.selectMintBudgets(tx, holders);
    if (budgets.length === 0) return;
    if (!purse) throw new TypeError('a token with a mint budget is made within `withBudgets` alone');
    const { iat: issuedAt, exp, audience, act } = counted;
    const token = { issuedAt, lifetimeSeconds: exp - issuedAt, audience, depth: actorChain(act).length };
    for (const held of budgets) mintBudgets.requireWithin(held, token);
    const blocks = budgets
      .filter(({ budget }) => mintBudgets.isCounted(budget))
      .map((held) => this.#blockOf(tx.tenantId, held, issuedAt));
    purse.spend(blocks, token);
  }

  /** One after the other, the narrowest first: of what follows a window without room nothing is taken in vain. */
  async #reserve(tenantId: TenantId, purse: Purse, { blocks, token }: BlocksWanted): Promise<void> {
    const { database } = this.#deps;
    try {
      for (const block of blocks) {
        const reserve: Reserve = (request) =>
          database.forTenant(tenantId, (tx) => mintBudgets.reserveBlock(tx, block.held, request));
        let has = false;
        const hand = (share: Share) => {
          purse.keep(share);
          has = true;
        };
        await block.ask(token, hand, reserve);
        if (!has) return;
      }
    } catch (error) {
      purse.close('refused');
      throw error;
    }
  }

  #blockOf(tenantId: TenantId, held: HeldBudget, atSeconds: number): WindowBlock {
    const key = `${tenantId}|${held.holder.id}`;
    const known = this.#blocks.get(key);
    const startSeconds = mintBudgets.windowStart(held.budget, atSeconds);
    if (known?.held.version === held.version && known.startSeconds === startSeconds) return known;
    const block = new WindowBlock(held, startSeconds, () => this.#deps.runtime.monotonicMs());
    this.#blocks.delete(key);
    this.#blocks.set(key, block);
    const [first] = this.#blocks.keys();
    if (this.#blocks.size > blocksMax && first !== undefined) this.#blocks.delete(first);
    return block;
  }
}

/** Everybody whose budget a token counts against; people have none, and their own sessions are no client. */
function holdersOf({ subject, act, clientId }: CountedToken): BudgetHolder[] {
  const holders = [subject, ...actorChain(act)].flatMap((principal): BudgetHolder[] => {
    const id = principal.slice(principal.indexOf(':') + 1);
    if (isId('agt', id)) return [{ kind: 'agent', id }];
    return isId('hst', id) ? [{ kind: 'host', id }] : [];
  });
  return isId('cli', clientId) ? [...holders, { kind: 'client', id: clientId }] : holders;
}

/** Whether an error is our answer to the request: then nothing of its decision was kept. */
function isAnswer(error: unknown): boolean {
  return error instanceof Refusal && error.row.http < 500;
}

function tooBusy(cause: BlocksWanted): Refusal {
  return new Refusal('unavailable', 'the mint budget could not be reserved in time', { cause, retryAfterMs: 1000 });
}
