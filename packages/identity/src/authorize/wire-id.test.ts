import { randomBytes } from 'node:crypto';
import { idFromUuid } from '@mono-auth/core/ids';
import { openTestDatabase, type TestDatabase } from '@mono-auth/testing';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';

let db: TestDatabase;
beforeAll(async () => {
  db = await openTestDatabase();
});
afterAll(() => db.close());

test('the database writes an id as core/ids.ts does, for every uuid', async () => {
  const byte = fc.nat(255);
  const uuids = fc.sample(fc.array(byte, { minLength: 16, maxLength: 16 }), 500).map((bytes) => Buffer.from(bytes));
  uuids.push(Buffer.alloc(16), Buffer.alloc(16, 0xff), randomBytes(16));
  const texts = uuids.map((bytes) => bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-'));
  const rows = await db.admin<{ id: string; wire: string }>(
    `select id::text, mono.wire_id('cli', id) as wire from unnest($1::uuid[]) as id`,
    [texts],
  );
  expect(rows).toHaveLength(503);
  for (const { id, wire } of rows) expect(wire).toBe(idFromUuid('cli', id));
});
