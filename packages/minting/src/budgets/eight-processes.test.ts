import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type ClientId, newId, type TenantId, uuidOf } from '@mono-auth/core/ids';
import { systemRuntime } from '@mono-auth/core/runtime';
import { openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openBudgetBench } from './budget-bench.ts';

const processes = 8;
const tokensPerWindow = 2_000;
const windowSeconds = 60;
const lifetimeSeconds = 300;
const firstWindow = Date.UTC(2026, 0, 1) / 1000;
/** Tokens of a window after which one process dies, or the next window comes. */
const inBetween = 400;

let db: TestDatabase;
let tenantId: TenantId;
const children = new Set<MintProcess>();

/** A real process with its own connections, keyring, minter and blocks. */
class MintProcess {
  readonly #child: ChildProcess;
  minted = 0;
  /** The moment for which it last said that nothing is left, seconds. */
  exhaustedAt = 0;
  ended = false;

  constructor(client: ClientId) {
    const env = { PATH: process.env.PATH ?? '', DATABASE: db.url, KEK: Buffer.from(testKek).toString('hex') };
    this.#child = spawn(process.execPath, [fileURLToPath(new URL('./mint-process.ts', import.meta.url))], {
      env: { ...env, TENANT: tenantId, CLIENT: client },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#child.once('exit', () => {
      this.ended = true;
    });
    createInterface({ input: this.#child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      if (line === 'minted') this.minted++;
      else this.exhaustedAt = Number(line.split(' ')[1]);
    });
  }

  setClock(seconds: number): void {
    this.#child.stdin?.write(`${seconds}\n`);
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}

beforeAll(async () => {
  db = await openTestDatabase();
  tenantId = await db.createTenantRow('acme');
  await openBudgetBench({ database: db.database, runtime: systemRuntime, kek: testKek, tenantId }).provision();
});
afterAll(async () => {
  for (const child of children) child.kill();
  await db.close();
});

const total = () => [...children].reduce((sum, { minted }) => sum + minted, 0);
/** Windows that have begun. */
let begun = 0;

/** Waits for what must come; the test's own time is the limit. */
async function until(comes: () => boolean): Promise<void> {
  while (!comes()) {
    if (total() > begun * tokensPerWindow) throw new Error('more was minted than all windows have');
    if ([...children].some(({ ended }) => ended)) throw new Error('a process that mints has ended');
    await systemRuntime.sleep(5);
  }
}

/** How many tokens of each window the log holds: by when they were made, whenever they were written. */
async function recorded(): Promise<Record<number, number>> {
  const rows = await db.admin<{ at: number; made: number }>(
    `select (substring(encode(envelope, 'escape') from '"exp":(\\d+)')::int - $1::int) / $2::int as at, count(*)::int as made
     from mono.audit_events where type = 'token.issued' group by 1`,
    [lifetimeSeconds, windowSeconds],
  );
  return Object.fromEntries(rows.map(({ at, made }) => [(at * windowSeconds - firstWindow) / windowSeconds, made]));
}

test('eight processes that mint as fast as they can use a window up and never exceed it, also when one is killed', async () => {
  const client = newId(systemRuntime, 'cli');
  await db.admin(
    `insert into mono.mint_budgets (tenant_id, holder_kind, holder_id, budget, version, updated_at)
     values ($1, 'client', $2, $3, 1, '2026-01-01')`,
    [uuidOf(tenantId), uuidOf(client), { tokensPerWindow, windowSeconds }],
  );
  for (let i = 0; i < processes; i++) children.add(new MintProcess(client));
  const enter = (window: number) => {
    begun++;
    const at = firstWindow + window * windowSeconds + 7;
    for (const child of children) child.setClock(at);
    return at;
  };
  const usedUp = async (window: number) => {
    const at = enter(window);
    await until(() => [...children].every(({ exhaustedAt }) => exhaustedAt === at));
  };

  await usedUp(0);
  await usedUp(1);
  // Window 2 ends while everybody mints: what they hold of it is worth nothing in window 3.
  enter(2);
  const before = total();
  await until(() => total() >= before + inBetween);
  await usedUp(3);
  // In window 4 a process dies in the middle of it, with the block that it held.
  const at = enter(4);
  const then = total();
  await until(() => total() >= then + inBetween);
  const victim = [...children][0] as MintProcess;
  children.delete(victim);
  victim.kill();
  await until(() => [...children].every(({ exhaustedAt }) => exhaustedAt === at));
  // Who comes later finds the window as it is.
  const late = new MintProcess(client);
  children.add(late);
  late.setClock(at);
  await until(() => late.exhaustedAt === at);

  const made = await recorded();
  expect([made[0], made[1], made[3]]).toEqual([tokensPerWindow, tokensPerWindow, tokensPerWindow]);
  expect(made[2]).toBeGreaterThanOrEqual(inBetween);
  expect(made[2]).toBeLessThanOrEqual(tokensPerWindow);
  expect(made[4]).toBeGreaterThanOrEqual(tokensPerWindow * 0.95);
  expect(made[4]).toBeLessThanOrEqual(tokensPerWindow);
  expect(Object.keys(made)).toHaveLength(5);
  expect(late.minted).toBe(0);
  // Nobody was left out.
  expect([...children].filter(({ minted }) => minted > 0)).toHaveLength(processes - 1);
}, 240_000);
