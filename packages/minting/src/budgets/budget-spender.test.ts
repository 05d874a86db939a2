import { createHash } from 'node:crypto';
import { Refusal } from '@mono-auth/core/errors';
import { type ClientId, newId, type TenantId, uuidOf } from '@mono-auth/core/ids';
import { FakeRuntime, openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { MintRequest } from '../mint-request.ts';
import { type BudgetBench, openBudgetBench } from './budget-bench.ts';

const runtime = new FakeRuntime();
const files = 'https://files.test';
let db: TestDatabase;
let tenantId: TenantId;
let one: BudgetBench;
let two: BudgetBench;
let client: ClientId;

beforeAll(async () => {
  db = await openTestDatabase();
  tenantId = await db.createTenantRow('acme');
  const ground = { database: db.database, runtime, kek: testKek, tenantId };
  one = openBudgetBench(ground);
  two = openBudgetBench(ground);
  await one.provision();
});
afterAll(() => db.close());
beforeEach(() => {
  // The beginning of an hour, so that every window of these tests begins now.
  runtime.advance(3_600_000 - (runtime.nowMs() % 3_600_000));
  client = newId(runtime, 'cli');
});

async function setBudget(holder: string, budget: object, tenant = tenantId): Promise<void> {
  const kind = { agt: 'agent', hst: 'host', cli: 'client' }[holder.slice(0, 3)];
  await db.admin(
    `insert into mono.mint_budgets as held (tenant_id, holder_kind, holder_id, budget, version, updated_at)
     values ($1, $2, $3, $4, 1, '2026-01-01')
     on conflict (tenant_id, holder_kind, holder_id) do update set budget = excluded.budget, version = held.version + 1`,
    [uuidOf(tenant), kind, uuidOf(holder as ClientId), budget],
  );
}

/** How often it works until it is refused, and how. */
async function drain(bench: BudgetBench, change: Partial<MintRequest> = {}) {
  for (let made = 0; ; made++) {
    const error = await bench.mint(client, change).then(
      () => undefined,
      (refusal: Refusal) => refusal,
    );
    if (error) return { made, reason: error.reason, retryAfterMs: error.retryAfterMs, detail: error.detail };
  }
}

const recorded = async (of: ClientId = client): Promise<number> => {
  const [row] = await db.admin<{ made: number }>(
    `select count(*)::int as made from mono.audit_events where type = 'token.issued' and encode(envelope, 'escape') like '%client:' || $1 || '%'`,
    [of],
  );
  return row?.made ?? 0;
};

describe('tokens in a window', () => {
  test('are made to the last one and not one more, until the next window', async () => {
    await setBudget(client, { tokensPerWindow: 130, windowSeconds: 60 });
    runtime.advance(15_000);
    expect(await drain(one)).toEqual({
      made: 130,
      reason: 'budget_exhausted',
      retryAfterMs: 45_000,
      detail: `the mint budget of client ${client} is used up in this window`,
    });
    runtime.advance(44_999);
    expect((await drain(one)).made).toBe(0);
    runtime.advance(1);
    expect((await drain(one)).made).toBe(130);
    expect(await recorded()).toBe(260);
  });

  test('are shared by processes, whoever of them asks when', async () => {
    await setBudget(client, { tokensPerWindow: 100, windowSeconds: 60 });
    for (let i = 0; i < 20; i++) await one.mint(client);
    const { made } = await drain(two);
    expect(20 + made + (await drain(one)).made).toBe(100);
    expect(made).toBeGreaterThanOrEqual(75);
  });

  test('are counted exactly when everybody asks at the same moment', async () => {
    await setBudget(client, { tokensPerWindow: 40, windowSeconds: 60 });
    const all = Array.from({ length: 60 }, (_, i) => (i % 2 ? one : two).mint(client));
    const made = (await Promise.allSettled(all)).filter(({ status }) => status === 'fulfilled');
    expect([made.length, await recorded()]).toEqual([40, 40]);
  });

  test('belong to one tenant and one holder', async () => {
    const other = await db.createTenantRow('other');
    await setBudget(client, { tokensPerWindow: 1, windowSeconds: 60 }, other);
    await setBudget(newId(runtime, 'cli'), { tokensPerWindow: 1, windowSeconds: 60 });
    await one.mint(client);
    await one.mint(client);
    expect(await recorded()).toBe(2);
  });

  test('the rows of windows that have long ended go by themselves', async () => {
    await setBudget(client, { tokensPerWindow: 10, windowSeconds: 60 });
    for (let i = 0; i < 4; i++) {
      await one.mint(client);
      runtime.advance(3_600_000);
    }
    const windows = await db.admin('select starts_at from mono.mint_windows where holder_id = $1', [uuidOf(client)]);
    expect(windows.length).toBeLessThanOrEqual(2);
  });
});

describe('what else is counted', () => {
  test('the sum of lifetimes is handed out and never exceeded, whatever lifetimes are asked for', async () => {
    await setBudget(client, { lifetimeSecondsPerWindow: 3_000, windowSeconds: 60 });
    const lifetimes = [300, 70, 190, 300, 10, 299];
    let sum = 0;
    for (let i = 0; sum < 3_000 && i < 200; i++) {
      const minted = await (i % 2 ? one : two)
        .mint(client, { ttlSeconds: lifetimes[i % 6] as number })
        .catch(() => undefined);
      if (minted) sum += minted.claims.exp - minted.claims.iat;
    }
    expect(sum).toBeLessThanOrEqual(3_000);
    expect(sum).toBeGreaterThanOrEqual(2_850);
    expect(await drain(one)).toMatchObject({ made: 0, reason: 'budget_exhausted' });
  });

  test('different audiences are counted once each, over all processes', async () => {
    await setBudget(client, { fanOut: 3, windowSeconds: 60 });
    const at = (bench: BudgetBench, n: number) =>
      bench.mint(client, { audience: `${files}/${n}` }).then(
        () => 'made',
        (refusal: Refusal) => refusal.detail,
      );
    const asked = await Promise.all([1, 2, 3, 4, 5, 6].map((n) => at(n % 2 ? one : two, n)));
    expect(asked.filter((answer) => answer === 'made')).toHaveLength(3);
    expect(new Set(asked)).toEqual(
      new Set(['made', `the mint budget of client ${client} has no room for another audience in this window`]),
    );
    const known = asked.indexOf('made') + 1;
    expect([await at(one, known), await at(two, known), await at(two, known)]).toEqual(['made', 'made', 'made']);
    runtime.advance(60_000);
    expect(await at(one, 9)).toBe('made');
  });

  test('a chain that is too long is denied before anything is spent', async () => {
    await setBudget(client, { chainDepthMax: 1, tokensPerWindow: 1, windowSeconds: 60 });
    const [agent, host] = [`agent:${newId(runtime, 'agt')}`, `host:${newId(runtime, 'hst')}`] as const;
    const act = { sub: agent, act: { sub: host } };
    await expect(one.mint(client, { act })).rejects.toMatchObject({ reason: 'denied' });
    await one.mint(client, { act: { sub: host } });
  });
});

test('a token counts against agent, host and client, or against none of them', async () => {
  const [agentId, otherId, hostId] = [newId(runtime, 'agt'), newId(runtime, 'agt'), newId(runtime, 'hst')];
  const onHost = (agent: string) =>
    ({ subject: `agent:${agent}`, act: { sub: `host:${hostId}` } }) as Partial<MintRequest>;
  const window = { windowSeconds: 60 };
  await setBudget(agentId, { tokensPerWindow: 3, ...window });
  await setBudget(hostId, { tokensPerWindow: 8, ...window });
  await setBudget(client, { tokensPerWindow: 7, ...window });
  for (let i = 0; i < 3; i++) await one.mint(client, onHost(agentId));
  for (const bench of [one, two, one]) {
    expect((await drain(bench, onHost(agentId))).detail).toContain(`agent ${agentId} is used up`);
  }
  // What the refused ones had in hand of host and client is there for the other agent.
  expect(await drain(one, onHost(otherId))).toMatchObject({
    made: 4,
    detail: expect.stringContaining(`client ${client}`),
  });
  const another = newId(runtime, 'cli');
  await one.mint(another, onHost(otherId));
  await expect(one.mint(another, onHost(otherId))).rejects.toMatchObject({ detail: expect.stringContaining(hostId) });
});

describe('a budget that is changed', () => {
  test('holds from the next token on, in every process, lowered or raised', async () => {
    await setBudget(client, { tokensPerWindow: 1_000, windowSeconds: 60 });
    for (let i = 0; i < 30; i++) await (i % 2 ? one : two).mint(client);
    await setBudget(client, { tokensPerWindow: 20, windowSeconds: 60 });
    expect([(await drain(one)).made, (await drain(two)).made]).toEqual([0, 0]);
    await setBudget(client, { tokensPerWindow: 100, windowSeconds: 60 });
    const more = (await drain(one)).made + (await drain(two)).made;
    expect(more).toBeLessThanOrEqual(70);
    expect(more).toBeGreaterThan(0);
  });

  test('a budget that is set for the first time holds at once', async () => {
    await one.mint(client);
    await setBudget(client, { tokensPerWindow: 2, windowSeconds: 60 });
    expect((await drain(one)).made).toBe(2);
  });
});

describe('a token that is not made', () => {
  const refusal = new Refusal('invalid_grant', 'used before');
  const consume = async (tx: Parameters<NonNullable<Parameters<BudgetBench['mint']>[2]>['after'] & object>[0]) =>
    tx.consumeOnce({
      kind: 'test',
      digest: createHash('sha256').update(client).digest(),
      expiresAtMs: runtime.nowMs() + 60_000,
      refusal,
    });

  test('costs nothing when it is refused with its evidence', async () => {
    await setBudget(client, { tokensPerWindow: 3, windowSeconds: 60 });
    await one.mint(client, {}, { after: consume });
    for (let i = 0; i < 5; i++) await expect(one.mint(client, {}, { after: consume })).rejects.toBe(refusal);
    expect((await drain(one)).made).toBe(2);
    expect(await recorded()).toBe(3);
  });

  test('costs nothing when the state of the tenant has changed under its decision', async () => {
    await setBudget(client, { tokensPerWindow: 3, windowSeconds: 60 });
    let changes = 0;
    const after = async () => {
      if (changes++ < 2) await setBudget(newId(runtime, 'cli'), { chainDepthMax: 1 });
    };
    await one.mint(client, {}, { after });
    expect(changes).toBeGreaterThanOrEqual(3);
    expect((await drain(one)).made).toBe(2);
  });

  test('counts as made when nobody can say what the log holds', async () => {
    await setBudget(client, { tokensPerWindow: 3, windowSeconds: 60 });
    const after = () => Promise.reject(new Refusal('audit_unavailable', 'the connection was lost'));
    await expect(one.mint(client, {}, { after })).rejects.toMatchObject({ reason: 'audit_unavailable' });
    expect((await drain(one)).made).toBe(2);
  });

  test('is not made when no block can be reserved', async () => {
    await setBudget(client, { tokensPerWindow: 3, windowSeconds: 60 });
    const lost = new Refusal('unavailable', 'the database cannot be reached now');
    const database = Object.create(db.database, { forTenant: { value: () => Promise.reject(lost) } });
    // Decisions go to the real one: only the reservation fails.
    database.forDecision = db.database.forDecision.bind(db.database);
    const cut = openBudgetBench({ database, runtime, kek: testKek, tenantId });
    await expect(Promise.all([cut.mint(client), cut.mint(client)])).rejects.toBe(lost);
    expect(await recorded()).toBe(0);
  });

  test('is not made, whatever else is right, outside the place where budgets are spent', async () => {
    await setBudget(client, { tokensPerWindow: 3, windowSeconds: 60 });
    const careless = db.database.forDecision(tenantId, async (tx) =>
      one.minter.mint(tx, one.call, await one.minter.begin(tx), {
        ...{ subject: `client:${client}` as const, clientId: client, audience: files },
        ...{ scope: ['files:read'], ttlSeconds: 300 },
      }),
    );
    await expect(careless).rejects.toThrow(TypeError);
    expect(await recorded()).toBe(0);
  });
});
