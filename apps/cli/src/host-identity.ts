import { Refusal } from '@mono-auth/core/errors';
import { type HostRecord, type HostStore, MachineCredentials } from '@mono-auth/sdk';
import type { CliContext } from './context.ts';
import { readStateFile, writeStateFile } from './state-file.ts';

const fileName = 'host.json';

/** The identity of this machine, in a file of its own. */
export function hostStoreOf({ stateDir }: CliContext): HostStore {
  return {
    read: () => readStateFile<HostRecord>(stateDir, fileName),
    write: async (record) => {
      await writeStateFile(stateDir, fileName, record);
    },
  };
}

/** @throws Refusal `not_authenticated` when this machine is not enrolled. */
export async function requireHostCredentials(context: CliContext): Promise<MachineCredentials> {
  const record = await hostStoreOf(context).read();
  if (!record?.enrolled) throw new Refusal('not_authenticated', 'this machine is not enrolled: run monoauth enroll');
  const { issuer, privateJwk, enrolled } = record;
  const { fetch, runtime } = context;
  return new MachineCredentials({ issuer, clientId: enrolled.clientId, privateJwk, fetch, runtime });
}
