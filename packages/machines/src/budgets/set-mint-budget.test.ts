import { type ClientId, type HostId, newId, type TenantId, uuidOf } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import { systemCaller } from '@mono-auth/tenants';
import { FakeRuntime, openTestDatabase, type TestDatabase } from '@mono-auth/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type MintBudget, noBudget } from './mint-budget.ts';
import { readBudgetOf, setMintBudget } from './set-mint-budget.ts';

const runtime = new FakeRuntime();
const some: MintBudget = { ...noBudget, tokensPerWindow: 10, windowSeconds: 60, chainDepthMax: 2 };
let db: TestDatabase;
let one: TenantId;
let two: TenantId;
let client: ClientId;

beforeAll(async () => {
  db = await openTestDatabase();
  one = await db.createTenantRow('one');
  two = await db.createTenantRow('two');
});
afterAll(() => db.close());
beforeEach(async () => {
  client = await db.insertApp({ id: one });
});

const callIn = (id: TenantId): Call => ({ runtime, caller: systemCaller({ id, slug: 'x' }, newId(runtime, 'req')) });
const set = (budget: MintBudget, version: number, tenantId = one) =>
  db.database.forTenant(tenantId, (tx) =>
    setMintBudget(tx, callIn(tenantId), { kind: 'client', id: client }, { budget, version }),
  );
const read = (tenantId = one) =>
  db.database.forTenant(tenantId, (tx) => readBudgetOf(tx, { kind: 'client', id: client }));
const events = () =>
  db.admin("select id from mono.audit_events where type = 'mint_budget.set' and object_id = $1", [client]);

describe('a mint budget', () => {
  test('is none before it is set, and then what was set, with one piece of evidence for each change', async () => {
    expect(await read()).toEqual({ budget: noBudget, version: 0 });
    expect(await set(some, 0)).toEqual({ budget: some, version: 1 });
    const less = { ...some, tokensPerWindow: 5, hours: [{ fromMinute: 0, toMinute: 60 }] };
    expect(await set(less, 1)).toEqual({ budget: less, version: 2 });
    expect(await read()).toEqual({ budget: less, version: 2 });
    expect(await events()).toHaveLength(2);
  });

  test('that is set again as it was is answered alike and changes nothing', async () => {
    await set(some, 0);
    expect(await set(some, 0)).toEqual({ budget: some, version: 1 });
    expect(await events()).toHaveLength(1);
  });

  test('that somebody else has changed is not overwritten', async () => {
    await set(some, 0);
    await expect(set({ ...some, tokensPerWindow: 9 }, 0)).rejects.toMatchObject({ reason: 'stale_version' });
    const both = await Promise.allSettled([
      set({ ...some, tokensPerWindow: 8 }, 1),
      set({ ...some, tokensPerWindow: 7 }, 1),
    ]);
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect((await read()).version).toBe(2);
  });

  test('of what another tenant has, and of what never was, is not found', async () => {
    await expect(set(some, 0, two)).rejects.toMatchObject({ reason: 'not_found', detail: 'client not found' });
    await expect(read(two)).rejects.toMatchObject({ reason: 'not_found', detail: 'client not found' });
    const never = { kind: 'host', id: newId(runtime, 'hst') as HostId } as const;
    const asked = db.database.forTenant(one, (tx) =>
      setMintBudget(tx, callIn(one), never, { budget: some, version: 0 }),
    );
    await expect(asked).rejects.toMatchObject({ reason: 'not_found', detail: 'host not found' });
  });

  test('gives the tenant another state, so that no decision is kept that knew the former one', async () => {
    const version = async () =>
      (
        await db.admin<{ version: string }>('select version from mono.state_versions where tenant_id = $1', [
          uuidOf(one),
        ])
      )[0]?.version;
    const before = await version();
    await set(some, 0);
    expect(await version()).not.toBe(before);
  });
});
