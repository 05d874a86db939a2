import { type ClientId, newId, type TenantId, uuidOf } from '@mono-auth/core/ids';
import { FakeRuntime, openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Minted } from '../mint-token.ts';
import { type BudgetBench, openBudgetBench } from './budget-bench.ts';

const runtime = new FakeRuntime();
const windowSeconds = 60;
let db: TestDatabase;
let tenantId: TenantId;
const openProcess = () => openBudgetBench({ database: db.database, runtime, kek: testKek, tenantId });

beforeAll(async () => {
  db = await openTestDatabase();
  tenantId = await db.createTenantRow('acme');
  await openProcess().provision();
});
afterAll(() => db.close());

interface Limits {
  readonly tokensPerWindow: number;
  readonly lifetimeSecondsPerWindow: number;
  readonly fanOut: number;
}

async function setBudget(client: ClientId, limits: Limits): Promise<void> {
  await db.admin(
    `insert into mono.mint_budgets as held (tenant_id, holder_kind, holder_id, budget, version, updated_at)
     values ($1, 'client', $2, $3, 1, '2026-01-01')
     on conflict (tenant_id, holder_kind, holder_id) do update set budget = excluded.budget, version = held.version + 1`,
    [uuidOf(tenantId), uuidOf(client), { ...limits, windowSeconds }],
  );
}

/** What the tokens of one window come to. */
function measure(made: readonly Minted[]): Record<keyof Limits, number> {
  return {
    tokensPerWindow: made.length,
    lifetimeSecondsPerWindow: made.reduce((sum, { claims }) => sum + claims.exp - claims.iat, 0),
    fanOut: new Set(made.map(({ claims }) => claims.aud)).size,
  };
}

function windowOf({ claims }: Minted): number {
  return Math.floor(claims.iat / windowSeconds);
}

const names = ['tokensPerWindow', 'lifetimeSecondsPerWindow', 'fanOut'] as const satisfies (keyof Limits)[];
const limit = (max: number) => fc.oneof(fc.constant(0), fc.integer({ min: 1, max }));
const someLimits = fc
  .record({ tokensPerWindow: limit(40), lifetimeSecondsPerWindow: limit(6_000), fanOut: limit(4) })
  .filter((limits) => Object.values(limits).some((value) => value > 0));
const someMints = fc.record({
  kind: fc.constant('mint' as const),
  tokens: fc.array(
    fc.record({
      process: fc.nat(2),
      ttlSeconds: fc.integer({ min: 1, max: 300 }),
      audience: fc.nat(5).map((n) => `https://files.test/${n}`),
    }),
    { minLength: 1, maxLength: 12 },
  ),
});
const someStep = fc.oneof(
  { weight: 8, arbitrary: someMints },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('time' as const), seconds: fc.integer({ min: 1, max: 70 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('kill' as const), process: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('limit' as const), limits: someLimits }) },
);

test('no limit of a window is exceeded, however processes interleave, die, and budgets change', async () => {
  await fc.assert(
    fc.asyncProperty(someLimits, fc.array(someStep, { minLength: 5, maxLength: 20 }), async (first, steps) => {
      const client = newId(runtime, 'cli');
      const processes = [openProcess(), openProcess(), openProcess()];
      const made: Minted[] = [];
      let limits = first;
      await setBudget(client, limits);
      // How many tokens there were when a limit was set where there was none: it counts from then on.
      const since: Record<keyof Limits, number> = { tokensPerWindow: 0, lifetimeSecondsPerWindow: 0, fanOut: 0 };
      for (const step of steps) {
        if (step.kind === 'time') runtime.advance(step.seconds * 1_000);
        if (step.kind === 'kill') processes[step.process] = openProcess();
        if (step.kind === 'limit') {
          for (const name of names) if (limits[name] === 0) since[name] = made.length;
          limits = step.limits;
          await setBudget(client, limits);
        }
        if (step.kind !== 'mint') continue;
        const now = Math.floor(runtime.nowMs() / 1_000 / windowSeconds);
        const used = (name: keyof Limits) =>
          measure(made.slice(since[name]).filter((one) => windowOf(one) === now))[name];
        const before = names.map(used);
        const asked = step.tokens.map(({ process, ...change }) =>
          (processes[process] as BudgetBench).mint(client, change),
        );
        for (const outcome of await Promise.allSettled(asked)) {
          if (outcome.status === 'fulfilled') made.push(outcome.value);
          else expect(outcome.reason).toMatchObject({ reason: expect.stringMatching(/^(budget_exhausted|denied)$/) });
        }
        for (const [i, name] of names.entries()) {
          if (limits[name] === 0) continue;
          // A limit that was lowered below what is used already lets nothing more through.
          expect(used(name)).toBeLessThanOrEqual(Math.max(limits[name], before[i] as number));
        }
      }
    }),
    { numRuns: 50 },
  );
}, 120_000);

test('one of eight processes can use 95 % of a window, whatever the others hold of it when they stop or die', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 100, max: 1_000 }),
      fc.array(fc.record({ process: fc.nat(7), tokens: fc.integer({ min: 1, max: 6 }) }), { maxLength: 16 }),
      fc.integer({ min: 1, max: 8 }),
      async (tokensPerWindow, bursts, stay) => {
        runtime.advance(windowSeconds * 1_000 - (runtime.nowMs() % (windowSeconds * 1_000)));
        const client = newId(runtime, 'cli');
        await setBudget(client, { tokensPerWindow, lifetimeSecondsPerWindow: 0, fanOut: 0 });
        const processes = Array.from({ length: 8 }, openProcess);
        let made = 0;
        const mintOn = async (process: BudgetBench) => {
          while (await process.mint(client).catch(() => undefined)) made++;
        };
        for (const { process, tokens } of bursts) {
          const asked = Array.from({ length: tokens }, () => processes[process]?.mint(client));
          for (const { status } of await Promise.allSettled(asked)) if (status === 'fulfilled') made++;
        }
        // Several at once in each, so that blocks are used up faster than one after the other.
        await Promise.all(processes.slice(0, stay).flatMap((process) => [mintOn(process), mintOn(process)]));
        expect(made).toBeLessThanOrEqual(tokensPerWindow);
        expect(made).toBeGreaterThanOrEqual(stay === 8 ? tokensPerWindow : tokensPerWindow * 0.95);
      },
    ),
    { numRuns: 12 },
  );
}, 120_000);
