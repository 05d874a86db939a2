import { readFile } from 'node:fs/promises';
import { Refusal } from '@mono-auth/core/errors';
import { bundle, note } from '@mono-auth/log-engine';
import type { CliContext } from '../../context.ts';
import { readSecret } from '../../input.ts';
import { type OutputFlags, print } from '../../output.ts';

export interface VerifyBundleFlags extends OutputFlags {
  readonly bundle: string;
  readonly vkey: string;
}

/** Verifies a bundle with the key given and nothing else: no server, no state, no trust in the file. */
export default async function verifyAudit(this: CliContext, flags: VerifyBundleFlags): Promise<void> {
  const key = note.parseVerifierKey(await readVerifierKey(this, flags.vkey));
  const bytes = await readFile(flags.bundle).catch((cause: NodeJS.ErrnoException) => {
    throw new Refusal('invalid_request', `${flags.bundle}: ${cause.code}`, { cause });
  });
  const report = bundle.verifyBundle(bytes, { vkeys: [key] });
  if (!report.verified) {
    if (flags.json) print(this, flags, report, []);
    throw new Refusal('verification_failed', `line ${report.line}: ${report.fault}: ${report.detail}`);
  }
  const { tenant, origin, from, to, size, root } = report;
  print(this, flags, report, [
    `verified  entries ${from} to ${to} (exclusive) of ${size}`,
    `log       ${origin}`,
    `tenant    ${tenant}`,
    `root      ${root}`,
  ]);
}

/** A vkey has a plus, which no sensible file name of one has: what reads as a key is one. */
async function readVerifierKey(context: CliContext, given: string): Promise<string> {
  return /^[^+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+$/.test(given) ? given : readSecret(context, given);
}
