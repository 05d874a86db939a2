import { concatBytes, utf8 } from '@mono-auth/core/encoding';

/**
 * Bytes to hash or sign: a domain name, then every field as its length (32 bits, big-endian) and its bytes. Two
 * different lists of fields never make the same bytes, and nothing signed in one domain means anything in another.
 */
export function canonicalBytes(
  domain: string,
  fields: readonly (Uint8Array | string | number)[],
): Uint8Array<ArrayBuffer> {
  const parts = [domain, ...fields].map((field) => {
    if (typeof field === 'number') return uint64(field);
    return typeof field === 'string' ? utf8(field) : field;
  });
  return concatBytes(...parts.flatMap((part) => [uint32(part.length), part]));
}

/** Whether `value` can stand as a number in canonical bytes: exact, and not negative. */
export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function uint32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

function uint64(value: number): Uint8Array {
  if (!isCount(value)) throw new TypeError(`not an exact count: ${value}`);
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value));
  return bytes;
}
