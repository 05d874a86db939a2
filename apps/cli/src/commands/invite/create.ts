import { toJson } from '@bufbuild/protobuf';
import { Refusal } from '@mono-auth/core/errors';
import { type Invite, InviteSchema, MachineService } from '@mono-auth/proto/monoauth/machines/v1/machines';
import type { CliContext } from '../../context.ts';
import { splitList } from '../../input.ts';
import { fillNewFile } from '../../new-file.ts';
import { type OutputFlags, print, say } from '../../output.ts';
import { withClient } from '../../rpc.ts';

export interface CreateInviteFlags extends OutputFlags {
  readonly hostName: string;
  readonly ttl?: number;
  readonly scope?: string;
  readonly aud?: string;
  readonly out?: string;
}

export default async function createInvite(this: CliContext, flags: CreateInviteFlags): Promise<void> {
  const { out } = flags;
  if (out === undefined) {
    const { invite, token } = await requestInvite(this, flags);
    return print(this, flags, { invite: toJson(InviteSchema, invite), token }, [token]);
  }
  const invite = await fillNewFile(out, async (file) => {
    const created = await requestInvite(this, flags);
    await file.writeFile(`${created.token}\n`);
    return created.invite;
  });
  say(this, `invite for ${flags.hostName} in ${out}`);
  print(this, flags, { invite: toJson(InviteSchema, invite), token_file: out }, [invite.id]);
}

async function requestInvite(
  context: CliContext,
  flags: CreateInviteFlags,
): Promise<{ invite: Invite; token: string }> {
  const { invite, token } = await withClient(context, MachineService, (client) =>
    client.createInvite({
      hostName: flags.hostName,
      ttlSeconds: flags.ttl ?? 0,
      scopes: splitList(flags.scope),
      audiences: splitList(flags.aud),
      idempotencyKey: context.runtime.uuid(),
    }),
  );
  if (!invite) throw new Refusal('unavailable', 'invite: the answer has none');
  return { invite, token };
}
