import { createHash } from 'node:crypto';
import { equalBytes, utf8 } from './encoding.ts';
import { Refusal } from './errors.ts';

/** A request with an idempotency key, as it is kept beside what it made. */
export interface KeyedRequest {
  readonly key: string;
  /** SHA-256, 32 bytes. */
  readonly digest: Uint8Array;
}

type Asked = Readonly<Record<string, string | number | readonly string[]>>;

/**
 * What is kept of a request, so that its repetition is told from another one under the same key: also when the object that
 * it made has been changed meanwhile.
 * @param asked every field that makes it another request, defaults filled in. Their order does not matter; that of a list does.
 * @returns undefined without a key.
 */
export function keyedRequest(key: string | undefined, asked: Asked): KeyedRequest | undefined {
  if (key === undefined) return undefined;
  const fields = Object.entries(asked).sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    key,
    digest: new Uint8Array(
      createHash('sha256')
        .update(utf8(JSON.stringify(fields)))
        .digest(),
    ),
  };
}

/**
 * @param kept what stands beside the object; null where an earlier release has written it.
 * @param looksAlike what the object itself says then.
 * @throws Refusal `invalid_request` unless it is the request that the key was used for first.
 */
export function checkRepetition(
  { digest }: KeyedRequest,
  kept: Uint8Array | null,
  what: string,
  looksAlike: () => boolean,
): void {
  if (kept === null ? looksAlike() : equalBytes(kept, digest)) return;
  throw new Refusal('invalid_request', `idempotency_key: was used for another ${what}`);
}
