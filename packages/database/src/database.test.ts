import { Refusal } from '@mono-auth/core/errors';
import { newId, type TenantId, uuidOf } from '@mono-auth/core/ids';
import { systemRuntime } from '@mono-auth/core/runtime';
import { openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AuditRow, Database, deriveDatabaseSecrets } from './index.ts';
import { TenantTx } from './tx.ts';

let db: TestDatabase;
let tenants: TenantId[];
let a: TenantId;
let b: TenantId;

beforeAll(async () => {
  db = await openTestDatabase();
  tenants = [];
  for (const slug of ['one', 'two', 'three', 'four']) tenants.push(await db.createTenantRow(slug));
  [a, b] = tenants as [TenantId, TenantId];
  // A table of this file's own, so that these tests hold whatever the capabilities' tables look like.
  await db.admin(`set role mono_owner;
    create table mono.notes (tenant_id uuid not null default mono.current_tenant_id(), id uuid not null, body text not null check (body <> ''),
      primary key (tenant_id, id));
    call mono.build_wall('mono.notes', 'select, insert, update, delete', 'select, insert');
    grant usage on schema mono to mono_identity`);
});
afterAll(() => db?.close());

async function write(tx: TenantTx, body: string): Promise<void> {
  await tx.sql`insert into mono.notes (id, body) values (${systemRuntime.uuid()}, ${body})`;
}

async function notes(body: string): Promise<number> {
  const rows = await db.admin('select id from mono.notes where body = $1', [body]);
  return rows.length;
}

/** Ends the backend with this pid, as an administrator or a fail-over does. */
async function terminate(pid: number): Promise<void> {
  await db.admin('select pg_terminate_backend($1, 5000)', [pid]);
}

async function pidOf(tx: TenantTx): Promise<number> {
  const [row] = await tx.sql<{ pid: number }>`select pg_backend_pid() as pid`;
  return row?.pid as number;
}

