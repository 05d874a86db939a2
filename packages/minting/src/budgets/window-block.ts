import type { Refusal } from '@mono-auth/core/errors';
import {
  type BlockRequest,
  type HeldBudget,
  type MeasuredToken,
  mintBudgets,
  type ReservedBlock,
} from '@mono-auth/machines';

/** A block that was used up sooner than this is followed by one of twice its size, a later one by half of it, milliseconds. */
const busyMs = 1_000;
/** Largest block, tokens: what a process that dies takes along at most. */
const blockTokensMax = 1_000;
/** Audiences that are known to have no room in a window; beyond it they are asked for again. */
const refusedAudiencesMax = 1_000;

/** One token's share of a window, out of the block: to be spent on a token, or given back. */
export interface Share {
  readonly block: WindowBlock;
  readonly lifetimeSeconds: number;
  readonly audience: string;
}

type Measures = Pick<MeasuredToken, 'lifetimeSeconds' | 'audience'>;

interface Ask extends Measures {
  hand(share: Share): void;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Takes a block out of the window, in a transaction of its own. */
export type Reserve = (request: BlockRequest) => Promise<ReservedBlock>;

/**
 * What this process holds of one window of one budget, as of one version of it: reserved in Postgres, spent here without
 * waiting. Nothing of it goes over into another window or another version.
 */
export class WindowBlock {
  readonly held: HeldBudget;
  /** Seconds since the epoch. */
  readonly startSeconds: number;
  readonly #monotonicMs: () => number;
  #tokens = 0;
  #lifetimeSeconds = 0;
  readonly #audiences = new Set<string>();
  readonly #refusedAudiences = new Set<string>();
  /** The shortest lifetime for which the window has nothing left. */
  #exhaustedFor = Number.POSITIVE_INFINITY;
  #lastSize = 0;
  #lastAtMs = Number.NEGATIVE_INFINITY;
  #asks: Ask[] = [];
  #serving = false;

  constructor(held: HeldBudget, startSeconds: number, monotonicMs: () => number) {
    this.held = held;
    this.startSeconds = startSeconds;
    this.#monotonicMs = monotonicMs;
  }

  /** One share, if there is one here. */
  take({ lifetimeSeconds, audience }: Measures): Share | undefined {
    const { tokensPerWindow, lifetimeSecondsPerWindow, fanOut } = this.held.budget;
    if (fanOut > 0 && !this.#audiences.has(audience)) return undefined;
    if (tokensPerWindow > 0 && this.#tokens < 1) return undefined;
    if (lifetimeSecondsPerWindow > 0 && this.#lifetimeSeconds < lifetimeSeconds) return undefined;
    this.#tokens -= 1;
    this.#lifetimeSeconds -= lifetimeSeconds;
    return { block: this, lifetimeSeconds, audience };
  }

  /** Takes a share back of which nothing was made. */
  giveBack({ lifetimeSeconds }: Share): void {
    this.#tokens += 1;
    this.#lifetimeSeconds += lifetimeSeconds;
  }

  /** The refusal of a token for which the window is known to have no share; undefined: it may have one. */
  refusalOf({ lifetimeSeconds, audience, issuedAt }: MeasuredToken): Refusal | undefined {
    const { holder, budget } = this.held;
    const waitSeconds = this.startSeconds + budget.windowSeconds - issuedAt;
    if (this.#refusedAudiences.has(audience)) return mintBudgets.exhausted(holder, 'fan-out', waitSeconds);
    if (lifetimeSeconds >= this.#exhaustedFor) return mintBudgets.exhausted(holder, 'tokens', waitSeconds);
    return undefined;
  }

  /**
   * Hands out one share, or learns that the window has none; the block after that serves everybody who asks meanwhile.
   * Not inside a transaction.
   */
  ask(measures: Measures, hand: (share: Share) => void, reserve: Reserve): Promise<void> {
    return new Promise((resolve, reject) => {
      const { lifetimeSeconds, audience } = measures;
      this.#asks.push({ lifetimeSeconds, audience, hand, resolve, reject });
      if (!this.#serving) void this.#serve(reserve);
    });
  }

  async #serve(reserve: Reserve): Promise<void> {
    this.#serving = true;
    for (let first = this.#asks[0]; first; first = this.#asks[0]) {
      if (this.#settle(first)) continue;
      const { lifetimeSeconds, audience } = first;
      const alike = this.#asks.filter((ask) => ask.lifetimeSeconds === lifetimeSeconds && ask.audience === audience);
      try {
        await this.#reserve(first, alike.length, reserve);
      } catch (error) {
        this.#asks = this.#asks.filter((ask) => !alike.includes(ask));
        for (const ask of alike) ask.reject(error);
      }
    }
    this.#serving = false;
  }

  /** Whether the one who has waited longest has an answer now. */
  #settle(first: Ask): boolean {
    const share = this.take(first);
    if (!share && !this.refusalOf({ ...first, issuedAt: this.startSeconds, depth: 0 })) return false;
    this.#asks.shift();
    if (share) first.hand(share);
    first.resolve();
    return true;
  }

  async #reserve({ lifetimeSeconds, audience }: Measures, asked: number, reserve: Reserve): Promise<void> {
    const { tokensPerWindow, lifetimeSecondsPerWindow } = this.held.budget;
    const isMeasured = tokensPerWindow > 0 || lifetimeSecondsPerWindow > 0;
    const size = this.#nextSize();
    const amount = isMeasured ? { needed: asked, wanted: size } : { needed: 0, wanted: 0 };
    const measures = { lifetimeSeconds, audience, ...amount };
    const got = await reserve({ atSeconds: this.startSeconds, ...measures });
    this.#tokens += got.tokens;
    this.#lifetimeSeconds += got.tokens * lifetimeSeconds;
    if (this.#refusedAudiences.size >= refusedAudiencesMax) this.#refusedAudiences.clear();
    (got.audienceAdmitted ? this.#audiences : this.#refusedAudiences).add(audience);
    // Without a sum of lifetimes a shorter token needs as much as a longer one.
    if (got.tokens < amount.needed) this.#exhaustedFor = lifetimeSecondsPerWindow > 0 ? lifetimeSeconds : 0;
  }

  #nextSize(): number {
    const nowMs = this.#monotonicMs();
    const next = nowMs - this.#lastAtMs < busyMs ? this.#lastSize * 2 : this.#lastSize / 2;
    this.#lastSize = Math.min(Math.max(Math.floor(next), 1), blockTokensMax);
    this.#lastAtMs = nowMs;
    return this.#lastSize;
  }
}
