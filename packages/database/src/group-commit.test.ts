import { Refusal } from '@mono-auth/core/errors';
import { newId, type TenantId, uuidOf } from '@mono-auth/core/ids';
import { systemRuntime } from '@mono-auth/core/runtime';
import { openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { AuditRow } from './audit-row.ts';
import { loginUrl } from './database.ts';
import type { Evidence } from './evidence.ts';
import { GroupCommit } from './group-commit.ts';
import { deriveDatabaseSecrets } from './secrets.ts';

let db: TestDatabase;
let one: TenantId;
let two: TenantId;
let pool: pg.Pool;

beforeAll(async () => {
  db = await openTestDatabase();
  [one, two] = [await db.createTenantRow('one'), await db.createTenantRow('two')];
  const secrets = deriveDatabaseSecrets(testKek);
  pool = new pg.Pool({ connectionString: loginUrl({ url: db.url, secrets }, 'mono_audit_writer'), max: 2 });
});
afterAll(async () => {
  await pool?.end();
  await db?.close();
});
afterEach(async () => {
  await db.admin('grant insert on mono.audit_events to mono_audit_writer');
  await db.admin('truncate mono.audit_events, mono.consumed');
});

function row(tenantId: TenantId, type = 'test.happened'): AuditRow {
  const object = { objectKind: 'test', objectId: 'x', actor: 'system:platform' };
  const envelope = new Uint8Array([1, 2, 3]);
  return { tenantId, id: newId(systemRuntime, 'evt'), occurredAtMs: 1, type, outcome: 1, ...object, envelope };
}

const used = new Refusal('invalid_client', 'used before');

function consumption(tenantId: TenantId, byte: number): Evidence['consumed'][number] {
  return { tenantId, kind: 'test', digest: new Uint8Array(32).fill(byte), expiresAtMs: 1, refusal: used };
}

/** The real pool, and how many statements went through it. */
function counting(): { pool: pg.Pool; statements: () => number } {
  let count = 0;
  const query = (...args: Parameters<pg.Pool['query']>) => {
    count += 1;
    return pool.query(...args);
  };
  return { pool: Object.assign(Object.create(pool) as pg.Pool, { query }), statements: () => count };
}

async function events(type = 'test.happened'): Promise<number> {
  return (await db.admin('select id from mono.audit_events where type = $1', [type])).length;
}

test('who asks at the same time shares one durable statement, also across tenants', async () => {
  const { pool: counted, statements } = counting();
  const group = new GroupCommit(counted);
  await Promise.all(
    Array.from({ length: 200 }, (_, i) => group.commit({ rows: [row(i % 2 ? one : two)], consumed: [] })),
  );
  expect(await events()).toBe(200);
  expect(statements()).toBe(1);
});

test('a statement holds a bounded number of rows, and each caller waits for its own', async () => {
  const { pool: counted, statements } = counting();
  const group = new GroupCommit(counted);
  await Promise.all(Array.from({ length: 1_200 }, () => group.commit({ rows: [row(one)], consumed: [] })));
  expect(await events()).toBe(1_200);
  expect(statements()).toBe(3);
});

test('of parallel users of one thing, in one window or in several, exactly one keeps its evidence', async () => {
  for (let round = 0; round < 10; round++) {
    const groups = [new GroupCommit(pool), new GroupCommit(pool)];
    const outcomes = await Promise.allSettled(
      Array.from({ length: 50 }, (_, i) =>
        (groups[i % 2] as GroupCommit).commit({
          rows: [row(one, `round.${round}`)],
          consumed: [consumption(one, round)],
        }),
      ),
    );
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const outcome of outcomes) if (outcome.status === 'rejected') expect(outcome.reason).toBe(used);
    expect(await events(`round.${round}`)).toBe(1);
  }
});

test('statements that use up the same things in opposite orders never lock each other out', async () => {
  const groups = [new GroupCommit(pool), new GroupCommit(pool)] as const;
  const commit = (group: GroupCommit, byte: number) =>
    group.commit({ rows: [row(one, `thing.${byte}`)], consumed: [consumption(one, byte)] });
  // Somebody holds the one in the middle, so that both statements have begun before either can end.
  const holder = new pg.Client({ connectionString: db.url });
  await holder.connect();
  await holder.query('begin');
  await holder.query(
    'insert into mono.consumed (tenant_id, kind, digest, expires_at) values ($1, $2, $3, to_timestamp(1))',
    [uuidOf(one), 'test', Buffer.alloc(32, 1)],
  );
  const answers = Promise.allSettled([
    ...[0, 1, 2].map((byte) => commit(groups[0], byte)),
    ...[2, 1, 0].map((byte) => commit(groups[1], byte)),
  ]);
  const waiting = "select pid from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()";
  await expect.poll(async () => (await db.admin(waiting)).length).toBe(2);
  await holder.end();
  const refused = (await answers).filter((outcome) => outcome.status === 'rejected');
  expect(refused.map(({ reason }) => reason)).toEqual([used, used, used]);
  expect(await Promise.all([0, 1, 2].map((byte) => events(`thing.${byte}`)))).toEqual([1, 1, 1]);
});

