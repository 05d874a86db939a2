import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hex } from '@mono-auth/core/encoding';
import { Refusal } from '@mono-auth/core/errors';
import { newId } from '@mono-auth/core/ids';
import { systemRuntime as runtime } from '@mono-auth/core/runtime';
import {
  type AuditRow,
  Database,
  type DatabaseOptions,
  deriveDatabaseSecrets,
  migrate,
  startEmbeddedPostgres,
} from '@mono-auth/database';
import { lend, type Measured, percentile, perSecond, runRound } from './audit-load.ts';

/** Callers in flight: a busy process's share of parallel grants. */
const callers = 256;
/** Connections of a login's pool, the server's own default. */
const poolSize = 6;
/** Rounds of each kind, alternating, so that a slow moment of the machine meets all of them. */
const rounds = 4;
const roundMs = 1_000;
const warmUpMs = 300;
/** An event of a token exchange, in bytes of its envelope. */
const envelopeBytes = 400;

type Work = readonly [name: string, operation: () => Promise<unknown>];

/**
 * Durable audit events a second through the group commit, beside single-row commits of the same rows by the same
 * statement under the same login, and whole decisions: on an embedded PostgreSQL of its own, with fsync.
 */
export async function benchAudit(): Promise<void> {
  const dataDir = mkdtempSync(join(tmpdir(), 'mono-bench-audit-'));
  const server = await startEmbeddedPostgres({
    dataDir,
    superuserPassword: hex(runtime.randomBytes(16)),
    log: () => {},
  });
  try {
    const options = { url: server.adminUrl, secrets: deriveDatabaseSecrets(runtime.randomBytes(32)) };
    await migrate({ adminUrl: options.url, secrets: options.secrets });
    await compare(options);
  } finally {
    await server.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

async function compare(options: DatabaseOptions): Promise<void> {
  const open = (connections: number) => new Database({ ...options, poolSize: connections });
  const grouped = open(poolSize);
  // A group commit that one caller at a time may use, on a connection of its own, commits single rows and nothing else.
  const singles = Array.from({ length: poolSize }, () => open(1));
  try {
    const kinds = works(grouped, singles).map(([name, operation]) => {
      const measured: Measured = { operations: 0, elapsedMs: 0, latenciesMs: [] };
      return { name, operation, measured };
    });
    for (const { operation } of kinds) {
      await runRound({ operations: 0, elapsedMs: 0, latenciesMs: [] }, callers, warmUpMs, operation);
    }
    for (let round = 0; round < rounds; round++) {
      for (const { operation, measured } of kinds) await runRound(measured, callers, roundMs, operation);
    }
    print(kinds);
  } finally {
    await Promise.all([grouped, ...singles].map((database) => database.close()));
  }
}

function works(grouped: Database, singles: readonly Database[]): Work[] {
  const tenantId = newId(runtime, 'ten');
  const envelope = runtime.randomBytes(envelopeBytes);
  const used = new Refusal('invalid_client', 'used before');
  const row = (): AuditRow => ({
    tenantId,
    id: newId(runtime, 'evt'),
    occurredAtMs: runtime.nowMs(),
    type: 'token.issued',
    outcome: 1,
    actor: 'system:platform',
    objectKind: 'token',
    objectId: 'tok_01k5z3m8q7e3vb0c9n2r4t6w8y',
    envelope,
  });
  const [lendAny, lendOne] = [lend(singles), lend(singles.slice(0, 1))];
  const decide = () =>
    grouped.forDecision(tenantId, async (tx) => {
      const expiresAtMs = runtime.nowMs() + 60_000;
      await tx.consumeOnce({ kind: 'client_assertion', digest: runtime.randomBytes(32), expiresAtMs, refusal: used });
      await tx.appendAudit([row()]);
    });
  return [
    ['group commit', () => grouped.appendAudit([row()])],
    [`single rows, ${singles.length} connections`, () => lendAny((database) => database.appendAudit([row()]))],
    ['single rows, 1 connection', () => lendOne((database) => database.appendAudit([row()]))],
    ['own transaction (forTenant)', () => grouped.forTenant(tenantId, (tx) => tx.appendAudit([row()]))],
    ['decision (event + consumption)', decide],
  ];
}

function print(kinds: readonly { name: string; measured: Measured }[]): void {
  console.log(`durable audit events, ${callers} callers in flight, ${rounds} alternating rounds of ${roundMs} ms\n`);
  const line = (...cells: string[]) =>
    console.log(cells.map((cell, i) => (i ? cell.padStart(14) : cell.padEnd(32))).join(''));
  line('', 'events/s', 'p50 ms', 'p99 ms', 'group / this');
  const [first] = kinds;
  for (const { name, measured } of kinds) {
    const ratio = first ? perSecond(first.measured) / perSecond(measured) : Number.NaN;
    const [p50, p99] = [percentile(measured, 0.5), percentile(measured, 0.99)];
    line(name, perSecond(measured).toFixed(0), p50.toFixed(2), p99.toFixed(2), `${ratio.toFixed(1)}x`);
  }
  console.log('\nThe server is new: p99 holds the making of its WAL files, which one that has been running reuses.');
}
