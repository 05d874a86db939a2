import { toJson } from '@bufbuild/protobuf';
import { ClientKind, ClientSchema, ClientService, ClientStatus } from '@mono-auth/proto/monoauth/clients/v1/clients';
import type { CliContext } from '../../context.ts';
import { type OutputFlags, print, table, wordOf } from '../../output.ts';
import { collectPages, withClient } from '../../rpc.ts';

export default async function listClients(this: CliContext, flags: OutputFlags): Promise<void> {
  const clients = await withClient(this, ClientService, (service) =>
    collectPages(async (pageToken) => {
      const { clients: items, nextPageToken } = await service.listClients({ pageToken });
      return { items, nextPageToken };
    }),
  );
  const rows = clients.map(({ id, name, kind, status, resource }) => [
    id,
    name,
    wordOf(ClientKind, kind, 'CLIENT_KIND_'),
    wordOf(ClientStatus, status, 'CLIENT_STATUS_'),
    resource,
  ]);
  const document = { clients: clients.map((client) => toJson(ClientSchema, client)) };
  print(this, flags, document, table(['ID', 'NAME', 'KIND', 'STATUS', 'RESOURCE'], rows));
}
