import { newId, type TenantId } from '@mono-auth/core/ids';
import { permissionsOf } from '@mono-auth/core/permissions';
import type { Call, Caller, Principal } from '@mono-auth/core/principal';
import type { Runtime } from '@mono-auth/core/runtime';
import type { Database } from '@mono-auth/database';
import { Feed } from '@mono-auth/feed';
import { createLocalKms, openKeyring } from '@mono-auth/keys';
import type { RevocationDeps } from '@mono-auth/revocation';
import { advanceEpoch } from '@mono-auth/tenants';
import { clientParticipant } from './client-participant.ts';

/** Two tenants with feeds of their own, and who calls in them: what the tests of this package stand on. */
export interface ClientBench {
  readonly baseUrl: string;
  readonly revocation: RevocationDeps;
  readonly one: TenantId;
  readonly two: TenantId;
  /** With every permission of an owner; default: the installation itself. */
  callerIn(tenantId: TenantId, principal?: Principal): Caller;
  callIn(tenantId: TenantId, principal?: Principal): Call;
}

export async function openClientBench({
  database,
  createTenantRow,
  runtime,
}: {
  readonly database: Database;
  createTenantRow(slug: string): Promise<TenantId>;
  readonly runtime: Runtime;
}): Promise<ClientBench> {
  const baseUrl = 'https://id.example.com';
  const one = await createTenantRow('one');
  const two = await createTenantRow('two');
  const kms = createLocalKms(new Uint8Array(32).fill(7), runtime);
  const keys = openKeyring({ database, runtime, kms, platformIssuer: baseUrl, rootTenant: async () => one });
  const ephemeral = { publish: async () => {}, subscribe: async () => () => {} };
  const feed = new Feed({ database, ephemeral, keys, runtime });
  for (const id of [one, two]) await database.forTenant(id, (tx) => feed.provision(tx, 1));

  const callerIn: ClientBench['callerIn'] = (tenantId, principal = 'system:platform') => ({
    principal,
    tenantId,
    tenantSlug: tenantId === one ? 'one' : 'two',
    tenantRole: 'owner',
    scope: new Set(permissionsOf('owner', false)),
    tokenId: undefined,
    sessionId: undefined,
    clientId: undefined,
    act: undefined,
    requestId: newId(runtime, 'req'),
    ip: '',
  });
  const participants = [clientParticipant(runtime)];
  return {
    baseUrl,
    revocation: { database, runtime, feed, participants, advanceEpoch },
    ...{ one, two, callerIn },
    callIn: (tenantId, principal) => ({ runtime, caller: callerIn(tenantId, principal) }),
  };
}
