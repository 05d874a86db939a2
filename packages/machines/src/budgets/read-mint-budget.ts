import { Refusal } from '@mono-auth/core/errors';
import { actDepthMax } from '@mono-auth/core/limits';
import { isCounted, type MintBudget, type MintHours } from './mint-budget.ts';

/** More tokens in a window than any issuer here makes: such a number is a slip of the hand. */
const tokensMax = 1_000_000_000;
/** 31 days: a month of any length. */
const windowSecondsMax = 2_678_400;
/** `tokensMax` tokens of a thousand seconds. */
const lifetimeSecondsMax = 1_000_000_000_000;
/** The audiences of a window stand in one row, 2 KiB each at most. */
const fanOutMax = 100;
/** One for each hour of the day. */
const hoursMax = 24;
const dayMinutes = 1_440;

const bounds = {
  tokensPerWindow: ['tokens_per_window', tokensMax],
  windowSeconds: ['window_seconds', windowSecondsMax],
  lifetimeSecondsPerWindow: ['lifetime_seconds_per_window', lifetimeSecondsMax],
  fanOut: ['fan_out', fanOutMax],
  chainDepthMax: ['chain_depth_max', actDepthMax],
} as const satisfies Record<Exclude<keyof MintBudget, 'hours'>, readonly [string, number]>;

/**
 * A budget as somebody asks for it. A window without anything counted in it is none.
 * @throws Refusal `invalid_request` naming the field.
 */
export function readMintBudget(asked: MintBudget): MintBudget {
  for (const [name, [field, max]] of Object.entries(bounds) as [keyof typeof bounds, readonly [string, number]][]) {
    const value = asked[name];
    if (!Number.isSafeInteger(value) || value < 0 || value > max) throw refuse(field, `0 to ${max}`);
  }
  if (asked.hours.length > hoursMax) throw refuse('hours', `at most ${hoursMax}`);
  const hours = asked.hours.map(readHours);
  const counted = isCounted(asked);
  if (counted && asked.windowSeconds === 0) throw refuse('window_seconds', 'say how long a window is');
  return { ...asked, windowSeconds: counted ? asked.windowSeconds : 0, hours };
}

function readHours({ fromMinute, toMinute }: MintHours, index: number): MintHours {
  const within = (value: number, min: number, max: number) =>
    Number.isSafeInteger(value) && value >= min && value <= max;
  if (!within(fromMinute, 0, dayMinutes - 1) || !within(toMinute, 1, dayMinutes)) {
    throw refuse(`hours[${index}]`, `from 0 to ${dayMinutes - 1}, to 1 to ${dayMinutes} minutes of the day`);
  }
  if (fromMinute === toMinute) throw refuse(`hours[${index}]`, 'begins when it ends');
  return { fromMinute, toMinute };
}

function refuse(field: string, why: string): Refusal {
  return new Refusal('invalid_request', `budget.${field}: ${why}`);
}
