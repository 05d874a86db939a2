import { personTokenTtlSeconds } from '@mono-auth/core/limits';
import { type Runtime, systemRuntime } from '@mono-auth/core/runtime';
import { defaultKeyLife } from '@mono-auth/keys';
import {
  KeyPurpose,
  type KeyRotation,
  KeyState,
  RotationMode,
  TenantService,
} from '@mono-auth/proto/monoauth/tenants/v1/tenants';
import { openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { createRemoteJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { rpcClient } from '../tour/person.ts';
import { type Installation, openInstallation } from './installation.ts';
import { tokenOf } from './plain-client.ts';
import { openTenantScene, type TenantScene } from './tenant-scene.ts';

/** One step of the test's time: half the cooldown of a stock verifier, so that each of its moods is met. */
const stepMs = 15_000;
/** One step once the tokens of the old key have run out, and the key alone is left for the rest of its day. */
const longStepMs = 1_800_000;
const denseMs = defaultKeyLife.publishedMs.token + 2 * personTokenTtlSeconds * 1000;
/** Verifiers that began at different moments: their caches end at different moments too. */
const verifiersMax = 8;
const { publishedMs, retiringMs } = defaultKeyLife;

/** The clock of the whole process stands still but for `move`: the server's, the verifiers' and that of the keys' life. */
let movedMs = 0;
const runtime: Runtime = { ...systemRuntime, monotonicMs: () => systemRuntime.monotonicMs() + movedMs };
function move(ms: number): void {
  movedMs += ms;
  vi.setSystemTime(Date.now() + ms);
}

let db: TestDatabase;
let installation: Installation;
let scene: TenantScene;

beforeAll(async () => {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() });
  db = await openTestDatabase();
  installation = await openInstallation(db.database, testKek, { runtime });
  scene = await openTenantScene(installation, 'alpha');
});
afterAll(async () => {
  await installation?.close();
  await db?.close();
  vi.useRealTimers();
});

interface Held {
  readonly token: string;
  readonly kid: string;
  readonly expMs: number;
}

async function mint(): Promise<Held[]> {
  const tokens = await Promise.all([
    scene.owner.token(),
    scene.service.clientCredentials().then(tokenOf),
    scene.host.client.clientCredentials().then(tokenOf),
  ]);
  return tokens.map((token) => ({
    token,
    kid: decodeProtectedHeader(token).kid ?? '',
    expMs: (decodeJwt(token).exp ?? 0) * 1000,
  }));
}

const tenantsOf = async () => rpcClient(scene.issuer, TenantService, await scene.owner.token());
const publishedKids = async () => {
  const { keys } = (await (await fetch(`${scene.issuer}/jwks`)).json()) as { keys: { kid: string }[] };
  return keys.map(({ kid }) => kid);
};

/** What is seen of a rotation from outside, at every step of `lengthMs`. */
async function watchRotation(lengthMs: number) {
  const verifiers: ReturnType<typeof createRemoteJWKSet>[] = [];
  const failures: string[] = [];
  const seen = { verified: 0, published: new Map<string, number>(), signed: new Map<string, number>() };
  let held: Held[] = [];
  const start = Date.now();
  for (; Date.now() - start <= lengthMs; move(Date.now() - start < denseMs ? stepMs : longStepMs)) {
    if (verifiers.length < verifiersMax) verifiers.push(createRemoteJWKSet(new URL(`${scene.issuer}/jwks`)));
    // Two workers, while tokens are being minted.
    const [fresh] = await Promise.all([
      mint(),
      installation.controlPlane.jobs.moveKeys(),
      installation.controlPlane.jobs.moveKeys(),
    ]);
    held = [...held, ...fresh].filter(({ expMs }) => expMs > Date.now());
    for (const { kid, expMs } of fresh) seen.signed.set(kid, Math.max(expMs, seen.signed.get(kid) ?? 0));
    for (const kid of await publishedKids()) seen.published.set(kid, Date.now());
    const verify = (verifier: (typeof verifiers)[number], { token, kid }: Held) =>
      jwtVerify(token, verifier, { issuer: scene.issuer, typ: 'at+jwt' }).then(
        () => seen.verified++,
        (error: Error) => failures.push(`${(Date.now() - start) / 1000} s, ${kid}: ${error.message}`),
      );
    // Every verifier meets each new token, and in its turn all that are still good.
    for (const [turn, verifier] of verifiers.entries()) {
      const isItsTurn = turn === (movedMs / stepMs) % verifiers.length;
      for (const each of isItsTurn ? held : fresh) await verify(verifier, each);
    }
  }
  return { failures, seen };
}

test('a planned rotation under load: stock verifiers never fail, and the old key leaves after the last token it signed', async () => {
  const tenants = await tenantsOf();
  const order = { purpose: KeyPurpose.TOKEN, alg: 'ES256', mode: RotationMode.PLANNED, reason: 'yearly' };
  const { rotation } = await tenants.rotateSigningKey(order);
  const [{ newKid, oldKids } = { newKid: '', oldKids: [] }] = (rotation as KeyRotation).keys;
  const [oldKid = ''] = oldKids;
  const { failures, seen } = await watchRotation(publishedMs.token + retiringMs.token + 2 * longStepMs);

  expect(failures).toEqual([]);
  expect([...seen.signed.keys()]).toEqual([oldKid, newKid]);
  expect(seen.verified).toBeGreaterThan(5_000);
  const [lastOldTokenEndsMs = 0, oldSeenMs = 0] = [seen.signed.get(oldKid), seen.published.get(oldKid)];
  expect(oldSeenMs).toBeGreaterThanOrEqual(lastOldTokenEndsMs);
  expect(oldSeenMs - lastOldTokenEndsMs).toBeLessThan(retiringMs.token);
  expect(await publishedKids()).not.toContain(oldKid);
  process.stdout.write(
    `verified ${seen.verified} times; the old key left ${(oldSeenMs - lastOldTokenEndsMs) / 1000} s after its last token\n`,
  );

  const { keys } = await (await tenantsOf()).listSigningKeys({});
  const stateOf = (kid: string) => keys.find((key) => key.kid === kid)?.state;
  expect([stateOf(oldKid), stateOf(newKid)]).toEqual([KeyState.RETIRED, KeyState.ACTIVE]);
});

test('the history of every key stands in the log and in the feed', async () => {
  const events = await db.admin<{ type: string }>(
    "select type from mono.audit_events where type like 'key.%' and object_id in (select object_id from mono.audit_events where type = 'key.retired' or type = 'key.promoted') order by occurred_at, id",
  );
  expect(events.map(({ type }) => type)).toEqual([
    ...['key.rotated', 'key.promoted'],
    ...['key.rotated', 'key.promoted', 'key.retired'],
  ]);
  const entries = await db.admin<{ state: string }>(
    "select convert_from(payload, 'UTF8')::json->>'state' as state from mono.feed_entries where kind = 'key' order by seq",
  );
  expect(entries.map(({ state }) => state)).toEqual(['published', 'active', 'retired']);
});
