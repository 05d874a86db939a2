import { equalBytes, utf8 } from '@mono-auth/core/encoding';
import { makeSignature } from 'better-auth/crypto';

/**
 * Whether Better Auth signed this query and it has not expired. It looks itself again before it makes a code; this look
 * keeps the page from showing what nobody asked.
 */
export async function isSignedQuery(query: URLSearchParams, secret: string, nowMs: number): Promise<boolean> {
  const [signature = '', ...others] = query.getAll('sig');
  const rest = new URLSearchParams(query);
  rest.delete('sig');
  const entries = [...rest].sort(([a, x], [b, y]) => compare(a, b) || compare(x, y));
  const expected = await makeSignature(new URLSearchParams(entries).toString(), secret);
  return others.length === 0 && equalBytes(utf8(expected), utf8(signature)) && Number(query.get('exp')) * 1000 > nowMs;
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
