import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deriveDatabaseSecrets, migrate, startEmbeddedPostgres } from '@mono-auth/database';
import pg from 'pg';
import type { TestProject } from 'vitest/node';
import type { RedisOffer } from './redis.ts';
import { findRedis } from './redis-binary.ts';
import { faultsOf, readRedis } from './redis-keys.ts';
import { startRedisServer } from './redis-server.ts';
import { templateName, testKek } from './test-cluster.ts';

/** One real Postgres for the whole run, with a migrated template that each test file clones, and one real Redis. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const dataDir = mkdtempSync(join(tmpdir(), 'mono-test-'));
  const cluster = await startEmbeddedPostgres({
    dataDir,
    superuserPassword: 'test',
    // Durability is not what the suite tests; crash tests start clusters of their own.
    settings: { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', max_connections: '300' },
    log: () => {},
  });
  const admin = new pg.Client({ connectionString: cluster.adminUrl });
  await admin.connect();
  await admin.query(`create database ${templateName}`);
  await admin.end();
  const template = new URL(cluster.adminUrl);
  template.pathname = `/${templateName}`;
  await migrate({ adminUrl: template.toString(), secrets: deriveDatabaseSecrets(testKek) });
  project.provide('adminUrl', cluster.adminUrl);
  const closeRedis = await setUpRedis(project);
  return async () => {
    await cluster.stop();
    rmSync(dataDir, { recursive: true, force: true });
    await closeRedis();
  };
}

/** The tests that need Redis say why there is none, where there is none; the others run. */
async function setUpRedis(project: TestProject): Promise<() => Promise<void>> {
  const offer = (value: RedisOffer) => project.provide('redis', value);
  try {
    const binary = await findRedis();
    const redis = await startRedisServer(binary);
    offer({ binary, url: redis.url });
    return async () => {
      const faults = faultsOf(await readRedis(redis));
      await redis.close();
      if (faults.length === 0) return;
      // Vitest prints what its teardown throws, and would end well nevertheless.
      process.exitCode = 1;
      throw new Error(`what the suite has left in Redis:\n${faults.join('\n')}`);
    };
  } catch (error) {
    const missing = (error as Error).message;
    offer({ missing });
    // The list of tests shows how many were skipped, and not why.
    process.stderr.write(`no Redis, so the tests that need it are skipped, or refused where CI=true: ${missing}\n`);
    return async () => {};
  }
}

declare module 'vitest' {
  export interface ProvidedContext {
    adminUrl: string;
  }
}
