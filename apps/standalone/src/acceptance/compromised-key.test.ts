import { join } from 'node:path';
import type { JsonObject } from '@bufbuild/protobuf';
import { type ControlPlane, createControlPlane } from '@mono-auth/control-plane';
import { type TenantId, uuidOf } from '@mono-auth/core/ids';
import { nowSeconds, systemRuntime } from '@mono-auth/core/runtime';
import { platformSlug } from '@mono-auth/core/tenant-slug';
import { Database, deriveDatabaseSecrets } from '@mono-auth/database';
import { createGateway } from '@mono-auth/gateway';
import { createLocalKms, openKeyring, type Signer, signJwt } from '@mono-auth/keys';
import type { RotateSigningKeyResponse } from '@mono-auth/proto/monoauth/tenants/v1/tenants';
import { createVerifier, FeedSubscriber, type Verifier } from '@mono-auth/sdk';
import { openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import pino from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Installation, openInstallation } from './installation.ts';
import { PlainClient, postRpc, tokenOf } from './plain-client.ts';
import { openTenantScene, type TenantScene } from './tenant-scene.ts';

/** A signing key of one tenant is in strange hands. What must end there, at once and everywhere, and what must not elsewhere. */
const rotateMethod = 'monoauth.tenants.v1.TenantService/RotateSigningKey';
const cli = join(import.meta.dirname, '../../../cli/src/main.ts');
const leaseMs = 5_000;

let db: TestDatabase;
let installation: Installation;
let alpha: TenantScene;
let beta: TenantScene;
/** A service of each tenant, that follows the feed and verifies by itself. */
let atAlpha: { subscriber: FeedSubscriber; verifier: Verifier };
let atBeta: { subscriber: FeedSubscriber; verifier: Verifier };
/** The key, as a thief holds it. */
let stolen: Signer;
/** Another process on the same database, with caches of its own. */
let second: { database: Database; controlPlane: ControlPlane; ask(request: Request): Promise<Response> };
/** When the order reached the server, on the monotonic clock. */
let orderedAtMs = 0;

beforeAll(async () => {
  db = await openTestDatabase();
  installation = await openInstallation(db.database, testKek, {
    tamper: (request, answer) => {
      if (request.url.endsWith(rotateMethod)) orderedAtMs = systemRuntime.monotonicMs();
      return answer();
    },
  });
  alpha = await openTenantScene(installation, 'alpha');
  beta = await openTenantScene(installation, 'beta');
  [atAlpha, atBeta] = [await follow(alpha), await follow(beta)];
  second = await openSecond(installation.baseUrl);
  const thief = openKeyring({
    ...{ database: db.database, runtime: systemRuntime, kms: createLocalKms(testKek) },
    platformIssuer: installation.baseUrl,
    rootTenant: async () => (await installation.controlPlane.tenants.bySlug(platformSlug))?.id as TenantId,
  });
  stolen = await thief.signer(alpha.tenantId, 'token');
});
afterAll(async () => {
  await atAlpha?.subscriber.close();
  await atBeta?.subscriber.close();
  await second?.controlPlane.close();
  await second?.database.close();
  await installation?.close();
  await db?.close();
});

async function follow({ issuer, service }: TenantScene) {
  const tokens = async () => tokenOf(await service.clientCredentials());
  const subscriber = await FeedSubscriber.start({ issuer, tokens, name: 'orders', leaseMs });
  await subscriber.whenFresh(leaseMs);
  return { subscriber, verifier: createVerifier({ issuer, audience: `${issuer}/rpc`, revocations: subscriber }) };
}

async function openSecond(baseUrl: string): Promise<typeof second> {
  const [runtime, log] = [systemRuntime, pino({ level: 'silent' })];
  const database = new Database({ url: db.url, secrets: deriveDatabaseSecrets(testKek), poolSize: 4 });
  const controlPlane = await createControlPlane({ database, runtime, kek: testKek, baseUrl, log });
  const { find } = controlPlane.tenants;
  const gateway = createGateway({ runtime, baseUrl, find, forward: controlPlane.fetch, onRefusal: () => {} });
  return { database, controlPlane, ask: async (request) => gateway.fetch(request, { ip: '' }) };
}

