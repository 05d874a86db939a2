/**
 * A process of the test that lets eight of them mint at once. Its clock stands at the last line it read, in seconds since the
 * epoch. It mints as fast as it can, tells when a mint was answered, and when its budget is used up until the clock moves.
 */
import { createInterface } from 'node:readline';
import { Refusal } from '@mono-auth/core/errors';
import { isId } from '@mono-auth/core/ids';
import { systemRuntime } from '@mono-auth/core/runtime';
import { Database, deriveDatabaseSecrets } from '@mono-auth/database';
import { openBudgetBench } from './budget-bench.ts';

/** Mints that wait at the same time in one process. */
const atOnce = 4;

const { DATABASE = '', KEK = '', TENANT, CLIENT } = process.env;
if (!isId('ten', TENANT) || !isId('cli', CLIENT)) throw new TypeError('TENANT and CLIENT name whose tokens these are');
const client = CLIENT;
const kek = new Uint8Array(Buffer.from(KEK, 'hex'));
const database = new Database({ url: DATABASE, secrets: deriveDatabaseSecrets(kek), poolSize: 1 });

let atSeconds = 0;
let awake: (() => void)[] = [];
const runtime = { ...systemRuntime, nowMs: () => atSeconds * 1_000 };
const bench = openBudgetBench({ database, runtime, kek, tenantId: TENANT });
let waiting = 0;

createInterface({ input: process.stdin }).on('line', (line) => {
  atSeconds = Number(line);
  const wakened = awake;
  awake = [];
  waiting -= wakened.length;
  for (const wake of wakened) wake();
});

async function mintOn(): Promise<never> {
  for (;;) {
    const at = atSeconds;
    const refusal = at === 0 ? undefined : await bench.mint(client).then(() => tell('minted'), exhaustion);
    if (at === atSeconds && (at === 0 || refusal)) {
      await new Promise<void>((resolve) => {
        awake.push(resolve);
        waiting++;
        if (waiting === atOnce) tell(`exhausted ${at}`);
      });
    }
  }
}

/** @throws whatever else it was: the process ends with it. */
function exhaustion(error: unknown): true {
  if (error instanceof Refusal && error.reason === 'budget_exhausted') return true;
  throw error;
}

function tell(line: string): undefined {
  process.stdout.write(`${line}\n`);
}

await Promise.all(Array.from({ length: atOnce }, mintOn));
