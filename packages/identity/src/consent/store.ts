import { type ClientId, idFromUuid, type UserId, uuidOf } from '@mono-auth/core/ids';
import type { IdentityPool } from '@mono-auth/database';
import { query } from '../query.ts';

export interface StoredConsent {
  readonly clientId: ClientId;
  readonly clientName: string;
  readonly scopes: readonly string[];
}

/** What a person has allowed, also to clients that are suspended now: it would count again when they come back. */
export async function selectConsents(pool: IdentityPool, userId: UserId): Promise<StoredConsent[]> {
  const rows = await query<{ id: string; name: string; scopes: string[] }>(
    pool,
    `select client.id, client.name, consent."scopes" from identity."oauthConsent" as consent
     join mono.clients as client on client.tenant_id = consent.tenant_id and client.wire_id = consent."clientId"
     where consent."userId" = $1 and client.status <> 'retired' order by client.name`,
    [uuidOf(userId)],
  );
  return rows.map(({ id, name, scopes }) => ({ clientId: idFromUuid('cli', id), clientName: name, scopes }));
}

export async function deleteConsent(pool: IdentityPool, userId: UserId, clientId: ClientId): Promise<void> {
  await query(
    pool,
    `delete from identity."oauthConsent" where "userId" = $1
     and "clientId" = (select wire_id from mono.clients where id = $2)`,
    [uuidOf(userId), uuidOf(clientId)],
  );
}
