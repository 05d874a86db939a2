import { newId, uuidOf } from '@mono-auth/core/ids';
import { systemRuntime } from '@mono-auth/core/runtime';
import { openTestDatabase, type TestDatabase } from '@mono-auth/testing';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bigintArray, byteaArray, intArray, smallintArray, textArray, uuidArray } from './binary-arrays.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await openTestDatabase();
});
afterAll(() => db.close());

/** What Postgres reads of arrays, each element in its own text form. */
async function read(type: string, array: Buffer): Promise<(string | null)[]> {
  const rows = await db.admin<{ value: string | null }>(
    `select value::text as value from unnest($1::${type}[]) with ordinality as element (value, place) order by place`,
    [array],
  );
  return rows.map(({ value }) => value);
}

/** Postgres has no text with a zero byte, and half of a surrogate pair has no UTF-8. */
const text = fc.string({ unit: 'grapheme' }).filter((value) => !value.includes('\0'));

test('Postgres reads every text as it was written, in any script and of any length', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(text), async (values) => {
      expect(await read('text', textArray(values))).toEqual(values);
    }),
    { numRuns: 50 },
  );
});

test('Postgres reads every byte of a bytea, and how many there are', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.uint8Array()), async (values) => {
      const expected = values.map((value) => `\\x${Buffer.from(value).toString('hex')}`);
      expect(await read('bytea', byteaArray(values))).toEqual(expected);
    }),
    { numRuns: 50 },
  );
});

test('Postgres reads the uuid of every id', async () => {
  const ids = Array.from({ length: 100 }, () => newId(systemRuntime, 'evt'));
  expect(await read('uuid', uuidArray(ids))).toEqual(ids.map(uuidOf));
});

test('Postgres reads numbers of every size, negative ones too, and a fraction rounded up', async () => {
  expect(await read('bigint', bigintArray([0, -1, 1_795_000_000_000, Number.MAX_SAFE_INTEGER, 1.25]))).toEqual([
    ...['0', '-1', '1795000000000', '9007199254740991', '2'],
  ]);
  expect(await read('int', intArray([0, -1, 2 ** 31 - 1]))).toEqual(['0', '-1', '2147483647']);
  expect(await read('smallint', smallintArray([0, -1, 32_767]))).toEqual(['0', '-1', '32767']);
});

test.each([
  ['text', textArray([])],
  ['bytea', byteaArray([])],
  ['uuid', uuidArray([])],
  ['bigint', bigintArray([])],
])('an array of %s without elements has none', async (type, array) => {
  expect(await read(type, array)).toEqual([]);
});

test('an array of one type is never read as another', async () => {
  await expect(read('text', uuidArray([newId(systemRuntime, 'evt')]))).rejects.toThrow(/instead of expected/);
});
