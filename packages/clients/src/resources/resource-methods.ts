import type { ServiceImpl } from '@connectrpc/connect';
import { notFound } from '@mono-auth/core/errors';
import { pageItemsDefault } from '@mono-auth/core/limits';
import type { ClientService } from '@mono-auth/proto/monoauth/clients/v1/clients';
import type { RevocationDeps } from '@mono-auth/revocation';
import { callOf } from '@mono-auth/transport';
import { selectResource, selectResources } from '../store/resources.ts';
import { environmentFromProto, resourceToProto } from '../to-proto.ts';
import { createResource } from './create-resource.ts';
import { retireResource } from './retire-resource.ts';
import { updateResource } from './update-resource.ts';

/** The RPC face of resources. */
export function resourceMethods({
  revocation: { database, runtime },
  baseUrl,
}: {
  readonly revocation: RevocationDeps;
  readonly baseUrl: string;
}) {
  return {
    async createResource(request, context) {
      const call = callOf(runtime, context);
      const { identifier, name, product, scopes, accessTokenTtlSeconds, dpopRequired, isDefault } = request;
      const input = {
        ...{ identifier, name, product, scopes, accessTokenTtlSeconds, dpopRequired, isDefault, baseUrl },
        environment: environmentFromProto(request.environment),
        idempotencyKey: request.idempotencyKey || undefined,
      };
      const resource = await database.forTenant(call.caller.tenantId, (tx) => createResource(tx, call, input));
      return { resource: resourceToProto(resource) };
    },
    async getResource({ identifier }, context) {
      const { caller } = callOf(runtime, context);
      const resource = await database.forTenant(caller.tenantId, (tx) => selectResource(tx, identifier));
      if (!resource) throw notFound('resource');
      return { resource: resourceToProto(resource) };
    },
    async listResources(request, context) {
      const { caller } = callOf(runtime, context);
      const size = request.pageSize || pageItemsDefault;
      const after = request.pageToken || undefined;
      // One more than the page: whether there is a next one.
      const found = await database.forTenant(caller.tenantId, (tx) => selectResources(tx, after, size + 1));
      const page = found.slice(0, size);
      const nextPageToken = found.length > size ? (page.at(-1)?.identifier ?? '') : '';
      return { resources: page.map(resourceToProto), nextPageToken };
    },
    async updateResource(request, context) {
      const call = callOf(runtime, context);
      const { identifier, name, scopes, accessTokenTtlSeconds, dpopRequired, isDefault } = request;
      const input = {
        ...{ identifier, name, scopes, accessTokenTtlSeconds, dpopRequired, isDefault },
        version: Number(request.version),
      };
      const resource = await database.forTenant(call.caller.tenantId, (tx) => updateResource(tx, call, input));
      return { resource: resourceToProto(resource) };
    },
    async retireResource({ identifier }, context) {
      const call = callOf(runtime, context);
      const resource = await database.forTenant(call.caller.tenantId, (tx) => retireResource(tx, call, identifier));
      return { resource: resourceToProto(resource) };
    },
  } satisfies Partial<ServiceImpl<typeof ClientService>>;
}
