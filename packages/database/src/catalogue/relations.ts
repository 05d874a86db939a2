import { tenantlessSchemas, tenantlessTables } from './exceptions.ts';
import type { CatalogueQuery } from './finding.ts';

/**
 * The schemas that are walked: all but Postgres' own. Names are qualified by hand because `regclass` prints by
 * search_path.
 */
export const walkedRelations = `walked_schema as (
  select oid, nspname from pg_catalog.pg_namespace
  where nspname not in ('pg_catalog', 'information_schema') and nspname !~ '^pg_(toast|temp)'
), relation as (
  select class.oid, format('%I.%I', nspname, relname) as name, nspname as schema, relkind as kind, relispartition as partition,
    relrowsecurity as row_security, relforcerowsecurity as forced, relowner as owner, relacl as acl, reloptions as options
  from pg_catalog.pg_class class join walked_schema on walked_schema.oid = class.relnamespace
)`;

export interface Relation {
  readonly oid: number;
  readonly name: string;
  /** pg_class.relkind */
  readonly kind: string;
  readonly partition: boolean;
  readonly rowSecurity: boolean;
  readonly forced: boolean;
  readonly invoker: boolean;
  readonly tenantColumn: { readonly type: string; readonly notNull: boolean; readonly number: number } | null;
  /** Whether it stands in the list of tables without a tenant. */
  readonly tenantless: boolean;
}

const tenantlessTableNames = new Set(tenantlessTables.map(({ table }) => table));
const tenantlessSchemaNames = new Set(tenantlessSchemas.map(({ schema }) => schema));

export async function readRelations(query: CatalogueQuery): Promise<Relation[]> {
  const rows = await query<Omit<Relation, 'tenantless'> & { schema: string }>(`with ${walkedRelations}
    select relation.oid::int8::float8 as oid, name, schema, kind, partition, row_security as "rowSecurity", forced,
      coalesce((select option_value::boolean from pg_options_to_table(options) where option_name = 'security_invoker'), false)
        as invoker,
      (select json_build_object('type', format_type(atttypid, atttypmod), 'notNull', attnotnull, 'number', attnum)
        from pg_catalog.pg_attribute where attrelid = relation.oid and attname = 'tenant_id' and not attisdropped)
        as "tenantColumn"
    from relation where kind in ('r', 'p', 'v', 'm', 'f') order by name`);
  return rows.map(({ schema, ...row }) => ({
    ...row,
    tenantless: tenantlessTableNames.has(row.name) || tenantlessSchemaNames.has(schema),
  }));
}

/** A table that must stand behind the wall. */
export function isTenantTable(relation: Relation): boolean {
  return (relation.kind === 'r' || relation.kind === 'p') && !relation.tenantless;
}
