import { Refusal } from '@mono-auth/core/errors';
import type { CliContext } from './context.ts';
import { fillNewFile } from './new-file.ts';
import { type OutputFlags, say } from './output.ts';

/** Where a secret that is shown once goes. */
export interface SecretFlags extends OutputFlags {
  /** A new file, mode 0600. */
  readonly secretOut?: string;
  /** Into the JSON document, because the caller says so. */
  readonly showSecret: boolean;
}

/** @throws Refusal `invalid_request` before anything is asked of the server: a secret that has no place would be lost. */
export function requireSecretPlace(flags: SecretFlags): void {
  if (flags.secretOut !== undefined && flags.showSecret) {
    throw new Refusal('invalid_request', 'secret-out: not together with show-secret');
  }
  if (flags.showSecret && !flags.json) throw new Refusal('invalid_request', 'show-secret: only with json');
  if (flags.secretOut === undefined && !flags.showSecret) {
    throw new Refusal('invalid_request', 'secret-out: name a new file for the secret, or show-secret with json');
  }
}

/**
 * Runs a call that answers a secret, and puts that where the flags say. An empty one was answered to a repetition, which
 * cannot be shown it again.
 * @returns what the JSON document says about the secret, beside the call's answer.
 */
export async function keepSecret<T extends { readonly clientSecret: string }>(
  context: CliContext,
  flags: SecretFlags,
  ask: () => Promise<T>,
): Promise<{ answer: T; document: Record<string, string> }> {
  const asked = async () => {
    const answer = await ask();
    if (answer.clientSecret === '')
      throw new Refusal('unavailable', 'secret: the answer has none; rotate it once more');
    return answer;
  };
  const { secretOut } = flags;
  if (secretOut === undefined) {
    const answer = await asked();
    return { answer, document: { client_secret: answer.clientSecret } };
  }
  const answer = await fillNewFile(secretOut, async (file) => {
    const made = await asked();
    await file.writeFile(`${made.clientSecret}\n`);
    return made;
  });
  say(context, `secret in ${secretOut}`);
  return { answer, document: { client_secret_file: secretOut } };
}
