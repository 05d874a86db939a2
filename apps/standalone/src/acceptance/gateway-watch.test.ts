import type { JsonObject } from '@bufbuild/protobuf';
import { systemRuntime } from '@mono-auth/core/runtime';
import { createAdmission, openRevocationWatch } from '@mono-auth/gateway';
import { AuditService } from '@mono-auth/proto/monoauth/audit/v1/audit';
import { ClientService } from '@mono-auth/proto/monoauth/clients/v1/clients';
import { FeedService } from '@mono-auth/proto/monoauth/feed/v1/feed';
import { EnforcementState, RevocationService } from '@mono-auth/proto/monoauth/revocation/v1/revocation';
import { openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import type { Ingress } from '@mono-auth/transport';
import { decodeJwt } from 'jose';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type Person, rpcClient } from '../tour/person.ts';
import { type Installation, openInstallation } from './installation.ts';
import { postRpc } from './plain-client.ts';

/** Declared strict here; every route that is served is relaxed. */
const strict = 'monoauth.tenants.v1.TenantService/GetTenant';
const relaxed = 'monoauth.clients.v1.ClientService/ListClients';
/** Longer than a lease with its margin. */
const patienceMs = 15_000;

let db: TestDatabase;
let installation: Installation;
/** Requests that the control plane was handed to decide, as opposed to refusals that it only encodes. */
let admitted: Ingress[] = [];
/** Whether the gateway's own requests fail. */
let cut = false;
/** Until when they get no answer. */
let gate: Promise<void> = Promise.resolve();
let made = 0;

beforeAll(async () => {
  db = await openTestDatabase();
  installation = await openInstallation(db.database, testKek, {
    onForward: (ingress) => ingress.refusal ?? admitted.push(ingress),
    watch: {
      routes: { [strict]: 'strict' },
      async forward(request, ingress) {
        await gate;
        if (cut) throw new Error('cut off');
        return installation.controlPlane.fetch(request, ingress);
      },
    },
  });
});
afterEach(() => {
  cut = false;
});
afterAll(async () => {
  await installation?.close();
  await db?.close();
});

const call = (person: Person, token: string, method: string, message: JsonObject = {}) =>
  postRpc(person.issuer, method, message, token);

async function until(what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
  const end = systemRuntime.monotonicMs() + patienceMs;
  while (!(await holds())) {
    if (systemRuntime.monotonicMs() > end) throw new Error(`never: ${what}`);
    await systemRuntime.sleep(25);
  }
}

/** A tenant of its own whose feed the gateway follows. */
async function watchedTenant(): Promise<{ owner: Person; token: string }> {
  const slug = `acme-${++made}`;
  await installation.provision(slug);
  const owner = await installation.signIn(slug);
  const token = await owner.token();
  await until('live', async () => (await call(owner, token, strict)).status === 200);
  return { owner, token };
}

async function revoke(owner: Person, token: string, dead: string) {
  const target = { target: { case: 'tokenId', value: decodeJwt(dead).jti ?? '' } } as const;
  const order = { target, reason: 'lost', waitMs: 10_000 };
  return (await rpcClient(owner.issuer, RevocationService, token).revoke(order)).receipt;
}

/** Whether the control plane is asked when `token` comes, and what is answered. */
async function asked(owner: Person, token: string, method = relaxed) {
  admitted = [];
  const { status, body } = await call(owner, token, method);
  return { status, message: body.message, forwarded: admitted.length };
}

test('a revoked token is refused at the edge, the control plane is not asked, and the tenant’s log says so', async () => {
  const { owner, token } = await watchedTenant();
  const dead = await owner.token();
  expect(await asked(owner, dead)).toMatchObject({ status: 200, forwarded: 1 });
  await revoke(owner, token, dead);
  expect(await asked(owner, dead)).toEqual({
    status: 401,
    message: 'token refused: it has been revoked',
    forwarded: 0,
  });
  expect(await asked(owner, token)).toMatchObject({ status: 200, forwarded: 1 });
  const { events } = await rpcClient(owner.issuer, AuditService, token).listEvents({ type: 'access.refused' });
  expect(events.map(({ event }) => event?.objectId)).toEqual([relaxed]);
});