describe('a transaction of a tenant', () => {
  test('is kept as a whole, and rolled back as a whole when its work throws', async () => {
    await db.database.forTenant(a, (tx) => write(tx, 'kept'));
    const failed = db.database.forTenant(a, async (tx) => {
      await write(tx, 'dropped');
      throw new Refusal('denied', 'no');
    });
    await expect(failed).rejects.toThrow(Refusal);
    expect([await notes('kept'), await notes('dropped')]).toEqual([1, 0]);
  });

  test('leaves no tenant behind on its connection, neither by commit nor by rollback', async () => {
    const database = openDatabase(1);
    for (const fail of [false, true]) {
      let pid = 0;
      const work = database.forTenant(a, async (tx) => {
        pid = await pidOf(tx);
        if (fail) throw new Error('fails');
      });
      await work.catch(() => {});
      const left = await database.forTenant(b, async (tx) => {
        expect(await pidOf(tx)).toBe(pid);
        await tx.sql`rollback`;
        await expect(tx.sql`select tenant_id from mono.notes`).rejects.toThrow('no tenant is set');
        return tx.sql`select current_setting('app.tenant_id', true) as setting`;
      });
      expect(left).toEqual([{ setting: '' }]);
    }
    await database.close();
  });

  test('does not nest, whatever the inner one is for', async () => {
    const { database } = db;
    const inner: ((tx: unknown) => Promise<unknown>)[] = [
      () => database.forTenant(b, async () => {}),
      () => database.forTenant(a, async () => {}),
      () => database.forPlatform('test', async () => {}),
    ];
    for (const nested of inner) {
      await expect(database.forTenant(a, nested)).rejects.toThrow('transactions do not nest');
    }
    await expect(database.forPlatform('test', () => database.forTenant(a, async () => {}))).rejects.toThrow(
      'do not nest',
    );
  });

  test.each([false, true])('is dead after its end: no statement, no effect (its work threw: %s)', async (fail) => {
    const escaped: TenantTx[] = [];
    const work = db.database.forTenant(a, async (tx) => {
      escaped.push(tx);
      if (fail) throw new Error('fails');
    });
    await work.catch(() => {});
    const [tx] = escaped as [TenantTx];
    await expect(tx.sql`select 1`).rejects.toThrow('the transaction has ended');
    await expect(tx.appendAudit([])).rejects.toThrow('the transaction has ended');
    expect(() => tx.afterCommit(() => {})).toThrow('the transaction has ended');
  });

  test('has a handle that nobody can forge', () => {
    const forge = TenantTx as unknown as new (...args: unknown[]) => TenantTx;
    for (const proof of [undefined, Symbol('transaction'), {}]) {
      expect(() => new forge(proof, { query: () => {} }, a)).toThrow('cannot be forged');
    }
    const imitation = Object.create(TenantTx.prototype) as TenantTx;
    expect(() => imitation.afterCommit(() => {})).toThrow(TypeError);
  });

  test('answers an error, not success, when a swallowed error has aborted it', async () => {
    const aborted = db.database.forTenant(a, async (tx) => {
      await write(tx, 'aborted');
      await write(tx, '').catch(() => {});
      return 'success';
    });
    await expect(aborted).rejects.toMatchObject({
      reason: 'internal',
      cause: new Error('the transaction was aborted'),
    });
    expect(await notes('aborted')).toBe(0);
  });

  test('keeps the order of statements that do not wait for each other, and nothing of any when one of them fails', async () => {
    const order = await db.database.forTenant(a, async (tx) => {
      const [, seen] = await Promise.all([
        write(tx, 'first'),
        tx.sql`select body from mono.notes where body = 'first'`,
      ]);
      return seen;
    });
    expect(order).toHaveLength(1);
    const failed = db.database.forTenant(a, (tx) =>
      Promise.all([write(tx, 'together'), write(tx, ''), write(tx, 'too')]),
    );
    await expect(failed).rejects.toMatchObject({ code: expect.stringMatching(/^2/) });
    expect((await notes('together')) + (await notes('too'))).toBe(0);
    expect(await notes('first')).toBe(1);
  });

  test('survives a lost connection: the caller gets an error, the process lives and the next call works', async () => {
    const errors: unknown[] = [];
    const database = openDatabase(1, (error) => errors.push(error));
    const lost = database.forTenant(a, async (tx) => {
      await write(tx, 'lost');
      await terminate(await pidOf(tx));
      await write(tx, 'lost');
    });
    await expect(lost).rejects.toMatchObject({ reason: 'unavailable' });

    // Between two statements nobody waits on the connection: its loss is an event, which must not end the process.
    errors.length = 0;
    const lostIdle = database.forTenant(a, async (tx) => {
      await terminate(await pidOf(tx));
      await expect.poll(() => errors.length).toBeGreaterThan(0);
    });
    await expect(lostIdle).rejects.toThrow();
    expect(await notes('lost')).toBe(0);
    await database.forTenant(a, (tx) => write(tx, 'next'));
    expect(await notes('next')).toBe(1);
    await database.close();
  });

  test('200 interleaved transactions of 4 tenants never see a row of another', async () => {
    for (const tenantId of tenants) await db.database.forTenant(tenantId, (tx) => write(tx, `of ${tenantId}`));
    const seen = await Promise.all(
      Array.from({ length: 200 }, async (_, i) => {
        const tenantId = tenants[i % tenants.length] as TenantId;
        const rows = await db.database.forTenant(tenantId, async (tx) => {
          await tx.sql`select pg_sleep(0.001)`;
          return tx.sql<{ tenant_id: string }>`select tenant_id from mono.notes`;
        });
        return { right: rows.length > 0 && rows.every((row) => row.tenant_id === uuidOf(tenantId)) };
      }),
    );
    expect(seen.filter(({ right }) => !right)).toEqual([]);
  });

  test('an unreachable database is a refusal that may be retried', async () => {
    const closedPort = new Database({ url: 'postgres://127.0.0.1:1/none', secrets: deriveDatabaseSecrets(testKek) });
    await expect(closedPort.forTenant(a, async () => {})).rejects.toMatchObject({ reason: 'unavailable' });
    expect(await closedPort.ping()).toBe(false);
    await closedPort.close();
  });
});

