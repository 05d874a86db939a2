import { Refusal } from '@mono-auth/core/errors';
import type { ClientId, HostId } from '@mono-auth/core/ids';
import type { Call, Principal } from '@mono-auth/core/principal';
import type { TenantTx } from '@mono-auth/database';
import type { JWK } from 'jose';
import type { Client } from './client.ts';
import { readAudiences, readScopes } from './client-fields.ts';
import { newClient } from './create-client.ts';
import { keyedManifest } from './manifest.ts';
import { userOf } from './require-client.ts';
import { insertClient, updateClientJwks, updateHostClientsStatus } from './store.ts';

/**
 * Makes the client of a host that enrols, with the key that it has just proven. No event of its own: it is part of
 * `host.enrolled`.
 * @throws Refusal `already_exists` when a living client bears the name.
 */
export async function insertHostClient(
  tx: TenantTx,
  call: Call,
  input: {
    readonly hostId: HostId;
    readonly name: string;
    readonly scopes: readonly string[];
    readonly audiences: readonly string[];
    readonly publicJwk: JWK;
    /** Who made its invite, and answers for it where that is a person. */
    readonly invitedBy: Principal;
  },
): Promise<Client> {
  const { hostId, name } = input;
  const manifest = keyedManifest({
    scopes: readScopes(input.scopes, 'scopes'),
    audiences: readAudiences(input.audiences, 'audiences'),
    jwks: { keys: [input.publicJwk] },
  });
  // In force at once: who made the invite has decided what the host may do.
  const approved = newClient(call, { kind: 'host', name, environment: 'production', product: '' }, manifest);
  const client = { ...approved, hostId, ownerUserId: userOf(input.invitedBy) };
  if (!(await insertClient(tx, client, undefined))) {
    throw new Refusal('already_exists', 'a client of this name exists');
  }
  return client;
}

/** The client's only key from now on: what the former one signs is refused. */
export function replaceClientKey(tx: TenantTx, clientId: ClientId, publicJwk: JWK): Promise<void> {
  return updateClientJwks(tx, clientId, { keys: [publicJwk] });
}

/** Nothing is minted for the host's clients until somebody releases it. @returns how many could obtain tokens until now. */
export function suspendHostClients(tx: TenantTx, hostId: HostId): Promise<number> {
  return updateHostClientsStatus(tx, hostId, 'suspended');
}

/** For good; the name is free for a host that enrols anew. @returns how many could obtain tokens until now. */
export function retireHostClients(tx: TenantTx, hostId: HostId): Promise<number> {
  return updateHostClientsStatus(tx, hostId, 'retired');
}