/** A client's token from the second process. */
async function mintAtSecond({ issuer, service }: TenantScene): Promise<string> {
  const body = new URLSearchParams({
    ...{ grant_type: 'client_credentials', client_id: service.id, client_assertion: await service.assertion() },
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
  });
  const answer = await second.ask(new Request(`${issuer}/oauth2/token`, { method: 'POST', body }));
  return ((await answer.json()) as { access_token: string }).access_token;
}

async function kidsAt(issuer: string, ask: (request: Request) => Promise<Response> = fetch): Promise<string[]> {
  const answer = await ask(new Request(`${issuer}/jwks`));
  return ((await answer.json()) as { keys: { kid: string }[] }).keys.map(({ kid }) => kid);
}

async function command<T>(token: string, ...args: string[]): Promise<{ code: number; answer: T; err: string }> {
  const child = Bun.spawn([process.execPath, cli, ...args, '--json'], {
    env: { ...process.env, MONO_TOKEN: token },
    stdout: 'pipe',
    stderr: 'pipe',
  });
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { code, answer: JSON.parse(out) as T, err };
}

/** The one command. */
const rotateByCommand = (token: string) =>
  command<RotateSigningKeyResponse>(
    token,
    ...['key', 'rotate', '--alg', 'ES256', '--compromised', '--reason', 'found in a paste'],
  );

/** The monotonic time at which the verifier first refuses the token; asks with every entry of the feed. */
function untilRefused({ subscriber, verifier }: typeof atAlpha, token: string): Promise<number> {
  return new Promise((resolve) => {
    const stop = subscriber.onEntry(async () => {
      if (await verifier.verify(token).catch(() => undefined)) return;
      stop();
      resolve(systemRuntime.monotonicMs());
    });
  });
}

const kidOf = (token: string) => decodeProtectedHeader(token).kid;
const refused = (verifying: Promise<unknown>) =>
  verifying.then(
    () => 'accepted',
    (error: { reason?: string }) => error.reason,
  );
const statusOf = async ({ issuer }: TenantScene, token: string) =>
  (await postRpc(issuer, 'monoauth.tenants.v1.TenantService/GetTenant', {}, token)).status;
const rowsOf = async ({ tenantId }: TenantScene) => ({
  keys: await db.admin('select kid, state, due_at from mono.signing_keys where tenant_id = $1 order by kid', [
    uuidOf(tenantId),
  ]),
  tenant: await db.admin('select epoch, key_version, status from mono.tenants where id = $1', [uuidOf(tenantId)]),
  feed: await db.admin('select seq, kind from mono.feed_entries where tenant_id = $1 order by seq', [uuidOf(tenantId)]),
});

/** What the thief says: of the tenant's next epoch, and minted after everything that anybody will ever revoke. */
function forge(): Promise<string> {
  const iat = nowSeconds(systemRuntime);
  const claims = {
    ...decodeJwt(alpha.ownerToken),
    iat,
    exp: iat + 600,
    ep: 1_000,
    fs: 1_000_000,
    jti: alpha.handles.token,
  };
  return signJwt(stolen, 'at+jwt', claims);
}

