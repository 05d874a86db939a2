import { base64url } from '@mono-auth/core/encoding';
import { systemRuntime } from '@mono-auth/core/runtime';
import { MachineService } from '@mono-auth/proto/monoauth/machines/v1/machines';
import { openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Installation, openInstallation } from '../acceptance/installation.ts';
import { openTenantScene, type TenantScene } from '../acceptance/tenant-scene.ts';
import { rpcClient } from '../tour/person.ts';
import { verifyLog } from './evidence.ts';

/** The worker as a process of its own, beside the control plane. */
let db: TestDatabase;
let installation: Installation;
let scene: TenantScene;
let worker: ReturnType<typeof startWorker> | undefined;

beforeAll(async () => {
  db = await openTestDatabase();
  installation = await openInstallation(db.database, testKek);
  scene = await openTenantScene(installation, 'alpha');
});
afterAll(async () => {
  worker?.kill('SIGKILL');
  await worker?.exited;
  await installation?.close();
  await db?.close();
});

function startWorker() {
  return Bun.spawn([process.execPath, `${import.meta.dirname}/../../../worker/src/main.ts`], {
    env: {
      ...process.env,
      MONO_DATABASE_URL: db.url,
      MONO_BASE_URL: installation.baseUrl,
      MONO_KEK: base64url(testKek),
    },
    stdout: 'ignore',
    stderr: 'ignore',
  });
}

/** Lives of the worker, each ended by SIGKILL, and how long each may last at most, milliseconds. */
const lives = 5;
const lifeMsMax = 1_500;

test('a worker killed again and again while it seals doubles nothing and leaves nothing out', async () => {
  const machines = rpcClient(scene.issuer, MachineService, scene.ownerToken);
  let written = 0;
  for (let life = 0; life < lives; life++) {
    worker = startWorker();
    const diesAtMs = systemRuntime.monotonicMs() + lifeMsMax * ((life + 1) / lives);
    while (systemRuntime.monotonicMs() < diesAtMs) {
      await machines.createInvite({ hostName: `host-${life}-${written}` });
      written += 1;
    }
    worker.kill('SIGKILL');
    await worker.exited;
  }
  worker = startWorker();
  // Dense places, every event in them, and an export that verifies.
  expect(await verifyLog(scene.issuer, scene.ownerToken)).toBeGreaterThanOrEqual(written);
  expect(written).toBeGreaterThan(lives);
  worker.kill('SIGTERM');
  expect(await worker.exited).toBe(0);
});
