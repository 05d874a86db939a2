import { toJson } from '@bufbuild/protobuf';
import { HostSchema, HostStatus, MachineService } from '@mono-auth/proto/monoauth/machines/v1/machines';
import type { CliContext } from '../../context.ts';
import { type OutputFlags, print, table, wordOf } from '../../output.ts';
import { collectPages, withClient } from '../../rpc.ts';

export default async function listHosts(this: CliContext, flags: OutputFlags): Promise<void> {
  const hosts = await withClient(this, MachineService, (client) =>
    collectPages(async (pageToken) => {
      const { hosts: items, nextPageToken } = await client.listHosts({ pageToken });
      return { items, nextPageToken };
    }),
  );
  const rows = hosts.map(({ id, name, status, generation, clientId }) => [
    id,
    name,
    wordOf(HostStatus, status, 'HOST_STATUS_'),
    String(generation),
    clientId,
  ]);
  const document = { hosts: hosts.map((host) => toJson(HostSchema, host)) };
  print(this, flags, document, table(['ID', 'NAME', 'STATUS', 'GENERATION', 'CLIENT'], rows));
}
