import { toJson } from '@bufbuild/protobuf';
import { Refusal } from '@mono-auth/core/errors';
import { parseId } from '@mono-auth/core/ids';
import { InviteSchema, MachineService } from '@mono-auth/proto/monoauth/machines/v1/machines';
import type { CliContext } from '../../context.ts';
import { type OutputFlags, print } from '../../output.ts';
import { withClient } from '../../rpc.ts';

export default async function revokeInvite(this: CliContext, flags: OutputFlags, text: string): Promise<void> {
  const id = parseId('inv', text, 'ID');
  const { invite } = await withClient(this, MachineService, (client) => client.revokeInvite({ id }));
  if (!invite) throw new Refusal('unavailable', 'invite: the answer has none');
  print(this, flags, { invite: toJson(InviteSchema, invite) }, [`revoked ${invite.id}`]);
}
