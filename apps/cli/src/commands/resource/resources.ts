import { toJson } from '@bufbuild/protobuf';
import {
  ClientService,
  Environment,
  type Resource,
  ResourceSchema,
} from '@mono-auth/proto/monoauth/clients/v1/clients';
import { environmentOf, type environments, requireAnswer } from '../../client-answer.ts';
import type { CliContext } from '../../context.ts';
import { splitList } from '../../input.ts';
import { type OutputFlags, print, table, wordOf } from '../../output.ts';
import { collectPages, withClient } from '../../rpc.ts';

interface Changeable extends OutputFlags {
  readonly name: string;
  readonly scope?: string;
  readonly ttl?: number;
  readonly dpop: boolean;
  readonly default: boolean;
}

export interface CreateResourceFlags extends Changeable {
  readonly environment?: (typeof environments)[number];
  readonly product?: string;
}

export interface UpdateResourceFlags extends Changeable {
  readonly version: number;
}

const changeOf = (flags: Changeable) => ({
  name: flags.name,
  scopes: splitList(flags.scope),
  accessTokenTtlSeconds: flags.ttl ?? 0,
  dpopRequired: flags.dpop,
  isDefault: flags.default,
});

export async function createResource(this: CliContext, flags: CreateResourceFlags, identifier: string): Promise<void> {
  const request = {
    identifier,
    ...changeOf(flags),
    environment: environmentOf(flags.environment),
    product: flags.product ?? '',
    idempotencyKey: this.runtime.uuid(),
  };
  const { resource } = await withClient(this, ClientService, (service) => service.createResource(request));
  printResource(this, flags, resource);
}

export async function showResource(this: CliContext, flags: OutputFlags, identifier: string): Promise<void> {
  const { resource } = await withClient(this, ClientService, (service) => service.getResource({ identifier }));
  printResource(this, flags, resource);
}

export async function updateResource(this: CliContext, flags: UpdateResourceFlags, identifier: string): Promise<void> {
  const request = { identifier, ...changeOf(flags), version: BigInt(flags.version) };
  const { resource } = await withClient(this, ClientService, (service) => service.updateResource(request));
  printResource(this, flags, resource);
}

export async function retireResource(this: CliContext, flags: OutputFlags, identifier: string): Promise<void> {
  const { resource } = await withClient(this, ClientService, (service) => service.retireResource({ identifier }));
  printResource(this, flags, resource);
}

export async function listResources(this: CliContext, flags: OutputFlags): Promise<void> {
  const resources = await withClient(this, ClientService, (service) =>
    collectPages(async (pageToken) => {
      const { resources: items, nextPageToken } = await service.listResources({ pageToken });
      return { items, nextPageToken };
    }),
  );
  const rows = resources.map((resource) => [
    resource.identifier,
    resource.name,
    wordOf(Environment, resource.environment, 'ENVIRONMENT_'),
    stateOf(resource),
  ]);
  const document = { resources: resources.map((resource) => toJson(ResourceSchema, resource)) };
  print(this, flags, document, table(['IDENTIFIER', 'NAME', 'ENVIRONMENT', 'STATE'], rows));
}

function printResource(context: CliContext, flags: OutputFlags, answered: Resource | undefined): void {
  const resource = requireAnswer(answered, 'resource');
  print(context, flags, { resource: toJson(ResourceSchema, resource) }, [
    `resource     ${resource.identifier}`,
    `name         ${resource.name}`,
    `environment  ${wordOf(Environment, resource.environment, 'ENVIRONMENT_')}`,
    `scope        ${resource.scopes.join(' ')}`,
    `state        ${stateOf(resource)}`,
    `version      ${resource.version}`,
  ]);
}

function stateOf({ retired, isDefault }: Resource): string {
  if (retired) return 'retired';
  return isDefault ? 'default' : 'living';
}
