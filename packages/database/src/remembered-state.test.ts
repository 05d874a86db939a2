import { Refusal } from '@mono-auth/core/errors';
import { newId, type TenantId, uuidOf } from '@mono-auth/core/ids';
import { systemRuntime } from '@mono-auth/core/runtime';
import { openTestDatabase, type TestDatabase } from '@mono-auth/testing';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { TenantTx } from './tx.ts';

let db: TestDatabase;
let tenantId: TenantId;
let loads: number;

beforeAll(async () => {
  db = await openTestDatabase();
});
afterAll(async () => {
  await db?.close();
});
beforeEach(async () => {
  tenantId = await db.createTenantRow(`t${newId(systemRuntime, 'req').slice(-12)}`);
  loads = 0;
  await setEpoch(1);
});

const setEpoch = (epoch: number) =>
  db.admin('update mono.tenants set epoch = $2 where id = $1', [uuidOf(tenantId), epoch]);

/** Something that decisions remember: it changes with its tenant. */
async function readEpoch(tx: TenantTx): Promise<number> {
  return tx.remembered('epoch', async () => {
    loads += 1;
    const [row] = await tx.sql<{ epoch: string }>`select epoch from mono.tenants where id = ${uuidOf(tx.tenantId)}`;
    return Number(row?.epoch);
  });
}

async function leaveEvidence(tx: TenantTx, type: string): Promise<void> {
  const object = { objectKind: 'test', objectId: 'x', actor: 'system:platform' };
  const envelope = new Uint8Array([1]);
  const row = { tenantId, id: newId(systemRuntime, 'evt'), occurredAtMs: 1, type, outcome: 1, ...object, envelope };
  await tx.appendAudit([row]);
}

const evidenceOf = async (type: string) =>
  (await db.admin('select id from mono.audit_events where tenant_id = $1 and type = $2', [uuidOf(tenantId), type]))
    .length;

test('what is remembered is read once, and again in the decision after a change, however it was made', async () => {
  const decide = () => db.database.forDecision(tenantId, readEpoch);
  expect([await decide(), await decide(), await decide()]).toEqual([1, 1, 1]);
  expect(loads).toBe(1);
  await setEpoch(7);
  expect(await decide()).toBe(7);
  // By the decision that was made anew.
  expect(loads).toBe(2);
  expect([await decide(), loads]).toEqual([7, 2]);
});

test('a change that commits while a decision is made has it made again, and the first one leaves nothing', async () => {
  let runs = 0;
  const decided = await db.database.forDecision(tenantId, async (tx) => {
    runs += 1;
    const epoch = await readEpoch(tx);
    await leaveEvidence(tx, `epoch.${epoch}`);
    if (runs === 1) await setEpoch(2);
    return epoch;
  });
  expect([decided, runs]).toEqual([2, 2]);
  expect([await evidenceOf('epoch.1'), await evidenceOf('epoch.2')]).toEqual([0, 1]);
});

test('what an outdated decision has used up is not used up', async () => {
  const digest = new Uint8Array(32).fill(7);
  const refusal = new Refusal('invalid_client', 'used before');
  const use = (change: boolean) => {
    let runs = 0;
    return db.database.forDecision(tenantId, async (tx) => {
      await readEpoch(tx);
      await tx.consumeOnce({ kind: 'test', digest, expiresAtMs: 4e12, refusal });
      if (change && runs++ === 0) await setEpoch(3);
    });
  };
  await use(true);
  await expect(use(false)).rejects.toBe(refusal);
});

test('a refusal by what is no longer so is not given', async () => {
  const require = (epoch: number) =>
    db.database.forDecision(tenantId, async (tx) => {
      if ((await readEpoch(tx)) !== epoch) throw new Refusal('not_found', 'another epoch');
    });
  await expect(require(4)).rejects.toThrow('another epoch');
  await setEpoch(4);
  await require(4);
});

test('a tenant that never stands still gets its decision all the same, by what is read in it', async () => {
  let runs = 0;
  const decided = await db.database.forDecision(tenantId, async (tx) => {
    const epoch = await readEpoch(tx);
    await leaveEvidence(tx, 'restless');
    await setEpoch(10 + ++runs);
    return epoch;
  });
  expect([runs, decided]).toEqual([4, 13]);
  expect(await evidenceOf('restless')).toBe(1);
});

test('one tenant is remembered apart from another, and neither is held up by the changes of the other', async () => {
  const other = await db.createTenantRow(`o${newId(systemRuntime, 'req').slice(-12)}`);
  expect(await db.database.forDecision(other, readEpoch)).toBe(1);
  await db.database.forDecision(tenantId, readEpoch);
  await setEpoch(9);
  loads = 0;
  expect(await db.database.forDecision(other, readEpoch)).toBe(1);
  expect(loads).toBe(0);
  expect(await db.database.forDecision(tenantId, readEpoch)).toBe(9);
});

test('who asks at the same time shares one read, and one that fails is nobody else’s failure', async () => {
  const all = await Promise.all(Array.from({ length: 20 }, () => db.database.forDecision(tenantId, readEpoch)));
  expect(new Set(all)).toEqual(new Set([1]));
  expect(loads).toBe(1);
  let fails = true;
  const fragile = () =>
    db.database.forDecision(tenantId, (tx) =>
      tx.remembered('fragile', async () => {
        if (!fails) return 'read';
        fails = false;
        throw new Error('once');
      }),
    );
  const outcomes = await Promise.allSettled([fragile(), fragile(), fragile()]);
  expect(outcomes.filter(({ status }) => status === 'rejected')).toHaveLength(1);
});

test('what is asked for by a name longer than any of ours is read each time', async () => {
  let reads = 0;
  const read = (name: string) => db.database.forDecision(tenantId, (tx) => tx.remembered(name, async () => ++reads));
  for (const name of ['short', 'x'.repeat(257)]) for (let i = 0; i < 3; i++) await read(name);
  expect(reads).toBe(1 + 3);
});

test('outside decisions nothing is remembered', async () => {
  await db.database.forTenant(tenantId, readEpoch);
  await db.database.forTenant(tenantId, readEpoch);
  expect(loads).toBe(2);
});

test('no login can move or read a version', async () => {
  const privileges = await db.admin(`select grantee from information_schema.role_table_grants
    where table_schema = 'mono' and table_name = 'state_versions' and grantee <> 'mono_owner'`);
  expect(privileges).toEqual([]);
  const routines = await db.admin<{ grantee: string; routine_name: string }>(`select grantee, routine_name
    from information_schema.role_routine_grants where routine_schema = 'mono' and grantee <> 'mono_owner'
      and routine_name in ('raise_state_version', 'own_state_version', 'outdated_states') order by routine_name`);
  expect(routines).toEqual([
    { grantee: 'mono_audit_writer', routine_name: 'outdated_states' },
    { grantee: 'mono_app', routine_name: 'own_state_version' },
  ]);
});
