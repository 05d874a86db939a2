import type { JsonObject } from '@bufbuild/protobuf';
import { openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Installation, openInstallation } from '../acceptance/installation.ts';
import { openTenantScene, type TenantScene } from '../acceptance/tenant-scene.ts';
import { MintingProcess } from './minting-process.ts';

/* A process that mints is stopped in the middle of it, and goes on when its tenant has changed. */

const readyMsMax = 60_000;
const rounds = 6;
/** Asked at once, so that some are at each step when everything stands still. */
const inFlight = 40;

let db: TestDatabase;
let installation: Installation;
let minter: MintingProcess;

beforeAll(async () => {
  db = await openTestDatabase();
  installation = await openInstallation(db.database, testKek);
  minter = await MintingProcess.start({ databaseUrl: db.url, baseUrl: installation.baseUrl, kek: testKek });
}, readyMsMax);
afterAll(async () => {
  await minter?.stop();
  await installation?.close();
  await db?.close();
}, 30_000);

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
  const url = `${minter.url}${new URL(scene.issuer).pathname}/oauth2/token`;
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
    await minter.pause();
    const revoked = await fetch(`${scene.issuer}/rpc/monoauth.revocation.v1.RevocationService/Revoke`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${scene.ownerToken}` },
      body: JSON.stringify({ target: { agentId: scene.handles.agent }, reason: 'told by the test' }),
    });
    expect(revoked.status).toBe(200);
    minter.resume();
    const made = (await answers).filter(({ status }) => status === 200);
    for (const { token } of made) {
      expect((await scene.service.introspect(token)).body).toEqual({ active: false });
    }
    expect((await mintThere(scene, agent)).status).not.toBe(200);
  }
}, 120_000);
