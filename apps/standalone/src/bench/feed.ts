import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { base64url } from '@mono-auth/core/encoding';
import { systemRuntime as runtime } from '@mono-auth/core/runtime';
import { startProgram } from './child-program.ts';
import type { Enforced, EnforcementTask } from './feed-subscribers.ts';

/** What is measured. A p99 of fewer than 200 revocations would be its worst or second worst. */
const tasks: readonly EnforcementTask[] = [
  { subscribers: 100, rounds: 250, proofs: 'shared', msMax: 60_000 },
  { subscribers: 100, rounds: 30, proofs: 'own', msMax: 10_000 },
  { subscribers: 1_000, rounds: 200, proofs: 'shared', msMax: 90_000 },
];
const streamCounts = [100, 1_000] as const;
/** Measured time of one throughput round, and how often the kinds alternate. */
const roundMs = 800;
const alternations = 2;
/** Requests that a Bun client has under way at most; every stream is one. */
const requestsMax = 2_048;
const manyRequests = { BUN_CONFIG_MAX_HTTP_REQUESTS: String(requestsMax) };
const kinds = ['raw', 'stock', 'raw-h2', 'stock-h2'] as const;

/**
 * How fast a revocation is enforced, in a whole installation with its own PostgreSQL and with the subscribers in another
 * process; and how many messages a second one process writes, beside the handler of the framework.
 */
export async function benchFeed(): Promise<void> {
  await benchEnforcement();
  await benchFanOut();
}

async function benchEnforcement(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'mono-bench-feed-'));
  const password = base64url(runtime.randomBytes(24));
  const email = 'operator@mono.localhost';
  const server = startProgram('../main.ts', {
    MONO_LISTEN: '127.0.0.1:0',
    MONO_ADMIN_LISTEN: '127.0.0.1:0',
    MONO_GRPC_LISTEN: '127.0.0.1:0',
    MONO_DATA_DIR: directory,
    MONO_BOOTSTRAP_EMAIL: email,
    MONO_BOOTSTRAP_PASSWORD: password,
    ...{ MONO_DATABASE_URL: '', MONO_BASE_URL: '', MONO_REDIS_URL: '', MONO_KEK: '', MONO_KEK_FILE: '' },
  });
  try {
    let signIn: RegExpExecArray | null = null;
    while (!signIn) signIn = /Sign in at (\S+)\/t\/([^/]+)\//.exec(await server.line());
    const [, baseUrl = '', slug = ''] = signIn;
    const env = { BENCH_URL: baseUrl, BENCH_TENANT: slug, BENCH_EMAIL: email, BENCH_PASSWORD: password };
    const clients = startProgram('./feed-subscribers.ts', { ...env, ...manyRequests });
    console.log('revoke until every verify refuses, milliseconds from before the call\n');
    row(
      'subscribers',
      'proofs',
      'revocations',
      'every p50',
      'every p99',
      'each p50',
      'each p99',
      'call p50',
      'call p99',
    );
    for (const task of tasks) {
      clients.say(JSON.stringify(task));
      const { everyMs, eachMs, revokeMs } = JSON.parse(await clients.line()) as Enforced;
      const of = (values: number[], p: number) => percentile(values, p).toFixed(1);
      const figures = [everyMs, eachMs, revokeMs].flatMap((values) => [of(values, 0.5), of(values, 0.99)]);
      row(String(task.subscribers), task.proofs, String(everyMs.length), ...figures);
    }
    await clients.end();
  } finally {
    await server.end();
    rmSync(directory, { recursive: true, force: true });
  }
}

async function benchFanOut(): Promise<void> {
  console.log(`\nmessages a second written by one process, ${alternations} alternating rounds of ${roundMs} ms\n`);
  row('streams', ...kinds, 'raw / stock', 'raw-h2 / stock-h2');
  for (const streams of streamCounts) {
    const server = startProgram('./fan-out-server.ts');
    const readers = startProgram('./fan-out-readers.ts', manyRequests);
    try {
      const address = JSON.parse(await server.line()) as object;
      const rates = new Map<string, number>(kinds.map((kind) => [kind, 0]));
      for (let i = 0; i < alternations * kinds.length; i++) {
        const kind = kinds[i % kinds.length] as string;
        readers.say(JSON.stringify({ ...address, kind, streams, roundMs }));
        const { messages, elapsedMs } = JSON.parse(await readers.line()) as { messages: number; elapsedMs: number };
        rates.set(kind, (rates.get(kind) ?? 0) + (messages / elapsedMs) * (1_000 / alternations));
      }
      const [raw = 0, stock = 0, rawH2 = 0, stockH2 = 0] = rates.values();
      const figures = [...rates.values()].map((rate) => rate.toFixed(0));
      row(String(streams), ...figures, `${(raw / stock).toFixed(1)}x`, `${(rawH2 / stockH2).toFixed(1)}x`);
    } finally {
      await readers.end();
      await server.end();
    }
  }
}

function percentile(values: readonly number[], p: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))] ?? Number.NaN;
}

function row(...cells: string[]): void {
  console.log(cells.map((cell) => cell.padStart(13)).join(''));
}
