import { textOf } from '@mono-auth/core/encoding';
import { Refusal } from '@mono-auth/core/errors';
import type { Fetch } from './rpc-transport.ts';

/** Longest discovery document, key set or token answer, bytes: ours stay below 16 KiB. */
const documentBytesMax = 256 * 1024;
/** Longest wait for one of them, milliseconds. */
const fetchTimeoutMs = 10_000;

export interface JsonAnswer {
  readonly status: number;
  /** Undefined when the body is no JSON. */
  readonly body: unknown;
}

/**
 * One HTTP exchange with a JSON answer. Redirects are refused: keys and tokens come from the named place or from nowhere.
 * @throws Refusal `unavailable` or `deadline_exceeded` when there is no answer, `too_large` when there is too much of it.
 */
export async function fetchJson(fetch: Fetch, url: string, init: RequestInit = {}): Promise<JsonAnswer> {
  const headers = new Headers(init.headers);
  headers.set('accept', 'application/json');
  try {
    const response = await fetch(url, {
      ...init,
      headers,
      redirect: 'error',
      signal: AbortSignal.timeout(fetchTimeoutMs),
    });
    return { status: response.status, body: parse(await readLimited(response)) };
  } catch (cause) {
    if (cause instanceof Refusal) throw cause;
    const late = cause instanceof Error && cause.name === 'TimeoutError';
    throw new Refusal(late ? 'deadline_exceeded' : 'unavailable', `no answer from ${new URL(url).host}`, { cause });
  }
}

async function readLimited(response: Response): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > documentBytesMax) throw new Refusal('too_large', `answer: more than ${documentBytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(textOf(bytes));
  } catch {
    return undefined;
  }
}
