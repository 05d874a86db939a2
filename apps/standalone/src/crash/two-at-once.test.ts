import type { JsonObject } from '@bufbuild/protobuf';
import { type ControlPlane, createControlPlane } from '@mono-auth/control-plane';
import { newId, uuidOf } from '@mono-auth/core/ids';
import { systemRuntime } from '@mono-auth/core/runtime';
import { Database, deriveDatabaseSecrets } from '@mono-auth/database';
import { createGateway } from '@mono-auth/gateway';
import {
  faultsOf,
  needRedis,
  openTestDatabase,
  readRedis,
  startTestRedis,
  type TestDatabase,
  type TestRedis,
  testKek,
} from '@mono-auth/testing';
import { runWorker } from '@mono-auth/worker';
import pino from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { enrolPlainly, redemptionOf, renewalOf } from '../acceptance/enrol-plainly.ts';
import { type Installation, openInstallation } from '../acceptance/installation.ts';
import { makeKey, type PlainAnswer } from '../acceptance/plain-client.ts';
import { openTenantScene, type TenantScene } from '../acceptance/tenant-scene.ts';
import { readFeed, verifyLog } from './evidence.ts';

/** Two control planes, each with its own pools and caches, on one database and one store; two workers as well where a test has them. */
const log = pino({ level: 'silent' });
const secrets = deriveDatabaseSecrets(testKek);
let redis: TestRedis | undefined;
let db: TestDatabase;
let first: Installation;
let secondDatabase: Database;
let second: ControlPlane;
let scene: TenantScene;
/** Answers as the second control plane does, behind an edge of its own. */
let askSecond: (request: Request) => Promise<Response>;

/** Both on Postgres alone, or both on the same Redis. */
async function open(redisUrl: string | undefined): Promise<void> {
  db = await openTestDatabase();
  first = await openInstallation(db.database, testKek, { redisUrl });
  scene = await openTenantScene(first, 'alpha');
  const { baseUrl } = first;
  secondDatabase = new Database({ url: db.url, secrets, poolSize: 4 });
  const parts = { database: secondDatabase, runtime: systemRuntime, kek: testKek, baseUrl, log, redisUrl };
  second = await createControlPlane(parts);
  const gateway = createGateway({
    ...{ runtime: systemRuntime, baseUrl, forward: second.fetch, onRefusal: () => {} },
    find: second.tenants.find,
  });
  askSecond = async (request) => gateway.fetch(request, { ip: '' });
}

async function close(): Promise<void> {
  await second?.close();
  await secondDatabase?.close();
  await first?.close();
  await db?.close();
}

const machines = 'machines.v1.MachineService';

/** An RPC as anybody with an HTTP client calls it, at one of the two. */
async function call(at: number, method: string, message: JsonObject, token?: string): Promise<PlainAnswer> {
  const headers = new Headers({ 'content-type': 'application/json' });
  if (token) headers.set('authorization', `Bearer ${token}`);
  const url = `${scene.issuer}/rpc/monoauth.${method}`;
  const request = new Request(url, { method: 'POST', headers, body: JSON.stringify(message) });
  const answer = await (at % 2 === 0 ? fetch(request) : askSecond(request));
  return { status: answer.status, body: (await answer.json()) as JsonObject };
}
const asOwner = async (at: number, method: string, message: JsonObject): Promise<JsonObject> => {
  const { status, body } = await call(at, method, message, scene.ownerToken);
  expect(status, JSON.stringify(body)).toBe(200);
  return body;
};

const placesOf = async (): Promise<(number | null)[]> => {
  const rows = await db.admin<{ place: string | null }>(
    'select sealed_seq as place from mono.audit_events where tenant_id = $1 order by sealed_seq',
    [uuidOf(scene.tenantId)],
  );
  return rows.map(({ place }) => (place === null ? null : Number(place)));
};
const dense = (places: readonly unknown[]) => places.map((_, at) => at);

/** One of the calls that write the feed as well. */
const revokeSomething = (at: number) =>
  asOwner(at, 'revocation.v1.RevocationService/Revoke', {
    target: { tokenId: newId(systemRuntime, 'tok') },
    reason: `by control plane ${at % 2}`,
  });

/** One of the calls that leave evidence alone. */
const inviteSomebody = (at: number) => asOwner(at, `${machines}/CreateInvite`, { hostName: systemRuntime.uuid() });

const both = <T>(count: number, work: (at: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, (_, at) => work(at)));

