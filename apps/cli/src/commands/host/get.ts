import { toJson } from '@bufbuild/protobuf';
import { notFound } from '@mono-auth/core/errors';
import { parseId } from '@mono-auth/core/ids';
import { HostSchema, HostStatus, MachineService } from '@mono-auth/proto/monoauth/machines/v1/machines';
import type { CliContext } from '../../context.ts';
import { type OutputFlags, print, wordOf } from '../../output.ts';
import { withClient } from '../../rpc.ts';

export default async function getHost(this: CliContext, flags: OutputFlags, text: string): Promise<void> {
  const id = parseId('hst', text, 'ID');
  const { host } = await withClient(this, MachineService, (client) => client.getHost({ id }));
  if (!host) throw notFound('host');
  print(this, flags, { host: toJson(HostSchema, host) }, [
    `host        ${host.id}`,
    `name        ${host.name}`,
    `status      ${wordOf(HostStatus, host.status, 'HOST_STATUS_')}`,
    `generation  ${host.generation}`,
    `client      ${host.clientId}`,
    `key         ${host.jkt}`,
  ]);
}
