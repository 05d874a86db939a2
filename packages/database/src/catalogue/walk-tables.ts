import { listedPolicies, platformTables } from './exceptions.ts';
import type { CatalogueQuery, Finding } from './finding.ts';
import { isTenantTable, type Relation, walkedRelations } from './relations.ts';

const wallExpression = '(tenant_id = ( SELECT mono.current_tenant_id() AS current_tenant_id))';

interface Policy {
  readonly table: string;
  readonly name: string;
  readonly permissive: boolean;
  readonly command: string;
  /** Names in order, joined by commas; `public` for everybody. */
  readonly roles: string;
  readonly using: string | null;
  readonly check: string | null;
}

/** Each table has its tenant, its row level security and the one policy; each view reads with its reader's rights. */
export async function walkTables(query: CatalogueQuery, relations: readonly Relation[]): Promise<Finding[]> {
  const policies = await readPolicies(query);
  return [
    ...relations.filter(isTenantTable).flatMap((table) => tableFindings(table, policies)),
    ...relations.flatMap(viewFindings),
    ...policies.flatMap((policy) => policyFindings(policy)),
    ...(await ruleFindings(query)),
  ];
}

function tableFindings(table: Relation, policies: readonly Policy[]): Finding[] {
  const findings: Finding[] = [];
  const found = (rule: string, detail: string): unknown => findings.push({ rule, object: table.name, detail });
  const column = table.tenantColumn;
  if (column === null) {
    found('tenant-column', 'has no tenant_id and is not listed as a table without a tenant');
  } else {
    if (column.type !== 'uuid') found('tenant-column', `tenant_id is ${column.type}, not uuid`);
    if (!column.notNull) found('tenant-column', 'tenant_id may be null');
  }
  if (!table.rowSecurity) found('row-security', 'row level security is not enabled');
  if (!table.forced) found('row-security', 'row level security is not forced: it does not bind the owner');
  // A partition needs none: nobody has a grant on it, and row level security without a policy denies.
  const walled = policies.some((policy) => policy.table === table.name && policy.name === 'tenant_wall');
  if (!table.partition && !walled) found('policy', 'has no policy tenant_wall');
  return findings;
}

function policyFindings(policy: Policy): Finding[] {
  // A restrictive policy can only take rows away.
  if (!policy.permissive) return [];
  const { table, name, command, roles, using, check } = policy;
  const is = (expected: Omit<Policy, 'table' | 'name' | 'permissive'>): boolean =>
    command === expected.command && roles === expected.roles && using === expected.using && check === expected.check;
  const onPlatform = platformTables.some((entry) => entry.table === table);
  if (name === 'tenant_wall') {
    if (is({ command: '*', roles: 'mono_app,mono_identity', using: wallExpression, check: wallExpression })) return [];
  } else if (onPlatform && is({ command: '*', roles: 'mono_platform', using: 'true', check: 'true' })) {
    return [];
  } else if (listedPolicies.some((entry) => entry.table === table && entry.name === name && is(entry))) {
    return [];
  }
  const terms = `to ${roles}, command ${command}, using ${using ?? '-'}, with check ${check ?? '-'}`;
  return [{ rule: 'policy', object: `${table} ${name}`, detail: `is not a listed policy: ${terms}` }];
}

function viewFindings({ kind, name, invoker }: Relation): Finding[] {
  if (kind === 'v' && !invoker) {
    return [{ rule: 'view', object: name, detail: "is not security_invoker: it reads with its owner's rights" }];
  }
  if (kind === 'm') return [{ rule: 'view', object: name, detail: 'is materialized: it has no row level security' }];
  if (kind === 'f')
    return [{ rule: 'view', object: name, detail: 'is a foreign table: its rows are behind no policy' }];
  return [];
}

/** The statements of a rewrite rule run with the rights of the table's owner. */
async function ruleFindings(query: CatalogueQuery): Promise<Finding[]> {
  const rows = await query<{ object: string }>(`with ${walkedRelations}
    select format('%s %I', relation.name, rulename) as object
    from pg_catalog.pg_rewrite join relation on relation.oid = ev_class where rulename <> '_RETURN' order by 1`);
  return rows.map(({ object }) => ({
    rule: 'rewrite-rule',
    object,
    detail: "runs with the rights of the table's owner",
  }));
}

/**
 * `mono.` is put back where search_path hid it, and only if the policy really depends on the function of that schema:
 * another function of the same name would open the wall.
 */
async function readPolicies(query: CatalogueQuery): Promise<Policy[]> {
  return query<Policy>(`with ${walkedRelations}, policy as (
      select relation.name as table_name, polname, polpermissive, polcmd, polroles,
        pg_get_expr(polqual, polrelid) as using_text, pg_get_expr(polwithcheck, polrelid) as check_text,
        exists (select 1 from pg_catalog.pg_depend
          where classid = 'pg_catalog.pg_policy'::regclass and objid = pg_policy.oid
            and refclassid = 'pg_catalog.pg_proc'::regclass
            and refobjid = to_regprocedure('mono.current_tenant_id()')) as guarded
      from pg_catalog.pg_policy join relation on relation.oid = polrelid
    )
    select table_name as "table", polname as name, polpermissive as permissive, polcmd as command,
      (select string_agg(coalesce(rolname, 'public'), ',' order by rolname)
        from unnest(polroles) as role_oid left join pg_catalog.pg_roles on pg_roles.oid = role_oid) as roles,
      case when guarded then replace(replace(using_text, 'mono.', ''), 'current_tenant_id()', 'mono.current_tenant_id()')
        else using_text end as "using",
      case when guarded then replace(replace(check_text, 'mono.', ''), 'current_tenant_id()', 'mono.current_tenant_id()')
        else check_text end as "check"
    from policy order by 1, 2`);
}