describe('an effect after the commit', () => {
  test('runs once, in order, when the change can be seen, and may use the database', async () => {
    const ran: string[] = [];
    const answer = await db.database.forTenant(a, async (tx) => {
      await write(tx, 'effect');
      tx.afterCommit(async () => {
        ran.push(`${await notes('effect')}`);
      });
      tx.afterCommit(() => db.database.forTenant(b, async () => void ran.push('nested no more')));
      expect(ran).toEqual([]);
      return 'answer';
    });
    expect([answer, ...ran]).toEqual(['answer', '1', 'nested no more']);
  });

  test('never runs when the work throws, when it was aborted, or when the commit fails', async () => {
    await db.admin(`alter table mono.notes add column next uuid;
      alter table mono.notes add foreign key (tenant_id, next) references mono.notes (tenant_id, id) deferrable initially deferred`);
    const ran: string[] = [];
    const failures: Record<string, (tx: TenantTx) => Promise<unknown>> = {
      thrown: () => Promise.reject(new Error('fails')),
      aborted: (tx) => write(tx, '').catch(() => {}),
      'refused by the commit': (tx) =>
        tx.sql`insert into mono.notes (id, body, next) values (${systemRuntime.uuid()}, 'dangling', ${systemRuntime.uuid()})`,
    };
    for (const [what, fail] of Object.entries(failures)) {
      const failed = db.database.forTenant(a, async (tx) => {
        tx.afterCommit(() => void ran.push(what));
        await fail(tx);
      });
      await expect(failed, what).rejects.toThrow();
    }
    expect(ran).toEqual([]);
  });

  test('is a hint: its failure is reported, the next one runs and the answer stands', async () => {
    const errors: unknown[] = [];
    const database = openDatabase(1, (error) => errors.push(error));
    let ran = false;
    const answer = await database.forTenant(a, async (tx) => {
      tx.afterCommit(() => Promise.reject(new Error('no wake-up')));
      tx.afterCommit(() => {
        ran = true;
      });
      return 'answer';
    });
    expect({ answer, ran, errors }).toEqual({ answer: 'answer', ran: true, errors: [new Error('no wake-up')] });
    await database.close();
  });
});

describe('the audit writer', () => {
  test('refuses with audit_unavailable when the rows cannot be written', async () => {
    const row = auditRow(a);
    await db.database.appendAudit([row]);
    await expect(db.database.appendAudit([row])).rejects.toMatchObject({ reason: 'audit_unavailable' });
  });

  test('a transaction writes audit rows of its own tenant and of no other', async () => {
    await db.database.forTenant(a, (tx) => tx.appendAudit([auditRow(a)]));
    const mixed = db.database.forTenant(a, (tx) => tx.appendAudit([auditRow(a), auditRow(b)]));
    await expect(mixed).rejects.toThrow('row-level security');
  });
});

describe('a listener', () => {
  test('hears its channel, and is told to read again after its connection was lost', async () => {
    const heard: string[] = [];
    const stop = await db.database.listen('mono_test', (payload) => heard.push(payload));
    await db.database.notify('mono_test', 'first');
    await expect.poll(() => heard).toEqual(['first']);

    const [backend] = await db.admin<{ pid: number }>(
      `select pid from pg_stat_activity where datname = current_database() and query like 'listen%'`,
    );
    await terminate(backend?.pid as number);
    await expect.poll(() => heard).toEqual(['first', '']);
    await db.database.notify('mono_test', 'second');
    await expect.poll(() => heard).toEqual(['first', '', 'second']);
    stop();
    await db.database.notify('mono_test', 'unheard');
    await db.database.notify('mono_test', 'unheard');
    expect(heard).toEqual(['first', '', 'second']);
  });

  test('a listener that throws silences no other', async () => {
    const heard: string[] = [];
    await db.database.listen('mono_throws', () => {
      throw new Error('fails');
    });
    await db.database.listen('mono_throws', (payload) => heard.push(payload));
    await db.database.notify('mono_throws', 'x');
    await expect.poll(() => heard).toEqual(['x']);
  });

  test('a first connection that failed is tried again by the next caller', async () => {
    const database = openDatabase(1);
    await db.admin(`alter database ${await databaseName()} connection limit 0`);
    await expect(database.listen('mono_test', () => {})).rejects.toThrow();
    await db.admin(`alter database ${await databaseName()} connection limit -1`);
    const heard: string[] = [];
    await database.listen('mono_test', (payload) => heard.push(payload));
    await database.notify('mono_test', 'x');
    await expect.poll(() => heard).toEqual(['x']);
    await database.close();
  });

  test('a name that is not a channel never reaches SQL', async () => {
    await expect(db.database.listen('x; drop table mono.notes', () => {})).rejects.toThrow('not a channel name');
  });
});

function auditRow(tenantId: TenantId): AuditRow {
  return {
    tenantId,
    id: newId(systemRuntime, 'evt'),
    occurredAtMs: 0,
    type: 'host.enrolled',
    outcome: 1,
    actor: 'system:platform',
    objectKind: 'host',
    objectId: 'x',
    envelope: new Uint8Array([1]),
  };
}

async function databaseName(): Promise<string> {
  const [row] = await db.admin<{ name: string }>('select current_database() as name');
  return row?.name as string;
}

function openDatabase(poolSize: number, onBackgroundError: (error: unknown) => void = () => {}): Database {
  return new Database({ url: db.url, secrets: deriveDatabaseSecrets(testKek), poolSize, onBackgroundError });
}
