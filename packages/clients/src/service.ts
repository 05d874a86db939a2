import { create, type JsonObject } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { ServiceImpl } from '@connectrpc/connect';
import { notFound } from '@mono-auth/core/errors';
import { parseId } from '@mono-auth/core/ids';
import { pageItemsDefault } from '@mono-auth/core/limits';
import type { Runtime } from '@mono-auth/core/runtime';
import type { Database } from '@mono-auth/database';
import {
  ClientSchema,
  type ClientService,
  ClientKind as WireKind,
  ClientStatus as WireStatus,
} from '@mono-auth/proto/monoauth/clients/v1/clients';
import { callOf } from '@mono-auth/transport';
import type { Client, ClientKind, ClientStatus } from './client.ts';
import { createClient } from './create-client.ts';
import { selectClient, selectClients } from './store.ts';

const wireKind: Record<ClientKind, WireKind> = {
  host: WireKind.HOST,
  agent: WireKind.AGENT,
  machine: WireKind.MACHINE,
  service: WireKind.SERVICE,
  app: WireKind.APP,
};
const wireStatus: Record<ClientStatus, WireStatus> = {
  draft: WireStatus.DRAFT,
  submitted: WireStatus.SUBMITTED,
  approved: WireStatus.APPROVED,
  suspended: WireStatus.SUSPENDED,
  retired: WireStatus.RETIRED,
};

export function clientService(deps: { database: Database; runtime: Runtime; baseUrl: string }) {
  return {
    async createClient(request, context) {
      const call = callOf(deps.runtime, context);
      const client = await deps.database.forTenant(call.caller.tenantId, (tx) =>
        createClient(tx, call, {
          // The contract's validation lets these two kinds through.
          kind: request.kind === WireKind.SERVICE ? 'service' : 'machine',
          name: request.name,
          scopes: request.scopes,
          audiences: request.audiences,
          resource: request.resource || undefined,
          jwks: request.jwks,
          idempotencyKey: request.idempotencyKey || undefined,
          baseUrl: deps.baseUrl,
        }),
      );
      return { client: toProto(client) };
    },
    async getClient(request, context) {
      const { caller } = callOf(deps.runtime, context);
      const id = parseId('cli', request.id, 'id');
      const client = await deps.database.forTenant(caller.tenantId, (tx) => selectClient(tx, id));
      if (!client) throw notFound('client');
      return { client: toProto(client) };
    },
    async listClients(request, context) {
      const { caller } = callOf(deps.runtime, context);
      const after = request.pageToken ? parseId('cli', request.pageToken, 'page_token') : undefined;
      const size = request.pageSize || pageItemsDefault;
      // One more than the page: whether there is a next one.
      const found = await deps.database.forTenant(caller.tenantId, (tx) => selectClients(tx, after, size + 1));
      const page = found.slice(0, size);
      return { clients: page.map(toProto), nextPageToken: found.length > size ? (page.at(-1)?.id ?? '') : '' };
    },
  } satisfies ServiceImpl<typeof ClientService>;
}

function toProto(client: Client) {
  return create(ClientSchema, {
    id: client.id,
    kind: wireKind[client.kind],
    name: client.name,
    status: wireStatus[client.status],
    scopes: client.scopes,
    audiences: client.audiences,
    resource: client.resource ?? '',
    jwks: { keys: client.jwks.keys } as unknown as JsonObject,
    createdAt: timestampFromMs(client.createdAtMs),
  });
}
