import type { JsonObject } from '@bufbuild/protobuf';
import { AuthMethod, ClientKind, ClientService, type Manifest } from '@mono-auth/proto/monoauth/clients/v1/clients';
import {
  environmentOf,
  type environments,
  printClient,
  readManifestFile,
  refusePrivateKeys,
  requireAnswer,
} from '../../client-answer.ts';
import type { CliContext } from '../../context.ts';
import { readJsonObject, splitList } from '../../input.ts';
import { withClient } from '../../rpc.ts';
import { keepSecret, requireSecretPlace, type SecretFlags } from '../../secret-output.ts';

export interface CreateClientFlags extends SecretFlags {
  readonly name: string;
  readonly kind: keyof typeof kinds;
  readonly scope?: string;
  readonly aud?: string;
  readonly resource?: string;
  readonly jwksFile?: string;
  readonly manifestFile?: string;
  readonly environment?: (typeof environments)[number];
  readonly product?: string;
  readonly owner?: string;
  readonly submit: boolean;
  readonly approve: boolean;
}

const kinds = { machine: ClientKind.MACHINE, service: ClientKind.SERVICE, app: ClientKind.APP } as const;

export default async function createClient(this: CliContext, flags: CreateClientFlags): Promise<void> {
  const manifest = flags.manifestFile === undefined ? undefined : await readManifestFile(this, flags.manifestFile);
  const jwks = flags.jwksFile === undefined ? undefined : await readJsonObject(this, flags.jwksFile);
  refusePrivateKeys(jwks);
  const ask = () =>
    withClient(this, ClientService, (service) =>
      service.createClient({
        kind: kinds[flags.kind],
        name: flags.name,
        scopes: splitList(flags.scope),
        audiences: splitList(flags.aud),
        resource: flags.resource ?? '',
        ...(jwks && { jwks: jwks as JsonObject }),
        ...(manifest && { manifest }),
        environment: environmentOf(flags.environment),
        product: flags.product ?? '',
        ownerUserId: flags.owner ?? '',
        submit: flags.submit,
        approve: flags.approve,
        idempotencyKey: this.runtime.uuid(),
      }),
    );
  if (!hasSecret(manifest)) return printClient(this, flags, requireAnswer((await ask()).client, 'client'));
  requireSecretPlace(flags);
  const { answer, document } = await keepSecret(this, flags, ask);
  printClient(this, flags, requireAnswer(answer.client, 'client'), document);
}

function hasSecret(manifest: Manifest | undefined): boolean {
  const methods: (AuthMethod | undefined)[] = [AuthMethod.CLIENT_SECRET_BASIC, AuthMethod.CLIENT_SECRET_POST];
  return methods.includes(manifest?.authMethod);
}
