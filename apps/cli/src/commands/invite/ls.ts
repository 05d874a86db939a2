import { toJson } from '@bufbuild/protobuf';
import { timestampMs } from '@bufbuild/protobuf/wkt';
import { InviteSchema, InviteStatus, MachineService } from '@mono-auth/proto/monoauth/machines/v1/machines';
import type { CliContext } from '../../context.ts';
import { type OutputFlags, print, table, wordOf } from '../../output.ts';
import { collectPages, withClient } from '../../rpc.ts';

export default async function listInvites(this: CliContext, flags: OutputFlags): Promise<void> {
  const invites = await withClient(this, MachineService, (client) =>
    collectPages(async (pageToken) => {
      const { invites: items, nextPageToken } = await client.listInvites({ pageToken });
      return { items, nextPageToken };
    }),
  );
  const rows = invites.map(({ id, hostName, status, expiresAt }) => [
    id,
    hostName,
    wordOf(InviteStatus, status, 'INVITE_STATUS_'),
    expiresAt ? new Date(timestampMs(expiresAt)).toISOString() : '',
  ]);
  const document = { invites: invites.map((invite) => toJson(InviteSchema, invite)) };
  print(this, flags, document, table(['ID', 'HOST', 'STATUS', 'EXPIRES'], rows));
}
