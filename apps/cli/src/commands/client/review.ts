import { parseId } from '@mono-auth/core/ids';
import { ClientService } from '@mono-auth/proto/monoauth/clients/v1/clients';
import { printClient, readManifestFile, requireAnswer } from '../../client-answer.ts';
import type { CliContext } from '../../context.ts';
import type { OutputFlags } from '../../output.ts';
import { withClient } from '../../rpc.ts';
import type { ReasonFlags } from './life.ts';

export interface SubmitFlags extends OutputFlags {
  readonly hash?: string;
}

export interface ApproveFlags extends OutputFlags {
  readonly hash: string;
}

export interface UpdateFlags extends OutputFlags {
  readonly manifestFile: string;
  readonly version: number;
  readonly owner?: string;
  readonly submit: boolean;
}

export async function submitClient(this: CliContext, flags: SubmitFlags, text: string): Promise<void> {
  const request = { id: parseId('cli', text, 'ID'), proposedHash: flags.hash ?? '' };
  const { client } = await withClient(this, ClientService, (service) => service.submitClient(request));
  printClient(this, flags, requireAnswer(client, 'client'));
}

/** The hash is what was looked at: nobody approves what has been changed meanwhile. */
export async function approveClient(this: CliContext, flags: ApproveFlags, text: string): Promise<void> {
  const request = { id: parseId('cli', text, 'ID'), manifestHash: flags.hash };
  const { client } = await withClient(this, ClientService, (service) => service.approveClient(request));
  printClient(this, flags, requireAnswer(client, 'client'));
}

export async function rejectClient(this: CliContext, flags: ReasonFlags, text: string): Promise<void> {
  const request = { id: parseId('cli', text, 'ID'), reason: flags.reason };
  const { client } = await withClient(this, ClientService, (service) => service.rejectClient(request));
  printClient(this, flags, requireAnswer(client, 'client'));
}

export async function updateClient(this: CliContext, flags: UpdateFlags, text: string): Promise<void> {
  const request = {
    id: parseId('cli', text, 'ID'),
    version: BigInt(flags.version),
    manifest: await readManifestFile(this, flags.manifestFile),
    ownerUserId: flags.owner ?? '',
    submit: flags.submit,
  };
  const { client } = await withClient(this, ClientService, (service) => service.updateClient(request));
  printClient(this, flags, requireAnswer(client, 'client'));
}
