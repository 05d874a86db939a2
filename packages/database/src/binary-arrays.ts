import { type Id, type IdKind, writeUuid } from '@mono-auth/core/ids';

/**
 * Columns of rows as one-dimensional arrays in Postgres' binary form (array_recv in
 * https://github.com/postgres/postgres/blob/REL_18_STABLE/src/backend/utils/adt/arrayfuncs.c): the driver sends a Buffer as it
 * is. As text, every uuid would be spelled, every byte of an envelope written as two digits, and all of it read again.
 */

/** Object identifiers of the built-in types (pg_type.dat): the element type must be the one that the statement names. */
const oids = { bytea: 17, int8: 20, int2: 21, int4: 23, text: 25, uuid: 2950 } as const;

/** Dimensions, flags, element type, length, lower bound. */
const headerBytes = 20;
const lengthBytes = 4;
const uuidBytes = 16;
/** A UTF-16 code unit becomes at most three bytes of UTF-8. */
const bytesPerCharMax = 3;

export function uuidArray(ids: readonly Id<IdKind>[]): Buffer {
  return fixedArray(oids.uuid, ids, uuidBytes, (array, id, offset) => writeUuid(id, array, offset));
}

/** Whole numbers; what comes with a fraction, as a date of RFC 7519 may, is rounded up. */
export function bigintArray(values: readonly number[]): Buffer {
  return fixedArray(oids.int8, values, 8, (array, value, offset) => {
    array.writeBigInt64BE(BigInt(Math.min(Math.ceil(value), Number.MAX_SAFE_INTEGER)), offset);
  });
}

export function intArray(values: readonly number[]): Buffer {
  return fixedArray(oids.int4, values, 4, (array, value, offset) => array.writeInt32BE(value, offset));
}

export function smallintArray(values: readonly number[]): Buffer {
  return fixedArray(oids.int2, values, 2, (array, value, offset) => array.writeInt16BE(value, offset));
}

export function byteaArray(values: readonly Uint8Array[]): Buffer {
  let size = headerBytes;
  for (const value of values) size += lengthBytes + value.length;
  const array = newArray(oids.bytea, values.length, size);
  let offset = headerBytes;
  for (const value of values) {
    offset = array.writeInt32BE(value.length, offset);
    array.set(value, offset);
    offset += value.length;
  }
  return array;
}

export function textArray(values: readonly string[]): Buffer {
  let sizeMax = headerBytes;
  for (const value of values) sizeMax += lengthBytes + value.length * bytesPerCharMax;
  const array = newArray(oids.text, values.length, sizeMax);
  let offset = headerBytes;
  for (const value of values) {
    const written = array.write(value, offset + lengthBytes, 'utf8');
    array.writeInt32BE(written, offset);
    offset += lengthBytes + written;
  }
  return array.subarray(0, offset);
}

function fixedArray<T>(
  oid: number,
  values: readonly T[],
  bytes: number,
  write: (array: Buffer, value: T, offset: number) => void,
): Buffer {
  const array = newArray(oid, values.length, headerBytes + values.length * (lengthBytes + bytes));
  let offset = headerBytes;
  for (const value of values) {
    offset = array.writeInt32BE(bytes, offset);
    write(array, value, offset);
    offset += bytes;
  }
  return array;
}

/** An array without elements has one dimension all the same, of length 0. */
function newArray(oid: number, length: number, size: number): Buffer {
  const array = Buffer.allocUnsafe(size);
  const [dimensions, noNulls, lowerBound] = [1, 0, 1];
  array.writeInt32BE(dimensions, 0);
  array.writeInt32BE(noNulls, 4);
  array.writeInt32BE(oid, 8);
  array.writeInt32BE(length, 12);
  array.writeInt32BE(lowerBound, 16);
  return array;
}