test('one command ends the key, its tenant’s tokens and sessions, at every process and subscriber, and nothing else', async () => {
  const hostToken = tokenOf(await alpha.host.client.clientCredentials());
  const dying = [alpha.ownerToken, hostToken, await forge()];
  for (const token of dying) expect(await refused(atAlpha.verifier.verify(token))).toBe('accepted');
  expect(kidOf(await mintAtSecond(alpha))).toBe(stolen.kid);
  expect(await kidsAt(alpha.issuer, second.ask)).toContain(stolen.kid);
  const betaBefore = [await rowsOf(beta), await kidsAt(beta.issuer)];
  const betaTokens = [beta.ownerToken, await beta.owner.token()];

  const commandAtMs = systemRuntime.monotonicMs();
  const effect = Promise.all(dying.map((token) => untilRefused(atAlpha, token)));
  const { code, answer, err } = await rotateByCommand(alpha.ownerToken);
  expect([code, err]).toEqual([0, '']);
  const { keys = [] } = answer.rotation ?? {};
  expect(keys.map(({ alg, oldKids }) => [alg, oldKids])).toEqual([['ES256', [stolen.kid]]]);
  const effectAtMs = Math.max(...(await effect));
  process.stdout.write(
    `a compromised key: refused at a subscriber ${(effectAtMs - orderedAtMs).toFixed(1)} ms after the order arrived, ` +
      `${(effectAtMs - commandAtMs).toFixed(0)} ms after the command was started\n`,
  );
  expect(answer.receipt?.registered).toBeGreaterThan(0);
  expect(answer.receipt?.enforced).toBe(answer.receipt?.registered);

  // At the subscriber, at the server and in both processes, also for what the thief signs from now on.
  for (const token of [...dying, await forge()]) {
    expect(await refused(atAlpha.verifier.verify(token))).toBe('not_authenticated');
    expect(await statusOf(alpha, token)).toBe(401);
  }
  const newKid = keys[0]?.newKid;
  for (const ask of [fetch, second.ask]) {
    await expect.poll(() => kidsAt(alpha.issuer, ask), { timeout: 2_000 }).not.toContain(stolen.kid);
    expect(await kidsAt(alpha.issuer, ask)).toContain(newKid);
  }
  await expect(alpha.owner.token()).rejects.toThrow(/401/);

  // Nothing of the other tenant.
  expect([await rowsOf(beta), await kidsAt(beta.issuer)]).toEqual(betaBefore);
  for (const token of betaTokens) {
    expect(await refused(atBeta.verifier.verify(token))).toBe('accepted');
    expect(await statusOf(beta, token)).toBe(200);
  }
  expect(kidOf(await beta.owner.token())).toBe(kidOf(beta.ownerToken));
});

test('the tenant goes on at once: signing in again, with the new key, from every process', async () => {
  const { code } = await rotateByCommand(await (await installation.signIn('alpha')).token());
  expect(code).toBe(0);
  // Nobody has told the second process; it signs and verifies with what the database has.
  const [minted, again] = [await mintAtSecond(alpha), await installation.signIn('alpha')];
  const [active] = await db.admin<{ public_jwk: { kid: string } }>(
    "select public_jwk from mono.signing_keys where tenant_id = $1 and purpose = 'token' and alg = 'ES256' and state = 'active'",
    [uuidOf(alpha.tenantId)],
  );
  const token = await again.token();
  expect([kidOf(minted), kidOf(token)]).toEqual([active?.public_jwk.kid, active?.public_jwk.kid]);
  expect(await statusOf(alpha, token)).toBe(200);
  const request = new Request(`${alpha.issuer}/rpc/monoauth.tenants.v1.TenantService/GetTenant`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: '{}',
  });
  expect((await second.ask(request)).status).toBe(200);
  // A host keeps its own key: it only asks for another token.
  const { id, key } = alpha.host.client;
  expect((await new PlainClient(alpha.issuer, id, key).clientCredentials()).status).toBe(200);
});

test('every ended key is in the log with the reason, and the order is refused for keys that are not rotated yet', async () => {
  const token = await (await installation.signIn('alpha')).token();
  const { body } = await postRpc(
    alpha.issuer,
    'monoauth.audit.v1.AuditService/ListEvents',
    { type: 'key.revoked' },
    token,
  );
  const events = body.events as { event: { objectId: string; detail: Record<string, string> } }[];
  expect(events).toHaveLength(2);
  expect(events.at(-1)?.event).toMatchObject({ objectId: stolen.kid });
  expect(JSON.stringify(events)).toContain('found in a paste');
  const { answer } = await command<{ keys: JsonObject[] }>(token, 'key', 'list');
  const ofTokens = answer.keys.filter(({ purpose, alg }) => purpose === 'KEY_PURPOSE_TOKEN' && alg === 'ES256');
  expect(ofTokens.map(({ state }) => state)).toEqual(
    ['ACTIVE', 'REVOKED', 'REVOKED'].map((state) => `KEY_STATE_${state}`),
  );
  expect(ofTokens.at(-1)).toMatchObject({ kid: stolen.kid, endedAt: expect.any(String) });
  for (const purpose of ['FEED', 'JOIN', 'LOG', 'ROOT']) {
    const order = { purpose: `KEY_PURPOSE_${purpose}`, mode: 'ROTATION_MODE_COMPROMISED', reason: 'because' };
    const answer = await postRpc(alpha.issuer, rotateMethod, order, token);
    expect([answer.body.code, answer.body.message]).toEqual(['unimplemented', expect.stringMatching(/^purpose: /)]);
  }
});
