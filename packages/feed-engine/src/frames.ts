import { base64url, concatBytes, fromBase64url, utf8 } from '@mono-auth/core/encoding';
import { hashBytes } from './chain.ts';
import type { FeedPosition } from './cursor.ts';

/**
 * A message in its frame: flags 0 (neither compressed nor the last), its length (32 bits, big-endian), the message.
 * Connect streaming, gRPC and gRPC-Web share it, in binary and in JSON.
 */
export function envelope(message: Uint8Array): Uint8Array<ArrayBuffer> {
  const prefix = new Uint8Array(5);
  new DataView(prefix.buffer).setUint32(1, message.length);
  return concatBytes(prefix, message);
}

/** An event of an event stream (HTML §9.2.6). `data` is one line of JSON; `id` is where the consumer stands after it. */
export function serverSentEvent(event: string, position: FeedPosition, data: string): Uint8Array<ArrayBuffer> {
  return utf8(`event: ${event}\nid: ${cursorText(position)}\ndata: ${data}\n\n`);
}

/** A cursor as text: `incarnation.seq.hash`, the hash in base64url. */
export function cursorText({ incarnation, seq, hash }: FeedPosition): string {
  return `${incarnation}.${seq}.${base64url(hash)}`;
}

const cursorSyntax = /^(\d{1,15})\.(\d{1,15})\.([A-Za-z0-9_-]{43})$/;

/** Reads what `cursorText` wrote; undefined when it is nothing of the kind. */
export function parseCursorText(text: string): FeedPosition | undefined {
  const [, incarnation, seq, hash] = cursorSyntax.exec(text) ?? [];
  if (incarnation === undefined || seq === undefined || hash === undefined) return undefined;
  try {
    const bytes = fromBase64url(hash);
    return bytes.length === hashBytes ? { incarnation: Number(incarnation), seq: Number(seq), hash: bytes } : undefined;
  } catch {
    // The last character says more than 32 bytes hold.
    return undefined;
  }
}
