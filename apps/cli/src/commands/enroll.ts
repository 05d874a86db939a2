import { enrollHost } from '@mono-auth/sdk';
import type { CliContext } from '../context.ts';
import { hostStoreOf } from '../host-identity.ts';
import { readSecret } from '../input.ts';
import { type OutputFlags, print } from '../output.ts';
import { baseUrlOf } from '../session.ts';

export interface EnrollFlags extends OutputFlags {
  readonly server: string;
  readonly inviteFile: string;
}

export default async function enroll(this: CliContext, flags: EnrollFlags): Promise<void> {
  const invite = await readSecret(this, flags.inviteFile);
  const { fetch, runtime } = this;
  const server = baseUrlOf(flags.server);
  const { issuer, enrolled } = await enrollHost({ server, invite, store: hostStoreOf(this), fetch, runtime });
  const { hostId, hostName, clientId, generation } = enrolled;
  print(this, flags, { issuer, host_id: hostId, host_name: hostName, client_id: clientId, generation }, [
    `enrolled as ${hostName}`,
    `host    ${hostId}`,
    `client  ${clientId}`,
    `issuer  ${issuer}`,
  ]);
}
