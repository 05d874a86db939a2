/** One value as a thief finds it in a dump: the column where it stood and what stood there. */
export interface DumpedValue {
  readonly column: string;
  /** Text, the text of a JSON document, or bytes. */
  readonly value: string | Buffer;
}

/** Shorter texts are words and numbers: nobody's credential. */
const credentialCharsMin = 16;
/** Longer ones fit no header. */
const credentialCharsMax = 8_000;

/** Everything in a value that could be somebody's credential: its texts, and bytes in the forms in which they travel. */
export function credentialsIn({ value }: DumpedValue): string[] {
  const texts = typeof value === 'string' ? textsIn(JSON.parse(value)) : formsOf(value);
  return texts.filter(({ length }) => length >= credentialCharsMin && length <= credentialCharsMax);
}

function textsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsIn) : [];
}

function formsOf(bytes: Buffer): string[] {
  const readable = bytes.toString('latin1').match(/[\x21-\x7e]{16,}/g) ?? [];
  return [...readable, bytes.toString('base64url'), bytes.toString('base64'), bytes.toString('hex')];
}

/** The forms in which a secret can stand somewhere. */
export function formsOfSecret(secret: Uint8Array): Buffer[] {
  const bytes = Buffer.from(secret);
  return [bytes, ...(['hex', 'base64', 'base64url'] as const).map((form) => Buffer.from(bytes.toString(form)))];
}
