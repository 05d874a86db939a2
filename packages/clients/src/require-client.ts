import { notFound, Refusal } from '@mono-auth/core/errors';
import { type ClientId, isId, type UserId } from '@mono-auth/core/ids';
import { type Call, type Principal, principalKind } from '@mono-auth/core/principal';
import type { TenantTx } from '@mono-auth/database';
import { memberRole } from '@mono-auth/tenants';
import type { Client } from './client.ts';
import { lockClient } from './store.ts';

/**
 * The client that is about to change, locked until the transaction ends.
 * @throws Refusal `not_found`; `invalid_request` for the client of a host, which its host governs.
 */
export async function requireClient(tx: TenantTx, id: ClientId): Promise<Client> {
  const client = await lockClient(tx, id);
  if (!client) throw notFound('client');
  if (client.hostId) throw new Refusal('invalid_request', 'id: is the client of a host; it is governed with its host');
  return client;
}

/**
 * Who answers for a client: the person who is named, else the one who calls. The installation itself may name nobody.
 * @throws Refusal `invalid_request` when a machine names nobody; `not_found` for somebody who is no member.
 */
export async function requireOwner(tx: TenantTx, call: Call, named: UserId | undefined): Promise<UserId | undefined> {
  const owner = named ?? userOf(call.caller.principal);
  if (owner === undefined) {
    if (principalKind(call.caller.principal) === 'system') return undefined;
    throw new Refusal('invalid_request', 'owner_user_id: name the person who answers for the client');
  }
  if ((await memberRole(tx, owner)) === undefined) throw notFound('user');
  return owner;
}

/** The person that a principal is, if it is one. */
export function userOf(principal: Principal): UserId | undefined {
  const id = principal.slice('user:'.length);
  return principal.startsWith('user:') && isId('usr', id) ? id : undefined;
}