test('what one tenant has used up is free in another', async () => {
  const group = new GroupCommit(pool);
  await Promise.all([one, two].map((tenant) => group.commit({ rows: [], consumed: [consumption(tenant, 99)] })));
});

test("one caller's impossible row does not take the others' evidence with it", async () => {
  const group = new GroupCommit(pool);
  const twice = row(one);
  await group.commit({ rows: [twice], consumed: [] });
  const outcomes = await Promise.allSettled([
    group.commit({ rows: [row(one)], consumed: [] }),
    group.commit({ rows: [twice], consumed: [] }),
    group.commit({ rows: [row(two)], consumed: [] }),
  ]);
  expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(outcomes[1]).toMatchObject({ reason: { reason: 'audit_unavailable' } });
  expect(await events()).toBe(3);
});

test('too much that waits is refused, and the rest is still written', async () => {
  const group = new GroupCommit(pool);
  const many = { rows: Array.from({ length: 400 }, () => row(one)), consumed: [] };
  const outcomes = await Promise.allSettled(
    Array.from({ length: 25 }, () => group.commit({ ...many, rows: many.rows.map(() => row(one)) })),
  );
  const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
  expect(refused).toHaveLength(5);
  expect(refused[0]).toMatchObject({ reason: { reason: 'audit_unavailable', retryAfterMs: 1000 } });
  expect(await events()).toBe(8_000);
});

test('a decision is answered only when its evidence is durable, and not at all when it cannot be written', async () => {
  const answered = await db.database.forDecision(one, async (tx) => {
    await tx.appendAudit([row(one)]);
    return 'granted';
  });
  expect([answered, await events()]).toEqual(['granted', 1]);

  await db.admin('revoke insert on mono.audit_events from mono_audit_writer');
  let effects = 0;
  const refused = db.database.forDecision(one, async (tx) => {
    await tx.appendAudit([row(one)]);
    tx.afterCommit(() => {
      effects += 1;
    });
    return 'granted';
  });
  await expect(refused).rejects.toMatchObject({ reason: 'audit_unavailable' });
  expect(effects).toBe(0);
});

test('of several things that a decision uses up, the one that was used before gives its answer, and none is used up', async () => {
  const naming = (reason: 'invalid_client' | 'invalid_grant', digest: number) => ({
    ...consumption(one, digest),
    refusal: new Refusal(reason, 'was used before'),
  });
  await db.database.forTenant(one, (tx) => tx.consumeOnce(consumption(one, 9)));
  const both = (first: number, second: number) =>
    db.database.forDecision(one, async (tx) => {
      await tx.consumeOnce(naming('invalid_client', first));
      await tx.consumeOnce(naming('invalid_grant', second));
    });
  await expect(both(8, 9)).rejects.toMatchObject({ reason: 'invalid_grant' });
  await expect(both(9, 8)).rejects.toMatchObject({ reason: 'invalid_client' });
  await db.database.forTenant(one, (tx) => tx.consumeOnce(consumption(one, 8)));
});

test('a decision changes nothing but its evidence', async () => {
  const writing = db.database.forDecision(one, async (tx) => {
    await tx.sql`update mono.tenants set display_name = 'changed'`;
  });
  await expect(writing).rejects.toThrow(/read-only/);
});

test('a decision that fails leaves no evidence and uses nothing up', async () => {
  const failing = db.database.forDecision(one, async (tx) => {
    await tx.appendAudit([row(one)]);
    await tx.consumeOnce(consumption(one, 7));
    throw new Refusal('denied', 'no');
  });
  await expect(failing).rejects.toMatchObject({ reason: 'denied' });
  expect(await events()).toBe(0);
  await db.database.forTenant(one, (tx) => tx.consumeOnce(consumption(one, 7)));
  await expect(db.database.forTenant(one, (tx) => tx.consumeOnce(consumption(one, 7)))).rejects.toBe(used);
});
