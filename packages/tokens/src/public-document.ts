import { base64url, utf8 } from '@mono-auth/core/encoding';
import type { Context } from 'hono';

/** How long verifiers may hold keys and metadata, seconds: a rotation overlaps far longer, a new key is seen soon. */
const publicMaxAgeSeconds = 300;

/** A document that anybody may hold for a while (RFC 9111 §5.2.2, RFC 9110 §8.8.3). */
export async function publicDocument(c: Context, contentType: string, document: unknown): Promise<Response> {
  const text = JSON.stringify(document);
  const etag = `"${base64url(new Uint8Array(await crypto.subtle.digest('SHA-256', utf8(text))))}"`;
  const headers = { etag, 'cache-control': `public, max-age=${publicMaxAgeSeconds}` };
  const known = c.req.header('if-none-match')?.split(/\s*,\s*/) ?? [];
  if (known.some((tag) => tag === '*' || tag.replace(/^W\//, '') === etag)) return c.body(null, 304, headers);
  return c.body(text, 200, { ...headers, 'content-type': contentType });
}
