import { append, auditProvisionStep } from '@mono-auth/audit';
import { newId, type TenantId, uuidOf } from '@mono-auth/core/ids';
import { systemRuntime } from '@mono-auth/core/runtime';
import { deriveDatabaseSecrets } from '@mono-auth/database';
import { Feed } from '@mono-auth/feed';
import { createLocalKms, defaultKeyLife, openKeyring } from '@mono-auth/keys';
import { systemCaller } from '@mono-auth/tenants';
import { openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import pino from 'pino';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { composeWorker } from './compose.ts';
import type { WorkerJobs } from './jobs.ts';
import { type RunningWorker, runWorker } from './run-worker.ts';

const runtime = systemRuntime;
const soon = { timeout: 10_000, interval: 20 };
let db: TestDatabase;
let acme: TenantId;
let running: RunningWorker[] = [];
let queues = 0;

beforeAll(async () => {
  db = await openTestDatabase();
  acme = await db.createTenantRow('acme');
});
afterEach(async () => {
  await Promise.all(running.map((worker) => worker.stop()));
  running = [];
});
afterAll(() => db.close());

async function run(
  jobs: Partial<WorkerJobs>,
  queueName = `test-${++queues}`,
  redisUrl?: string,
): Promise<RunningWorker> {
  const worker = await runWorker({
    databaseUrl: db.url,
    secrets: deriveDatabaseSecrets(testKek),
    jobs: {
      ...{
        unsealedTenants: async () => [],
        sealTenant: async () => 0,
        moveKeys: async () => {},
        sweep: async () => {},
      },
      ...{ tenantsWithLogouts: async () => [], deliverLogouts: async () => 0 },
      ...jobs,
    },
    runtime,
    log: { warn: () => {} },
    queueName,
    redisUrl,
  });
  running.push(worker);
  return worker;
}

test('the worker composed for itself seals what was written, within seconds and with nobody asking', async () => {
  const keys = openKeyring({
    ...{ database: db.database, runtime, kms: createLocalKms(testKek) },
    platformIssuer: 'https://mono.test/t/platform',
    rootTenant: async () => acme,
  });
  await db.database.forTenant(acme, (tx) => keys.provision(tx));
  const log = { database: db.database, keys, runtime, originOf: async () => 'mono.test/t/acme/log' };
  await auditProvisionStep(log).finish({ id: acme, incarnation: 1 });
  const config = { databaseUrl: db.url, redisUrl: undefined, baseUrl: 'https://mono.test', kek: testKek };
  running.push(await composeWorker({ config, runtime, log: pino({ level: 'silent' }) }));

  const caller = systemCaller({ id: acme, slug: 'acme' }, newId(runtime, 'req'));
  const object = { kind: 'tenant', id: acme };
  await db.database.forTenant(acme, (tx) => append(tx, { runtime, caller }, { type: 'tenant.provisioned', object }));
  const places = async () =>
    (
      await db.admin<{ place: string | null }>(
        'select sealed_seq as place from mono.audit_events where tenant_id = $1',
        [uuidOf(acme)],
      )
    ).map((row) => row.place);
  await expect.poll(places, soon).toEqual(['0']);
});

test('the worker composed for itself moves a signing key on when its time has come, with the evidence and the entry', async () => {
  const globex = await db.createTenantRow('globex');
  const keyLife = { ...defaultKeyLife, publishedMs: { token: 0, invite: 0 } };
  const keys = openKeyring({
    ...{ database: db.database, runtime, kms: createLocalKms(testKek), keyLife },
    platformIssuer: 'https://mono.test/t/platform',
    rootTenant: async () => globex,
  });
  const ephemeral = { publish: async () => {}, subscribe: async () => () => {} };
  const feed = new Feed({ database: db.database, ephemeral, keys, runtime });
  const [change] = await db.database.forTenant(globex, async (tx) => {
    await keys.provision(tx);
    await feed.provision(tx, 1);
    return keys.publishNext(tx, 'token', 'ES256');
  });
  const config = { databaseUrl: db.url, redisUrl: undefined, baseUrl: 'https://mono.test', kek: testKek };
  running.push(await composeWorker({ config, runtime, log: pino({ level: 'silent' }) }));
  const signing = async () => (await keys.signer(globex, 'token')).kid;
  await expect.poll(signing, { timeout: 15_000, interval: 50 }).toBe(change?.newKid);
  const told = await db.admin<{ type: string; kind: string }>(
    `select e.type, f.kind from mono.audit_events e join mono.feed_entries f on f.tenant_id = e.tenant_id
     where e.tenant_id = $1`,
    [uuidOf(globex)],
  );
  expect(told).toEqual([{ type: 'key.promoted', kind: 'key' }]);
});

test('sealing goes on every second after a round that failed', async () => {
  let rounds = 0;
  await run({
    unsealedTenants: async () => {
      if (++rounds === 1) throw new Error('no database');
      return [];
    },
  });
  await expect.poll(() => rounds, soon).toBeGreaterThanOrEqual(3);
});

test('a nudge seals the named tenant without waiting for the round', async () => {
  const sealed: TenantId[] = [];
  const worker = await run({
    sealTenant: async (tenantId) => sealed.push(tenantId),
  });
  await worker.nudge(acme);
  await expect.poll(() => sealed, soon).toEqual([acme]);
});

test('each tenant with logout tokens to send has them sent, in a job of its own, and goes on when one fails', async () => {
  const sent = new Set<TenantId>();
  const other = newId(runtime, 'ten');
  await run({
    tenantsWithLogouts: async () => [acme, other],
    deliverLogouts: async (tenantId) => {
      if (tenantId === acme && !sent.has(other)) throw new Error('the first one fails');
      sent.add(tenantId);
      return 1;
    },
  });
  await expect.poll(() => [...sent].toSorted(), { timeout: 20_000 }).toEqual([acme, other].toSorted());
});

test('two workers sweep once for both', async () => {
  let sweeps = 0;
  const sweep = async () => {
    sweeps++;
  };
  await run({ sweep }, 'shared');
  await expect.poll(() => sweeps, soon).toBe(1);
  await run({ sweep }, 'shared');
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  expect(sweeps).toBe(1);
});

test('stopping waits for the tenant that is being sealed', async () => {
  let started = false;
  let ended = false;
  const worker = await run({
    sealTenant: async () => {
      started = true;
      await new Promise((resolve) => setTimeout(resolve, 300));
      ended = true;
      return 1;
    },
  });
  await worker.nudge(acme);
  await expect.poll(() => started, soon).toBe(true);
  await worker.stop();
  expect(ended).toBe(true);
});

test('sealing goes on while the queue in Redis cannot be reached, and stopping does not wait for it', async () => {
  let rounds = 0;
  const unsealedTenants = async () => {
    rounds++;
    return [];
  };
  const worker = await run({ unsealedTenants }, undefined, 'redis://mono:secret@127.0.0.1:1');
  await worker.nudge(acme);
  await expect.poll(() => rounds, soon).toBeGreaterThanOrEqual(3);
  await worker.stop();
});
