import { parseId } from '@mono-auth/core/ids';
import { ClientService } from '@mono-auth/proto/monoauth/clients/v1/clients';
import { printClient, requireAnswer } from '../../client-answer.ts';
import type { CliContext } from '../../context.ts';
import type { OutputFlags } from '../../output.ts';
import { withClient } from '../../rpc.ts';

export interface ReasonFlags extends OutputFlags {
  readonly reason: string;
}

export async function showClient(this: CliContext, flags: OutputFlags, text: string): Promise<void> {
  const id = parseId('cli', text, 'ID');
  const { client } = await withClient(this, ClientService, (service) => service.getClient({ id }));
  printClient(this, flags, requireAnswer(client, 'client'));
}

export async function suspendClient(this: CliContext, flags: ReasonFlags, text: string): Promise<void> {
  const request = { id: parseId('cli', text, 'ID'), reason: flags.reason };
  const { client } = await withClient(this, ClientService, (service) => service.suspendClient(request));
  printClient(this, flags, requireAnswer(client, 'client'));
}

export async function resumeClient(this: CliContext, flags: OutputFlags, text: string): Promise<void> {
  const id = parseId('cli', text, 'ID');
  const { client } = await withClient(this, ClientService, (service) => service.resumeClient({ id }));
  printClient(this, flags, requireAnswer(client, 'client'));
}

export async function retireClient(this: CliContext, flags: ReasonFlags, text: string): Promise<void> {
  const request = { id: parseId('cli', text, 'ID'), reason: flags.reason };
  const { client } = await withClient(this, ClientService, (service) => service.retireClient(request));
  printClient(this, flags, requireAnswer(client, 'client'));
}
