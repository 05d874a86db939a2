import { concatBytes, hex, utf8 } from '@mono-auth/core/encoding';
import { Refusal } from '@mono-auth/core/errors';
import { base64, fromBase64 } from './base64.ts';
import { isKeyName, type VerifierKey, verifierKey, verifyEd25519 } from './verifier-key.ts';

export { formatVerifierKey, parseVerifierKey, type VerifierKey, verifierKey } from './verifier-key.ts';

/** Longest note, UTF-16 units: Go's reference implementation stops at a million bytes; ours are below 1 KiB. */
const noteCharsMax = 64 * 1024;
/** Most signatures on one note, the bound of Go's reference implementation. */
const signaturesMax = 100;
const signaturePrefix = '— ';

/** Signs the text of a note; the private key may sit behind a KMS. */
export interface NoteSigner {
  readonly name: string;
  /** Raw Ed25519 public key, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** Raw Ed25519 signature (64 bytes) of the message. */
  sign(message: Uint8Array): Uint8Array | Promise<Uint8Array>;
}

export interface NoteSignature {
  readonly name: string;
  readonly keyId: string;
  readonly signature: Uint8Array;
}

export interface Note {
  /** What is signed, its last newline included. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

/**
 * C2SP signed-note v1.0.0: the text, a blank line, one signature line.
 * @throws Refusal `invalid_request` when the text cannot be that of a note.
 */
export async function signNote(text: string, signer: NoteSigner): Promise<string> {
  if (!isNoteText(text)) throw new Refusal('invalid_request', 'note: lines without control characters, each ended');
  const { keyId } = verifierKey(signer.name, signer.publicKey);
  const signature = await signer.sign(utf8(text));
  return formatNote({ text, signatures: [{ name: signer.name, keyId, signature }] });
}

export function formatNote(note: Note): string {
  const lines = note.signatures.map(
    ({ name, keyId, signature }) =>
      `${signaturePrefix}${name} ${base64(concatBytes(Buffer.from(keyId, 'hex'), signature))}\n`,
  );
  return `${note.text}\n${lines.join('')}`;
}

/** @throws Refusal `verification_failed` when `source` is not a well-formed signed note. */
export function parseNote(source: string): Note {
  if (source.length > noteCharsMax) throw malformed('too long');
  const split = source.lastIndexOf('\n\n');
  const text = source.slice(0, split + 1);
  if (split < 0 || !isNoteText(text) || !source.endsWith('\n')) throw malformed('no text, blank line and signatures');
  const lines = source
    .slice(split + 2)
    .split('\n')
    .slice(0, -1);
  if (lines.length === 0 || lines.length > signaturesMax) throw malformed(`one to ${signaturesMax} signatures`);
  return { text, signatures: lines.map(parseSignatureLine) };
}

/**
 * Opens a note with the keys the caller trusts. Signatures by other keys are ignored (C2SP signed-note §Verifying),
 * a false signature by a trusted key is not.
 * @throws Refusal `verification_failed`.
 */
export function verifyNote(source: string, trusted: readonly VerifierKey[]): { note: Note; signedBy: VerifierKey[] } {
  const note = parseNote(source);
  const message = utf8(note.text);
  const signedBy: VerifierKey[] = [];
  for (const { name, keyId, signature } of note.signatures) {
    const candidates = trusted.filter((key) => key.name === name && key.keyId === keyId);
    if (candidates.length === 0) continue;
    const signer = candidates.find((key) => verifyEd25519(key, message, signature));
    if (signer === undefined) throw new Refusal('verification_failed', `note: false signature of ${name}`);
    signedBy.push(signer);
  }
  if (signedBy.length === 0) throw new Refusal('verification_failed', 'note: no signature by a trusted key');
  return { note, signedBy };
}

function parseSignatureLine(line: string): NoteSignature {
  const [name = '', encoded = '', ...more] = line.slice(signaturePrefix.length).split(' ');
  const bytes = fromBase64(encoded);
  const wellFormed = line.startsWith(signaturePrefix) && more.length === 0 && isKeyName(name);
  // Four bytes of key id and at least one of signature.
  if (!wellFormed || bytes === undefined || bytes.length < 5) throw malformed('signature line');
  return { name, keyId: hex(bytes.subarray(0, 4)), signature: bytes.subarray(4) };
}

/** C2SP signed-note: valid UTF-8, no ASCII control characters but newline, the last of which ends the text. */
function isNoteText(text: string): boolean {
  if (text.length < 2 || text.length > noteCharsMax || !text.endsWith('\n') || !text.isWellFormed()) return false;
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) < 0x20 && text[i] !== '\n') return false;
  }
  return true;
}

function malformed(what: string): Refusal {
  return new Refusal('verification_failed', `not a signed note: ${what}`);
}