describe.each(['on Postgres alone', 'with Redis'] as const)('two at once %s', (stores) => {
  const withRedis = stores === 'with Redis';

  beforeAll(async () => {
    redis = withRedis ? await startTestRedis() : undefined;
    await open(redis?.url);
  });
  beforeEach((context) => {
    if (withRedis) needRedis(context, redis);
  });
  afterAll(async () => {
    await close();
    await redis?.close();
  });

  test.each(Array.from({ length: 10 }, (_, round) => round))(
    'of fifty parallel redemptions of one invite at two control planes one wins (round %i)',
    async (round) => {
      const hostName = `contested-${round}`;
      const { token } = await asOwner(round, `${machines}/CreateInvite`, { hostName });
      const prepared = await both(50, async () => redemptionOf(scene.issuer, token as string, await makeKey()));
      const answers = await both(50, (at) => call(at, `${machines}/RedeemInvite`, prepared[at] ?? {}));
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
      expect(answers.filter(({ body }) => JSON.stringify(body).includes('invite_used'))).toHaveLength(49);
      for (const table of ['hosts', 'clients']) {
        expect(await db.admin(`select id from mono.${table} where name = $1`, [hostName])).toHaveLength(1);
      }
      const [host] = answers.flatMap(({ body }) => (body.host ? [body.host as JsonObject] : []));
      const enrolled = `select id from mono.audit_events where type = 'host.enrolled' and object_id = $1`;
      expect(await db.admin(enrolled, [host?.id])).toHaveLength(1);
    },
  );

  test('of twenty uses of one client assertion at two control planes one gets a token', async () => {
    for (let round = 0; round < 5; round++) {
      const body = new URLSearchParams({
        ...{ grant_type: 'client_credentials', client_id: scene.service.id },
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: await scene.service.assertion(),
      });
      const answers = await both(20, (at) => {
        const request = new Request(`${scene.issuer}/oauth2/token`, { method: 'POST', body });
        return at % 2 === 0 ? fetch(request) : askSecond(request);
      });
      expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array.from({ length: 19 }, () => 401)]);
    }
  });

  test('a renewal that is sent twenty times to two control planes advances the generation once', async () => {
    const { token } = await asOwner(0, `${machines}/CreateInvite`, { hostName: 'renewed' });
    const host = await enrolPlainly(scene.issuer, token as string);
    const requestId = systemRuntime.uuid();
    const prepared = await both(20, () => renewalOf(host, requestId));
    const answers = await both(20, (at) => call(at, `${machines}/RenewHost`, prepared[at] ?? {}));
    expect(new Set(answers.map(({ status, body }) => `${status} ${body.joinState}`)).size).toBe(1);
    const { host: now } = await asOwner(1, `${machines}/GetHost`, { id: host.hostId });
    expect(now).toMatchObject({ generation: '2', status: 'HOST_STATUS_ACTIVE' });
  });

  test('what commits late is sealed after what was sealed meanwhile, and delivered', async () => {
    await first.controlPlane.jobs.sealTenant(scene.tenantId);
    const [held, release] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    // Publishing writes its event first and the feed last: there it waits, its transaction open.
    const holder = secondDatabase.forTenant(scene.tenantId, async (tx) => {
      await tx.sql`select seq from mono.feed_heads for update`;
      held.resolve();
      await release.promise;
    });
    await held.promise;
    const policyText = '// late\npermit(principal, action, resource);';
    const late = asOwner(1, 'policy.v1.PolicyService/PublishDraft', { policyText, basedOn: '1' });
    const waiting = 'select pid from pg_locks where not granted';
    await expect.poll(() => db.admin(waiting), { timeout: 5_000, interval: 20 }).toHaveLength(1);
    await both(6, inviteSomebody);
    expect(await first.controlPlane.jobs.sealTenant(scene.tenantId)).toBe(6);
    const sealedBefore = (await placesOf()).length;
    release.resolve();
    await holder;
    const { version } = (await late) as { version: { id: string } };
    expect(await second.jobs.sealTenant(scene.tenantId)).toBe(1);

    const [event] = await db.admin<{ place: string; overtaken: boolean }>(
      `select sealed_seq as place, exists (select from mono.audit_events as other where other.tenant_id = event.tenant_id
         and other.occurred_at > event.occurred_at and other.sealed_seq < event.sealed_seq) as overtaken
       from mono.audit_events as event where type = 'policy.published' and object_id = $1`,
      [version.id],
    );
    expect(event).toEqual({ place: String(sealedBefore), overtaken: true });
    const places = await placesOf();
    expect(places).toEqual(dense(places));
    expect((await readFeed(scene)).at(-1)).toMatchObject({ kind: 'policy', payload: { version: 2 } });
    // The reader of the feed has left evidence of its own.
    await second.jobs.sealTenant(scene.tenantId);
    expect(await verifyLog(scene.issuer, scene.ownerToken)).toBeGreaterThanOrEqual(places.length);
  });

  test('two workers and two control planes at once number every event and every entry of the feed once, without a gap', async () => {
    const before = (await readFeed(scene)).length;
    const runs = [first.controlPlane, second].map(({ jobs }) =>
      runWorker({
        databaseUrl: db.url,
        redisUrl: redis?.url,
        secrets,
        jobs,
        runtime: systemRuntime,
        log: { warn: () => {} },
      }),
    );
    const workers = await Promise.all(runs);
    try {
      let writing = true;
      // Beside the workers' own rounds, which come once a second: so that sealers really meet.
      const sealing = both(4, async (at) => {
        while (writing) await (at % 2 === 0 ? first.controlPlane : second).jobs.sealTenant(scene.tenantId);
      });
      const writes = both(120, (at) => (at % 3 === 0 ? revokeSomething(at) : inviteSomebody(at))).finally(() => {
        writing = false;
      });
      await Promise.all([writes, sealing]);
      const events = await verifyLog(scene.issuer, scene.ownerToken);
      const places = await placesOf();
      expect(places).toEqual(dense(places));
      expect(places).toHaveLength(events);
      expect(await readFeed(scene)).toHaveLength(before + 40);
    } finally {
      await Promise.all(workers.map((worker) => worker.stop()));
    }
  });

  test('challenges were used up in the store that serves and in no other, and nothing raw stands in it', async () => {
    const entries = redis ? await readRedis(redis) : [];
    const inRedis = entries.map(({ key }) => key.split(':')[0]);
    const rows = await db.admin<{ kind: string }>('select distinct kind from mono.ephemeral');
    const inPostgres = rows.map(({ kind }) => kind);
    const marked = [inRedis, inPostgres].map((kinds) => kinds.includes('challenge_used'));
    expect(marked).toEqual(withRedis ? [true, false] : [false, true]);
    expect(inRedis.includes('queue')).toBe(withRedis);
    expect(faultsOf(entries)).toEqual([]);
  });
});
