import type { AgentId } from '@mono-auth/core/ids';
import { newId } from '@mono-auth/core/ids';
import { systemRuntime } from '@mono-auth/core/runtime';
import { describe, expect, test } from 'vitest';
import { type MintBudget, noBudget, requireWithin, windowStart } from './mint-budget.ts';
import { readMintBudget } from './read-mint-budget.ts';

const id: AgentId = newId(systemRuntime, 'agt');
const noon = Date.UTC(2026, 0, 5, 12) / 1000;
const token = { issuedAt: noon, lifetimeSeconds: 300, audience: 'https://files.test', depth: 1 };

function outcome(budget: Partial<MintBudget>, change: Partial<typeof token> = {}) {
  try {
    requireWithin(
      { holder: { kind: 'agent', id }, budget: { ...noBudget, ...budget }, version: 1 },
      { ...token, ...change },
    );
    return 'within';
  } catch (error) {
    return error as { reason: string; detail: string; retryAfterMs?: number };
  }
}

function fieldOf(change: Partial<MintBudget>): string | undefined {
  try {
    readMintBudget({ ...noBudget, ...change });
    return undefined;
  } catch (error) {
    return /^budget\.([\w[\]]+)/.exec((error as { detail: string }).detail)?.[1];
  }
}

describe('a budget without any counting', () => {
  test('bounds nothing that it does not name', () => {
    expect(outcome({}, { depth: 5, lifetimeSeconds: 86_400 })).toBe('within');
  });

  test('bounds the chain of actors, and no waiting helps', () => {
    expect(outcome({ chainDepthMax: 2 }, { depth: 2 })).toBe('within');
    expect(outcome({ chainDepthMax: 2 }, { depth: 3 })).toMatchObject({ reason: 'denied', retryAfterMs: undefined });
  });

  test('refuses a token that is longer than a whole window may hand out', () => {
    const limits = { lifetimeSecondsPerWindow: 300, windowSeconds: 60 };
    expect(outcome(limits)).toBe('within');
    expect(outcome(limits, { lifetimeSeconds: 301 })).toMatchObject({ reason: 'denied' });
  });

  test('opens and closes to the second, and says how long it is until it opens', () => {
    const hours = [{ fromMinute: 13 * 60, toMinute: 14 * 60 }];
    const at = (seconds: number) => outcome({ hours }, { issuedAt: noon + seconds });
    expect(at(0)).toMatchObject({ reason: 'budget_exhausted', retryAfterMs: 3_600_000 });
    expect(at(3_599)).toMatchObject({ retryAfterMs: 1_000 });
    expect([at(3_600), at(7_199)]).toEqual(['within', 'within']);
    expect(at(7_200)).toMatchObject({ reason: 'budget_exhausted', retryAfterMs: 23 * 3_600_000 });
  });

  test('hours reach over midnight, end at midnight, and the nearest of several opens', () => {
    const night = [{ fromMinute: 22 * 60, toMinute: 4 * 60 }];
    const midnight = noon + 12 * 3_600;
    for (const second of [midnight - 7_200, midnight - 1, midnight, midnight + 14_399]) {
      expect(outcome({ hours: night }, { issuedAt: second })).toBe('within');
    }
    expect(outcome({ hours: night }, { issuedAt: midnight + 14_400 })).toMatchObject({ retryAfterMs: 18 * 3_600_000 });
    const evening = [{ fromMinute: 20 * 60, toMinute: 1_440 }];
    expect(outcome({ hours: evening }, { issuedAt: midnight - 1 })).toBe('within');
    expect(outcome({ hours: evening }, { issuedAt: midnight })).toMatchObject({ retryAfterMs: 20 * 3_600_000 });
    expect(outcome({ hours: [...night, ...evening] })).toMatchObject({ retryAfterMs: 8 * 3_600_000 });
  });

  test('windows stand side by side: each moment is in one, which begins at a multiple of its length', () => {
    const budget = { ...noBudget, windowSeconds: 60 };
    expect([0, 59, 60, 119, 120].map((at) => windowStart(budget, at))).toEqual([0, 0, 60, 60, 120]);
  });
});

describe('what somebody asks for', () => {
  test('is refused with the name of the field when it is out of its bounds', () => {
    expect(fieldOf({ tokensPerWindow: 1_000_000_001, windowSeconds: 60 })).toBe('tokens_per_window');
    expect(fieldOf({ tokensPerWindow: -1 })).toBe('tokens_per_window');
    expect(fieldOf({ tokensPerWindow: 1.5, windowSeconds: 60 })).toBe('tokens_per_window');
    expect(fieldOf({ tokensPerWindow: 1, windowSeconds: 2_678_401 })).toBe('window_seconds');
    expect(fieldOf({ lifetimeSecondsPerWindow: 1_000_000_000_001, windowSeconds: 60 })).toBe(
      'lifetime_seconds_per_window',
    );
    expect(fieldOf({ fanOut: 101, windowSeconds: 60 })).toBe('fan_out');
    expect(fieldOf({ chainDepthMax: 6 })).toBe('chain_depth_max');
    expect(fieldOf({ hours: Array.from({ length: 25 }, () => ({ fromMinute: 0, toMinute: 60 })) })).toBe('hours');
    expect(fieldOf({ hours: [{ fromMinute: 1_440, toMinute: 60 }] })).toBe('hours[0]');
    expect(fieldOf({ hours: [{ fromMinute: 60, toMinute: 60 }] })).toBe('hours[0]');
  });

  test('names a window with whatever is counted in one', () => {
    for (const limit of [{ tokensPerWindow: 1 }, { lifetimeSecondsPerWindow: 60 }, { fanOut: 1 }]) {
      expect(fieldOf(limit)).toBe('window_seconds');
      expect(fieldOf({ ...limit, windowSeconds: 1 })).toBeUndefined();
    }
    expect(readMintBudget({ ...noBudget, chainDepthMax: 2, windowSeconds: 60 }).windowSeconds).toBe(0);
  });
});
