import { type JsonObject, toJson } from '@bufbuild/protobuf';
import { Refusal } from '@mono-auth/core/errors';
import { ClientKind, ClientSchema, ClientService } from '@mono-auth/proto/monoauth/clients/v1/clients';
import type { CliContext } from '../../context.ts';
import { readJsonObject, splitList } from '../../input.ts';
import { type OutputFlags, print } from '../../output.ts';
import { withClient } from '../../rpc.ts';

export interface CreateClientFlags extends OutputFlags {
  readonly name: string;
  readonly kind: 'machine' | 'service';
  readonly scope?: string;
  readonly aud?: string;
  readonly resource?: string;
  readonly jwksFile: string;
}

export default async function createClient(this: CliContext, flags: CreateClientFlags): Promise<void> {
  const jwks = await readJsonObject(this, flags.jwksFile);
  refusePrivateKeys(jwks);
  const { client } = await withClient(this, ClientService, (service) =>
    service.createClient({
      kind: flags.kind === 'service' ? ClientKind.SERVICE : ClientKind.MACHINE,
      name: flags.name,
      scopes: splitList(flags.scope),
      audiences: splitList(flags.aud),
      resource: flags.resource ?? '',
      jwks: jwks as JsonObject,
      idempotencyKey: this.runtime.uuid(),
    }),
  );
  if (!client) throw new Refusal('unavailable', 'client: the answer has none');
  print(this, flags, { client: toJson(ClientSchema, client) }, [
    `client  ${client.id}`,
    `name    ${client.name}`,
    `scope   ${client.scopes.join(' ')}`,
  ]);
}

/** The server refuses private keys too, but by then one would have left this machine. */
function refusePrivateKeys(jwks: Record<string, unknown>): void {
  const keys = Array.isArray(jwks.keys) ? (jwks.keys as unknown[]) : [];
  const secret = keys.some((key) => typeof key === 'object' && key !== null && ('d' in key || 'k' in key));
  if (secret) throw new Refusal('invalid_request', 'jwks-file: holds a private key; send the public ones alone');
}
