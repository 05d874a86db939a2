import { toJson } from '@bufbuild/protobuf';
import { parseId } from '@mono-auth/core/ids';
import { AgentSchema, AgentStatus, MachineService } from '@mono-auth/proto/monoauth/machines/v1/machines';
import type { CliContext } from '../../context.ts';
import { type OutputFlags, print, table, wordOf } from '../../output.ts';
import { collectPages, withClient } from '../../rpc.ts';

export interface ListAgentsFlags extends OutputFlags {
  readonly host?: string;
}

export default async function listAgents(this: CliContext, flags: ListAgentsFlags): Promise<void> {
  const hostId = flags.host === undefined ? '' : parseId('hst', flags.host, 'host');
  const agents = await withClient(this, MachineService, (client) =>
    collectPages(async (pageToken) => {
      const { agents: items, nextPageToken } = await client.listAgents({ pageToken, hostId });
      return { items, nextPageToken };
    }),
  );
  const rows = agents.map((agent) => [
    agent.id,
    agent.name,
    wordOf(AgentStatus, agent.status, 'AGENT_STATUS_'),
    agent.hostId,
    agent.ownerUserId,
  ]);
  const document = { agents: agents.map((agent) => toJson(AgentSchema, agent)) };
  print(this, flags, document, table(['ID', 'NAME', 'STATUS', 'HOST', 'OWNER'], rows));
}
