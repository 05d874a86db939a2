import { Refusal } from '@mono-auth/core/errors';
import type { AgentId, ClientId, HostId } from '@mono-auth/core/ids';

/** Whom a budget bounds. Agents and hosts wherever a token names them, clients as the one that a token is for. */
export type BudgetHolder =
  | { readonly kind: 'agent'; readonly id: AgentId }
  | { readonly kind: 'host'; readonly id: HostId }
  | { readonly kind: 'client'; readonly id: ClientId };

/** Minutes of the UTC day, from 0: `[fromMinute, toMinute)`, over midnight where it ends before it begins. */
export interface MintHours {
  readonly fromMinute: number;
  readonly toMinute: number;
}

/** How much may be minted for somebody; 0 and an empty list: no such limit. */
export interface MintBudget {
  readonly tokensPerWindow: number;
  /** Windows begin at multiples of their length, counted from the Unix epoch. */
  readonly windowSeconds: number;
  readonly lifetimeSecondsPerWindow: number;
  /** Different audiences in one window. */
  readonly fanOut: number;
  readonly chainDepthMax: number;
  readonly hours: readonly MintHours[];
}

/** A budget with what a change of it is based on. */
export interface VersionedBudget {
  readonly budget: MintBudget;
  /** 0 before the first change. */
  readonly version: number;
}

export interface HeldBudget extends VersionedBudget {
  readonly holder: BudgetHolder;
}

export const noBudget: MintBudget = {
  tokensPerWindow: 0,
  windowSeconds: 0,
  lifetimeSecondsPerWindow: 0,
  fanOut: 0,
  chainDepthMax: 0,
  hours: [],
};

const dayMinutes = 1_440;

/** What of a token its budgets ask about. */
export interface MeasuredToken {
  /** When it is made, seconds since the epoch: its `iat`. */
  readonly issuedAt: number;
  readonly lifetimeSeconds: number;
  readonly audience: string;
  /** Actors in its chain. */
  readonly depth: number;
}

/** Whether anything of the budget is counted in windows. */
export function isCounted({ tokensPerWindow, lifetimeSecondsPerWindow, fanOut }: MintBudget): boolean {
  return tokensPerWindow > 0 || lifetimeSecondsPerWindow > 0 || fanOut > 0;
}

/** Beginning of the window that a moment lies in; both in seconds since the epoch. */
export function windowStart({ windowSeconds }: MintBudget, atSeconds: number): number {
  return atSeconds - (atSeconds % windowSeconds);
}

/**
 * What a budget says of a token without any counting.
 * @throws Refusal `denied` when no window would ever have room for it; `budget_exhausted` outside the hours, until the next.
 */
export function requireWithin({ holder, budget }: HeldBudget, token: MeasuredToken): void {
  const { chainDepthMax, lifetimeSecondsPerWindow } = budget;
  if (chainDepthMax > 0 && token.depth > chainDepthMax) {
    throw new Refusal(
      'denied',
      `the mint budget of ${holder.kind} ${holder.id} allows ${chainDepthMax} actors in a chain`,
    );
  }
  if (lifetimeSecondsPerWindow > 0 && token.lifetimeSeconds > lifetimeSecondsPerWindow) {
    const allowed = `${lifetimeSecondsPerWindow} seconds of lifetime in all`;
    throw new Refusal('denied', `the mint budget of ${holder.kind} ${holder.id} allows ${allowed}`);
  }
  const waitSeconds = secondsToOpen(budget.hours, token.issuedAt);
  if (waitSeconds > 0) throw exhausted(holder, 'hours', waitSeconds);
}

/** The one answer to whoever has used a budget up. `until` in seconds from now: then it is worth another try. */
export function exhausted(holder: BudgetHolder, limit: 'tokens' | 'fan-out' | 'hours', waitSeconds: number): Refusal {
  const why = {
    tokens: 'is used up in this window',
    'fan-out': 'has no room for another audience in this window',
    hours: 'allows no token at this time of the day',
  }[limit];
  const detail = `the mint budget of ${holder.kind} ${holder.id} ${why}`;
  return new Refusal('budget_exhausted', detail, { retryAfterMs: waitSeconds * 1000 });
}

/** Seconds until one of the hours has begun; 0 in one of them, and where there are none. */
function secondsToOpen(hours: readonly MintHours[], atSeconds: number): number {
  const second = atSeconds % (dayMinutes * 60);
  const waits = hours.map(({ fromMinute, toMinute }) => {
    const [from, to] = [fromMinute * 60, toMinute * 60];
    const open = from < to ? second >= from && second < to : second >= from || second < to;
    return open ? 0 : (from - second + dayMinutes * 60) % (dayMinutes * 60);
  });
  return hours.length === 0 ? 0 : Math.min(...waits);
}
