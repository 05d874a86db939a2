import { logins } from '../secrets.ts';
import type { CatalogueQuery, Finding } from './finding.ts';
import { walkedRelations } from './relations.ts';
import { isFixedPath } from './walk-functions.ts';

interface Role {
  readonly name: string;
  readonly login: boolean;
  readonly superuser: boolean;
  readonly bypass: boolean;
  readonly createRole: boolean;
  readonly createDatabase: boolean;
  readonly replication: boolean;
  /** Roles it is a member of. */
  readonly memberOf: string[];
  readonly path: string | null;
  /** Whether the walk itself runs under it. */
  readonly self: boolean;
}

const owner = 'mono_owner';
const ourLogins = new Set<string>(logins);

/** No role steps over the wall: neither ours by an attribute or a membership, nor anybody's by BYPASSRLS. */
export async function walkRoles(query: CatalogueQuery): Promise<Finding[]> {
  const roles = await query<Role>(`select rolname as name, rolcanlogin as login, rolsuper as superuser,
      rolbypassrls as bypass, rolcreaterole as "createRole", rolcreatedb as "createDatabase", rolreplication as replication,
      array(select groups.rolname::text from pg_catalog.pg_auth_members join pg_catalog.pg_roles as groups
        on groups.oid = roleid where member = pg_roles.oid order by 1) as "memberOf",
      (select substr(setting, length('search_path=') + 1) from pg_catalog.pg_db_role_setting, unnest(setconfig) as setting
        where setrole = pg_roles.oid and setdatabase = 0 and setting like 'search\\_path=%') as path,
      rolname = current_user as self
    from pg_catalog.pg_roles where rolname !~ '^pg_' order by rolname`);
  return [...roles.flatMap(roleFindings), ...(await ownerFindings(query))];
}

function roleFindings(role: Role): Finding[] {
  const findings: Finding[] = [];
  const found = (rule: string, detail: string): unknown => findings.push({ rule, object: role.name, detail });
  const ours = role.name === owner || ourLogins.has(role.name);
  // A superuser is bound by nothing and answers to nobody here; any other role that bypasses was given that on purpose.
  if (role.bypass && (ours || !(role.superuser || role.self))) found('bypass-rls', 'bypasses row level security');
  if (ours) {
    if (role.superuser) found('role-attribute', 'is a superuser');
    if (role.createRole) found('role-attribute', 'may create roles');
    if (role.createDatabase) found('role-attribute', 'may create databases');
    if (role.replication) found('role-attribute', 'may replicate, which reads every row');
    for (const group of role.memberOf) found('membership', `is a member of ${group}`);
  } else if (!role.superuser && !role.self) {
    for (const group of role.memberOf) {
      if (group === owner || ourLogins.has(group)) found('membership', `is a member of ${group}`);
    }
  }
  if (role.name === owner && role.login) found('role-attribute', 'may log in');
  if (ourLogins.has(role.name) && !isFixedPath(role.path)) {
    found('login-search-path', `search_path is ${role.path ?? 'not set'}: it must be fixed, pg_temp last`);
  }
  return findings;
}

/** An owner can take the wall down, so nothing but `mono_owner`, who never logs in, owns anything. */
async function ownerFindings(query: CatalogueQuery): Promise<Finding[]> {
  const rows = await query<{ object: string; owner: string }>(
    `with ${walkedRelations}, owned (object, owner) as (
      select name, owner from relation where kind in ('r', 'p', 'v', 'm', 'f', 'S')
      union all
      select format('%I.%I(%s)', nspname, proname, oidvectortypes(proargtypes)), proowner
      from pg_catalog.pg_proc join walked_schema on walked_schema.oid = pronamespace
      union all
      select format('schema %I', pg_namespace.nspname), nspowner
      from pg_catalog.pg_namespace join walked_schema on walked_schema.oid = pg_namespace.oid
      where pg_namespace.nspname <> 'public'
    )
    select object, pg_get_userbyid(owner) as owner from owned where pg_get_userbyid(owner) <> $1 order by object`,
    [owner],
  );
  return rows.map((row) => ({ rule: 'owner', object: row.object, detail: `belongs to ${row.owner}, not to ${owner}` }));
}
