import { toJson } from '@bufbuild/protobuf';
import { Refusal } from '@mono-auth/core/errors';
import { parseId } from '@mono-auth/core/ids';
import { AgentSchema, MachineService } from '@mono-auth/proto/monoauth/machines/v1/machines';
import type { CliContext } from '../../context.ts';
import { splitList } from '../../input.ts';
import { type OutputFlags, print } from '../../output.ts';
import { withClient } from '../../rpc.ts';

export interface CreateAgentFlags extends OutputFlags {
  readonly host: string;
  readonly name: string;
  readonly owner?: string;
  readonly scope?: string;
}

export default async function createAgent(this: CliContext, flags: CreateAgentFlags): Promise<void> {
  const hostId = parseId('hst', flags.host, 'host');
  const ownerUserId = flags.owner === undefined ? '' : parseId('usr', flags.owner, 'owner');
  const { agent } = await withClient(this, MachineService, (client) =>
    client.createAgent({
      hostId,
      ownerUserId,
      name: flags.name,
      scopes: splitList(flags.scope),
      idempotencyKey: this.runtime.uuid(),
    }),
  );
  if (!agent) throw new Refusal('unavailable', 'agent: the answer has none');
  print(this, flags, { agent: toJson(AgentSchema, agent) }, [
    `agent   ${agent.id}`,
    `host    ${agent.hostId}`,
    `owner   ${agent.ownerUserId}`,
    `scope   ${agent.scopes.join(' ')}`,
  ]);
}
