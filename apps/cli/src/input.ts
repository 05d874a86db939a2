import { readFile, stat } from 'node:fs/promises';
import { Refusal } from '@mono-auth/core/errors';
import type { CliContext } from './context.ts';

/** Longest secret, token or document on the command line's side, bytes: a policy context or a JWK set is far below. */
const inputBytesMax = 256 * 1024;

/**
 * The text of a file, or of standard input for `-`. Secrets come this way alone: argv is in the shell's history and in
 * everybody's process list.
 * @throws Refusal `invalid_request`.
 */
async function readInput(context: CliContext, source: string): Promise<string> {
  const text = source === '-' ? await context.readStdin() : await readText(source);
  if (Buffer.byteLength(text) > inputBytesMax)
    throw new Refusal('too_large', `${source}: more than ${inputBytesMax} bytes`);
  return text;
}

/** A secret: one line, whose end does not belong to it. */
export async function readSecret(context: CliContext, source: string): Promise<string> {
  const secret = (await readInput(context, source)).replace(/\r?\n$/, '');
  if (secret === '') throw new Refusal('invalid_request', `${nameOf(source)}: is empty`);
  if (secret.includes('\n')) throw new Refusal('invalid_request', `${nameOf(source)}: has more than one line`);
  return secret;
}

/** @throws Refusal `invalid_request` when it is not a JSON object. */
export async function readJsonObject(context: CliContext, source: string): Promise<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(await readInput(context, source));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch (cause) {
    if (cause instanceof Refusal) throw cause;
  }
  throw new Refusal('invalid_request', `${nameOf(source)}: not a JSON object`);
}

/** A scope or a list of audiences as one argument: values with spaces between. */
export function splitList(text: string | undefined): string[] {
  return text?.split(/\s+/).filter((value) => value !== '') ?? [];
}

async function readText(path: string): Promise<string> {
  try {
    if ((await stat(path)).size > inputBytesMax)
      throw new Refusal('too_large', `${path}: more than ${inputBytesMax} bytes`);
    return await readFile(path, 'utf8');
  } catch (cause) {
    if (cause instanceof Refusal) throw cause;
    throw new Refusal('invalid_request', `${path}: ${(cause as NodeJS.ErrnoException).code ?? 'cannot be read'}`, {
      cause,
    });
  }
}

function nameOf(source: string): string {
  return source === '-' ? 'standard input' : source;
}
