import { toJson } from '@bufbuild/protobuf';
import { parseId } from '@mono-auth/core/ids';
import { ClientSecretSchema, ClientService } from '@mono-auth/proto/monoauth/clients/v1/clients';
import { printClient, requireAnswer } from '../../client-answer.ts';
import type { CliContext } from '../../context.ts';
import { type OutputFlags, print } from '../../output.ts';
import { withClient } from '../../rpc.ts';
import { keepSecret, requireSecretPlace, type SecretFlags } from '../../secret-output.ts';

export interface RotateFlags extends SecretFlags {
  readonly overlap?: number;
  readonly ttl?: number;
}

export async function rotateSecret(this: CliContext, flags: RotateFlags, text: string): Promise<void> {
  const request = {
    id: parseId('cli', text, 'ID'),
    overlapSeconds: flags.overlap ?? 0,
    ttlSeconds: flags.ttl ?? 0,
    idempotencyKey: this.runtime.uuid(),
  };
  requireSecretPlace(flags);
  const { answer, document } = await keepSecret(this, flags, () =>
    withClient(this, ClientService, (service) => service.rotateSecret(request)),
  );
  const secret = requireAnswer(answer.secret, 'secret');
  print(this, flags, { secret: toJson(ClientSecretSchema, secret), ...document }, [secret.id]);
}

export async function retireSecret(
  this: CliContext,
  flags: OutputFlags,
  text: string,
  secretText: string,
): Promise<void> {
  const request = { id: parseId('cli', text, 'ID'), secretId: parseId('sec', secretText, 'SECRET') };
  const { client } = await withClient(this, ClientService, (service) => service.retireSecret(request));
  printClient(this, flags, requireAnswer(client, 'client'));
}