test('the gRPC port has the same admission: the token is refused there too', async () => {
  const { owner, token } = await watchedTenant();
  const dead = await owner.token();
  await revoke(owner, token, dead);
  const { baseUrl, controlPlane, revocations } = installation;
  const find = controlPlane.tenants.find;
  const admit = createAdmission({ runtime: systemRuntime, baseUrl, find, revocations, onRefusal: () => {} });
  const reasonOf = async (bearer: string) => {
    const headers = new Headers({ authorization: `Bearer ${bearer}` });
    const arrival = {
      url: `http://localhost/${relaxed}`,
      headers,
      host: 'localhost',
      body: undefined,
      method: 'POST',
      ip: '',
    };
    return (await admit(arrival)).ingress.refusal?.reason;
  };
  expect([await reasonOf(dead), await reasonOf(token)]).toEqual(['not_authenticated', undefined]);
});

test('a forged copy of a revoked token is judged by the control plane: nobody probes revocations with it', async () => {
  const { owner, token } = await watchedTenant();
  const dead = await owner.token();
  await revoke(owner, token, dead);
  const [header, payload, signature = ''] = dead.split('.');
  const forged = [header, payload, `${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`].join('.');
  const answer = await asked(owner, forged);
  expect(answer).toMatchObject({ status: 401, forwarded: 1 });
  expect(answer.message).not.toMatch(/revoked/);
});

test('cut off from the feed, a strict route is refused and a relaxed one is decided by the control plane', async () => {
  const { owner, token } = await watchedTenant();
  const dead = await owner.token();
  cut = true;
  await until('stale', async () => (await call(owner, token, strict)).status === 503);
  expect(await asked(owner, token, strict)).toEqual({
    status: 503,
    message: 'revocations cannot be known now',
    forwarded: 0,
  });
  const target = { tokenId: decodeJwt(dead).jti ?? '' };
  await call(owner, token, 'monoauth.revocation.v1.RevocationService/Revoke', { target, reason: 'lost' });
  expect(await asked(owner, token)).toMatchObject({ status: 200, forwarded: 1 });
  expect(await asked(owner, dead)).toMatchObject({ status: 401, forwarded: 1 });
  cut = false;
  await until('live again', async () => (await call(owner, token, strict)).status === 200);
  expect(await asked(owner, dead)).toMatchObject({ status: 401, forwarded: 0 });
});

test('no request waits for a watch to begin, and a forged token begins none', async () => {
  await installation.provision('fresh');
  const owner = await installation.signIn('fresh');
  const token = await owner.token();
  const before = installation.revocations.size;
  const forged = `${token.slice(0, token.lastIndexOf('.'))}.${'A'.repeat(86)}`;
  expect((await call(owner, forged, relaxed)).status).toBe(401);
  expect((await call(owner, forged, strict)).status).toBe(503);
  await systemRuntime.sleep(200);
  expect(installation.revocations.size).toBe(before);
  const { promise, resolve: open } = Promise.withResolvers<void>();
  gate = promise;
  expect((await call(owner, token, relaxed)).status).toBe(200);
  expect((await call(owner, token, strict)).status).toBe(503);
  open();
  await until('live', async () => (await call(owner, token, strict)).status === 200);
});

test('a receipt counts the gateway; one that has died is fenced, and comes back as the same subscriber', async () => {
  const { owner, token } = await watchedTenant();
  const points = async () => {
    const receipt = await revoke(owner, token, await owner.token());
    return [receipt?.enforced, receipt?.registered, receipt?.points.map(({ name, state }) => [name, state])];
  };
  expect(await points()).toEqual([1, 1, [['gateway', EnforcementState.APPLIED]]]);
  // It says no more from here on, as one that was killed.
  cut = true;
  expect(await points()).toEqual([1, 1, [['gateway', EnforcementState.FENCED]]]);
  cut = false;
  const again = openWatch({ tenantsMax: 1 });
  try {
    await begin(again, owner, token);
    await systemRuntime.sleep(500);
    const { subscribers } = await rpcClient(owner.issuer, FeedService, token).listSubscribers({});
    expect(subscribers.map(({ name }) => name)).toEqual(['gateway']);
    const { clients } = await rpcClient(owner.issuer, ClientService, token).listClients({});
    expect(clients.map(({ name, scopes, jwks }) => [name, scopes, jwks])).toEqual([
      ['gateway', ['feed:follow'], { keys: [] }],
    ]);
  } finally {
    await again.close();
  }
});

