import { tenantlessReferences } from './exceptions.ts';
import type { CatalogueQuery, Finding } from './finding.ts';
import { isTenantTable, type Relation } from './relations.ts';

interface Constraint {
  readonly table: number;
  readonly name: string;
  /** pg_constraint.contype: p primary key, u unique, f foreign key, x exclusion. */
  readonly type: string;
  /** Column numbers in the order of the key. */
  readonly columns: number[];
  readonly target: number;
  readonly targetColumns: number[];
  /** Of an exclusion constraint: the operator that compares the first column. */
  readonly operator: string | null;
}

interface UniqueIndex {
  readonly table: number;
  readonly name: string;
  /** Number of its first column; 0 is an expression. */
  readonly first: number;
}

/**
 * Every key starts with the tenant. Foreign-key and uniqueness checks ignore row level security: a key without the
 * tenant tells whether another tenant's row exists, and a cascade crosses the wall.
 */
export async function walkKeys(query: CatalogueQuery, relations: readonly Relation[]): Promise<Finding[]> {
  const byOid = new Map(relations.map((relation) => [relation.oid, relation]));
  const constraints =
    await query<Constraint>(`select conrelid::int8::float8 as "table", conname as name, contype as type,
      conkey::int[] as columns, confrelid::int8::float8 as target, coalesce(confkey::int[], '{}') as "targetColumns",
      (select oprname from pg_catalog.pg_operator where pg_operator.oid = conexclop[1]) as operator
    from pg_catalog.pg_constraint where contype in ('p', 'u', 'f', 'x') order by conname`);
  // A unique constraint is reported by its own name, not again as its index.
  const indexes =
    await query<UniqueIndex>(`select indrelid::int8::float8 as "table", relname as name, indkey[0]::int as first
    from pg_catalog.pg_index join pg_catalog.pg_class on pg_class.oid = indexrelid
    where indisunique and not exists (select 1 from pg_catalog.pg_constraint where conindid = indexrelid and contype in ('p', 'u'))
    order by relname`);
  return [
    ...relations.filter(isTenantTable).flatMap((table) => missingKey(table, constraints)),
    ...constraints.flatMap((constraint) => constraintFindings(constraint, byOid)),
    ...indexes.flatMap(({ table, name, first }) => {
      const relation = byOid.get(table);
      if (relation === undefined || !isTenantTable(relation) || first === relation.tenantColumn?.number) return [];
      return [finding('unique-index', relation, name, 'does not start with tenant_id')];
    }),
  ];
}

const ruleByType: Record<string, string> = {
  p: 'primary-key',
  u: 'unique-constraint',
  f: 'foreign-key',
  x: 'exclusion-constraint',
};

function finding(rule: string, table: Relation, name: string, detail: string): Finding {
  return { rule, object: `${table.name} ${name}`, detail };
}

function missingKey(table: Relation, constraints: readonly Constraint[]): Finding[] {
  if (constraints.some(({ table: of, type }) => of === table.oid && type === 'p')) return [];
  return [{ rule: 'primary-key', object: table.name, detail: 'has no primary key' }];
}

function constraintFindings(constraint: Constraint, byOid: ReadonlyMap<number, Relation>): Finding[] {
  const table = byOid.get(constraint.table);
  const target = byOid.get(constraint.target);
  if (table === undefined) return [];
  const found = (detail: string): Finding[] => [
    finding(ruleByType[constraint.type] as string, table, constraint.name, detail),
  ];
  if (constraint.type === 'f' && (target === undefined || target.tenantless !== table.tenantless)) {
    const listed = tenantlessReferences.some((entry) => entry.constraint === `${table.name} ${constraint.name}`);
    return listed
      ? []
      : found(`refers to ${target?.name ?? 'a table of Postgres'}, across the wall, and is not listed`);
  }
  if (!isTenantTable(table)) return [];
  if (constraint.columns[0] !== table.tenantColumn?.number) return found('does not start with tenant_id');
  if (constraint.type === 'f' && constraint.targetColumns[0] !== target?.tenantColumn?.number) {
    return found('does not refer to tenant_id with its own tenant_id');
  }
  if (constraint.type === 'x' && constraint.operator !== '=') return found('does not compare tenant_id by =');
  return [];
}
