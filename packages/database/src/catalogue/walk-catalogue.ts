import type { CatalogueQuery, Finding } from './finding.ts';
import { readRelations } from './relations.ts';
import { walkFunctions } from './walk-functions.ts';
import { walkKeys } from './walk-keys.ts';
import { walkPrivileges } from './walk-privileges.ts';
import { walkRoles } from './walk-roles.ts';
import { walkTables } from './walk-tables.ts';

/**
 * Walks everything that Postgres knows of this database and names each departure from the tenant wall (law 2). It
 * starts from the catalogue, not from a list of ours, so what is made later is covered too; `exceptions.ts` holds what
 * may differ, with the reason of each.
 * @param query runs a statement under a role that can read the whole catalogue (any role can, besides pg_authid).
 * @returns nothing when the wall stands.
 */
export async function walkCatalogue(query: CatalogueQuery): Promise<Finding[]> {
  const relations = await readRelations(query);
  return [
    ...(await walkTables(query, relations)),
    ...(await walkKeys(query, relations)),
    ...(await walkFunctions(query)),
    ...(await walkPrivileges(query, relations)),
    ...(await walkRoles(query)),
  ];
}
