import { readFileSync } from 'node:fs';
import { fromBase64url } from '@mono-auth/core/encoding';
import { kekBytes } from './kms.ts';

const allowed = `allowed: ${kekBytes} bytes as base64url without padding (43 characters), or file:<path> of a file that holds them`;

/**
 * Reads the key-encryption key from `MONO_KEK` (the key itself, or `file:<path>`) or `MONO_KEK_FILE` (a path).
 * @throws Error of one line that says which variable, why, and what is allowed; never a part of the value.
 */
export function readKek(env: Readonly<Record<string, string | undefined>>): Uint8Array {
  const { MONO_KEK: value, MONO_KEK_FILE: path } = env;
  if (value && path) throw new Error('MONO_KEK and MONO_KEK_FILE are both set; set one of them');
  if (path) return readKekFile('MONO_KEK_FILE', path);
  if (!value) throw new Error(`MONO_KEK is not set; ${allowed}`);
  return value.startsWith('file:')
    ? readKekFile('MONO_KEK', value.slice('file:'.length))
    : decodeKek('MONO_KEK', value);
}

function readKekFile(variable: string, path: string): Uint8Array {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new Error(`${variable}: ${path} cannot be read (${(error as NodeJS.ErrnoException).code}); ${allowed}`);
  }
  return decodeKek(variable, text.trim());
}

function decodeKek(variable: string, text: string): Uint8Array {
  let bytes: Uint8Array;
  try {
    bytes = fromBase64url(text);
  } catch {
    throw new Error(`${variable}: not base64url; ${allowed}`);
  }
  if (bytes.length !== kekBytes) throw new Error(`${variable}: ${bytes.length} bytes; ${allowed}`);
  return bytes;
}
