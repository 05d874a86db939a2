import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { JsonObject } from '@bufbuild/protobuf';
import { base64url } from '@mono-auth/core/encoding';
import { openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Installation, openInstallation } from '../acceptance/installation.ts';
import { openTenantScene, type TenantScene } from '../acceptance/tenant-scene.ts';
import { siblingVariable } from '../processes/sibling-environment.ts';
import { portsOf } from './processes.ts';

/* A process that mints is stopped in the middle of it, and goes on when its tenant has changed. */

const main = fileURLToPath(new URL('../main.ts', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'mono-paused-'));
const readyMsMax = 60_000;
const rounds = 6;
/** Asked at once, so that some are at each step when everything stands still. */
const inFlight = 40;

let db: TestDatabase;
let installation: Installation;
let minter: ChildProcess;
let minterUrl: string;

beforeAll(async () => {
  db = await openTestDatabase();
  installation = await openInstallation(db.database, testKek);
  minter = spawn(process.execPath, [main], {
    env: {
      ...{ PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '', MONO_DATA_DIR: directory },
      // One of several processes: it finds the installation as it is.
      [siblingVariable]: '2',
      ...{ MONO_DATABASE_URL: db.url, MONO_KEK: base64url(testKek), MONO_BASE_URL: installation.baseUrl },
      ...{ MONO_LISTEN: '127.0.0.1:0', MONO_GRPC_LISTEN: '127.0.0.1:0', MONO_ADMIN_LISTEN: '127.0.0.1:0' },
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  minterUrl = `http://127.0.0.1:${await portOf(minter)}`;
}, readyMsMax);
afterAll(async () => {
  minter?.kill('SIGCONT');
  minter?.kill('SIGTERM');
  await new Promise((resolve) => minter?.once('close', resolve));
  await installation?.close();
  await db?.close();
  rmSync(directory, { recursive: true, force: true });
}, 30_000);

/** The port of the edge, once it serves. Linux: it looks into /proc. */
async function portOf(child: ChildProcess): Promise<number> {
  let words = '';
  child.stderr?.on('data', (chunk) => {
    words += String(chunk);
  });
  while (child.exitCode === null) {
    for (const port of portsOf(child.pid as number)) {
      const answer = await fetch(`http://127.0.0.1:${port}/t/platform/jwks`).catch(() => undefined);
      if (answer?.ok) return port;
    }
    await Bun.sleep(100);
  }
  throw new Error(`it ended with ${child.exitCode}: ${words}`);
}

async function mintThere(
  scene: TenantScene,
  form: Record<string, string> = {},
): Promise<{ status: number; token: string }> {
  const body = new URLSearchParams({
    grant_type: 'client_credentials',
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: await scene.host.client.assertion(),
    ...form,
  });
  const url = `${minterUrl}${new URL(scene.issuer).pathname}/oauth2/token`;
  const response = await fetch(url, { method: 'POST', body });
  const answer = (await response.json()) as JsonObject;
  return { status: response.status, token: String(answer.access_token ?? '') };
}

test('what a stopped process was making dies with what was taken away meanwhile, and it makes no more', async () => {
  for (let round = 0; round < rounds; round++) {
    const scene = await openTenantScene(installation, `paused-${round}`);
    const agent = { agent: scene.handles.agent };
    for (let i = 0; i < 3; i++) expect((await mintThere(scene, agent)).status).toBe(200);
    const answers = Promise.all(Array.from({ length: inFlight }, () => mintThere(scene, agent)));
    // Somewhere between the first request and the last answer.
    await Bun.sleep(2 + round * 4);
    minter.kill('SIGSTOP');
    const revoked = await fetch(`${scene.issuer}/rpc/monoauth.revocation.v1.RevocationService/Revoke`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${scene.ownerToken}` },
      body: JSON.stringify({ target: { agentId: scene.handles.agent }, reason: 'told by the test' }),
    });
    expect(revoked.status).toBe(200);
    minter.kill('SIGCONT');
    const made = (await answers).filter(({ status }) => status === 200);
    for (const { token } of made) {
      expect((await scene.service.introspect(token)).body).toEqual({ active: false });
    }
    expect((await mintThere(scene, agent)).status).not.toBe(200);
  }
}, 120_000);
