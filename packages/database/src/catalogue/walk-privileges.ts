import { logins } from '../secrets.ts';
import { evidenceTables, platformTables, tenantlessSchemas, tenantlessTables } from './exceptions.ts';
import type { CatalogueQuery, Finding } from './finding.ts';
import { type Relation, walkedRelations } from './relations.ts';

interface Grant {
  readonly kind: 'table' | 'sequence' | 'function' | 'schema' | 'database' | 'default privileges';
  readonly object: string;
  /** Schema of the object; empty for those that have none. */
  readonly schema: string;
  readonly grantee: string;
  readonly superuser: boolean;
  readonly privilege: string;
  /** ` (column)` when it is a privilege on one column, else empty. */
  readonly column: string;
  readonly grantable: boolean;
}

/** The rest ignores policies (TRUNCATE), shows whether a key exists (REFERENCES) or runs code in others' statements. */
const rowPrivileges = new Set(['SELECT', 'INSERT', 'UPDATE', 'DELETE']);
const ourLogins = new Set<string>(logins);
const foreignSchemas = new Set(tenantlessSchemas.map(({ schema }) => schema));

/** Who may do what: the logins only what their rows need, the public nothing at all. */
export async function walkPrivileges(query: CatalogueQuery, relations: readonly Relation[]): Promise<Finding[]> {
  const byName = new Map(relations.map((relation) => [relation.name, relation]));
  const grants = await readGrants(query);
  return [
    ...grants.flatMap((grant) => grantFindings(grant, byName.get(grant.object))),
    ...(await functionDefault(query)),
  ];
}

function grantFindings(grant: Grant, relation: Relation | undefined): Finding[] {
  const rule = brokenRule(grant, relation);
  return rule === undefined
    ? []
    : [
        {
          rule,
          object: `${grant.kind} ${grant.object}`,
          detail: `${grant.privilege}${grant.column} is granted to ${grant.grantee}`,
        },
      ];
}

function brokenRule(grant: Grant, relation: Relation | undefined): string | undefined {
  const { kind, object, grantee, privilege } = grant;
  if (kind === 'database' && privilege === 'TEMPORARY') return 'temporary-tables';
  if (grantee === 'public') return 'grant-to-public';
  if (grantee === 'mono_owner' || grant.superuser) return undefined;
  if (!ourLogins.has(grantee)) return 'grant-to-stranger';
  if (kind === 'default privileges') return 'default-privileges';
  if (privilege === 'CREATE') return 'create';
  if (grant.grantable) return 'grant-option';
  if (relation?.partition === true) return 'grant-on-partition';
  if (kind !== 'table' && kind !== 'sequence') return undefined;
  if (grantee === 'mono_audit_writer') {
    return evidenceTables.includes(object) && privilege === 'INSERT' ? undefined : 'audit-writer';
  }
  if (foreignSchemas.has(grant.schema)) return undefined;
  // A counter shared by all tenants tells each how busy the others are.
  if (kind === 'sequence') return 'sequence';
  if (!rowPrivileges.has(privilege)) return 'privilege-beyond-rows';
  if (grantee === 'mono_platform') {
    const listed = platformTables.find(({ table }) => table === object)?.privileges ?? [];
    return listed.includes(privilege + grant.column) ? undefined : 'platform-table';
  }
  if (relation?.tenantless === true) {
    return tenantlessTables.some((entry) => entry.table === object && entry.grantees.includes(grantee))
      ? undefined
      : 'tenantless-table';
  }
  return undefined;
}

/** Without this, every function made later would be executable by everybody. */
async function functionDefault(query: CatalogueQuery): Promise<Finding[]> {
  const rows = await query<{ fenced: boolean }>(`select exists (
      select 1 from pg_catalog.pg_default_acl join pg_catalog.pg_roles on pg_roles.oid = defaclrole
      where rolname = 'mono_owner' and defaclobjtype = 'f' and defaclnamespace = 0
        and not exists (select 1 from aclexplode(defaclacl) as entry where entry.grantee = 0)
    ) as fenced`);
  if (rows[0]?.fenced) return [];
  const detail = 'does not revoke execute from public: later functions would be open to everybody';
  return [{ rule: 'default-privileges', object: 'functions of mono_owner', detail }];
}

/** Every privilege that somebody besides the owner holds; an absent list means Postgres' default one. */
async function readGrants(query: CatalogueQuery): Promise<Grant[]> {
  return query<Grant>(`with ${walkedRelations}, acl (kind, object, schema, owner, entries, attribute) as (
      select case kind when 'S' then 'sequence' else 'table' end, name, schema, owner,
        coalesce(acl, acldefault(case kind when 'S' then 's' else 'r' end::"char", owner)), ''
      from relation where kind in ('r', 'p', 'v', 'm', 'f', 'S')
      union all
      select 'table', name, schema, owner, attacl, format(' (%I)', attname)
      from relation join pg_catalog.pg_attribute on attrelid = relation.oid where attacl is not null
      union all
      select 'function', format('%I.%I(%s)', nspname, proname, oidvectortypes(proargtypes)), nspname, proowner,
        coalesce(proacl, acldefault('f', proowner)), ''
      from pg_catalog.pg_proc join walked_schema on walked_schema.oid = pronamespace
      union all
      select 'schema', pg_namespace.nspname, '', nspowner, coalesce(nspacl, acldefault('n', nspowner)), ''
      from pg_catalog.pg_namespace join walked_schema on walked_schema.oid = pg_namespace.oid
      union all
      select 'database', datname, '', datdba, coalesce(datacl, acldefault('d', datdba)), ''
      from pg_catalog.pg_database where datname = current_database()
      union all
      select 'default privileges', format('of %s, type %s', pg_get_userbyid(defaclrole), defaclobjtype), '', defaclrole, defaclacl, ''
      from pg_catalog.pg_default_acl
    )
    select distinct kind, object, schema, coalesce(rolname, 'public') as grantee, coalesce(rolsuper, false) as superuser,
      privilege_type as privilege, attribute as "column", is_grantable as grantable
    from acl cross join lateral aclexplode(entries) as entry left join pg_catalog.pg_roles on pg_roles.oid = entry.grantee
    where entry.grantee <> acl.owner
    order by kind, object, grantee, privilege, "column"`);
}