test('an operator who revokes the gateway’s client ends the watching for good; relaxed routes are served on', async () => {
  const { owner, token } = await watchedTenant();
  const { clients } = await rpcClient(owner.issuer, ClientService, token).listClients({});
  const target = { target: { case: 'clientId', value: clients[0]?.id ?? '' } } as const;
  await rpcClient(owner.issuer, RevocationService, token).revoke({ target, reason: 'not wanted' });
  await until('stale', async () => (await call(owner, token, strict)).status === 503);
  await systemRuntime.sleep(1_000);
  expect(await asked(owner, token, strict)).toMatchObject({ status: 503, forwarded: 0 });
  expect(await asked(owner, token)).toMatchObject({ status: 200, forwarded: 1 });
  expect((await rpcClient(owner.issuer, ClientService, token).listClients({})).clients).toHaveLength(1);
});

/** Another gateway before the same control plane. */
function openWatch(
  limits: { tenantsMax?: number; heldMs?: number; idleMs?: number },
  change: Partial<Parameters<typeof openRevocationWatch>[0]> = {},
) {
  const { baseUrl, controlPlane } = installation;
  return openRevocationWatch({
    ...{ runtime: systemRuntime, baseUrl, name: 'gateway', forward: controlPlane.fetch, limits },
    tokens: ({ id }) => controlPlane.gatewayTokens(id),
    onError: () => {},
    routes: { [strict]: 'strict' },
    ...change,
  });
}

async function check(watch: ReturnType<typeof openWatch>, { issuer }: Person, token: string): Promise<void> {
  const tenant = await installation.controlPlane.tenants.find(issuer.split('/').at(-1) ?? '');
  if (!tenant) throw new Error('no such tenant');
  await watch.check(`/t/${tenant.slug}/rpc/${strict}`, `Bearer ${token}`, tenant);
}

const begin = (watch: ReturnType<typeof openWatch>, owner: Person, token: string) =>
  until('live', () =>
    check(watch, owner, token).then(
      () => true,
      () => false,
    ),
  );

test('no more tenants are watched than the bound: one in use is kept, one out of use makes room', async () => {
  const [first, second] = [await watchedTenant(), await watchedTenant()];
  const keeping = openWatch({ tenantsMax: 1, heldMs: 60_000 });
  const yielding = openWatch({ tenantsMax: 1, heldMs: 0 });
  try {
    await begin(keeping, first.owner, first.token);
    await expect(check(keeping, second.owner, second.token)).rejects.toMatchObject({ reason: 'feed_stale' });
    await systemRuntime.sleep(300);
    await check(keeping, first.owner, first.token);
    expect(keeping.size).toBe(1);

    await begin(yielding, first.owner, first.token);
    await begin(yielding, second.owner, second.token);
    expect(yielding.size).toBe(1);
    await expect(check(yielding, first.owner, first.token)).rejects.toMatchObject({ reason: 'feed_stale' });
  } finally {
    await Promise.all([keeping.close(), yielding.close()]);
  }
});

test('a watch that nobody uses is closed, and begins again when it is needed', async () => {
  const { owner, token } = await watchedTenant();
  const watch = openWatch({ idleMs: 400 });
  try {
    await begin(watch, owner, token);
    expect(watch.size).toBe(1);
    await until('closed', () => watch.size === 0);
    await begin(watch, owner, token);
  } finally {
    await watch.close();
  }
  expect(watch.size).toBe(0);
  await expect(check(watch, owner, token)).rejects.toMatchObject({ reason: 'feed_stale' });
  expect(watch.size).toBe(0);
});

test('a watch that is refused begins as soon as it is not', async () => {
  const { owner, token } = await watchedTenant();
  const refusals: string[] = [];
  let suspended = true;
  const watch = openWatch(
    {},
    {
      tokens({ id }) {
        const tokens = installation.controlPlane.gatewayTokens(id);
        return async (request) => (suspended ? 'none' : tokens(request));
      },
      onError: ({ reason }) => refusals.push(reason),
    },
  );
  try {
    await expect(check(watch, owner, token)).rejects.toMatchObject({ reason: 'feed_stale' });
    await until('refused', () => refusals.length > 0);
    expect(refusals).toEqual(['not_authenticated']);
    suspended = false;
    await begin(watch, owner, token);
  } finally {
    await watch.close();
  }
});
