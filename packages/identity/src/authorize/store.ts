import { idFromUuid } from '@mono-auth/core/ids';
import type { IdentityPool } from '@mono-auth/database';
import { query } from '../query.ts';
import type { AppClient, Resource } from './app-client.ts';

interface AppClientRow {
  clientUuid: string;
  clientId: string;
  name: string;
  environment: string;
  scopes: string[];
  audiences: string[];
  redirectUris: string[];
  postLogoutRedirectUris: string[];
  grantTypes: string[];
  clientUri: string | null;
}

/** The approved app that calls itself so; a client in any other state does not exist here. */
export async function selectAppClient(pool: IdentityPool, clientId: string): Promise<AppClient | undefined> {
  const [row] = await query<AppClientRow>(
    pool,
    `select "clientUuid", "clientId", "name", "environment", "scopes", "audiences", "redirectUris",
       "postLogoutRedirectUris", "grantTypes", "clientUri"
     from identity."oauthClient" where "clientId" = $1`,
    [clientId],
  );
  if (!row) return undefined;
  const { clientUuid, clientUri, ...rest } = row;
  return { ...rest, id: idFromUuid('cli', clientUuid), clientUri: clientUri ?? undefined };
}

/** The living resources among `identifiers`, of every environment. */
export async function selectResources(pool: IdentityPool, identifiers: readonly string[]): Promise<Resource[]> {
  return query<Resource & { environment: string }>(
    pool,
    `select identifier, name, environment, is_default as "isDefault"
     from mono.resources where identifier = any($1) and not retired
     union all
     select resource, name, environment, false from mono.clients
     where kind = 'service' and status = 'approved' and resource = any($1)
       and not exists (select 1 from mono.resources where identifier = resource)`,
    [identifiers],
  );
}

/** Whether it is a resource of this tenant, living or retired, of whatever environment. */
export async function isRegistered(pool: IdentityPool, identifier: string): Promise<boolean> {
  return (await query(pool, 'select 1 from mono.resources where identifier = $1', [identifier])).length > 0;
}

export async function hasDefaultResource(pool: IdentityPool, environment: string): Promise<boolean> {
  const text = 'select 1 from mono.resources where environment = $1 and is_default and not retired';
  return (await query(pool, text, [environment])).length > 0;
}

export interface StoredCode {
  readonly value: string;
  readonly expiresAt: Date;
}

/** The row of a code by its digest, as Better Auth wrote it. */
export async function selectCode(pool: IdentityPool, digest: string): Promise<StoredCode | undefined> {
  const [row] = await query<{ value: string; expiresAt: Date }>(
    pool,
    'select "value", "expiresAt" from identity."verification" where "identifier" = $1',
    [digest],
  );
  return row;
}

export async function deleteCode(pool: IdentityPool, digest: string): Promise<void> {
  await query(pool, 'delete from identity."verification" where "identifier" = $1', [digest]);
}
