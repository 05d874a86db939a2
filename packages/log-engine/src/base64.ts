/** Standard base64 with padding (RFC 4648 §4), the encoding of notes, checkpoints and bundles. */
export function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}

/** The bytes, or undefined unless `text` is the one canonical encoding of them. */
export function fromBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  const bytes = new Uint8Array(Buffer.from(text, 'base64'));
  return base64(bytes) === text ? bytes : undefined;
}
