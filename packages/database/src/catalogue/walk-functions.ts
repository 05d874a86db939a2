import { definerFunctions } from './exceptions.ts';
import type { CatalogueQuery, Finding } from './finding.ts';
import { walkedRelations } from './relations.ts';

interface RiskyFunction {
  readonly name: string;
  readonly definer: boolean;
  readonly leakproof: boolean;
  /** The function's own search_path; null when it takes the caller's. */
  readonly path: string | null;
  readonly impostor: boolean;
}

/** Functions run with their caller's rights, except the listed ones, whose search_path nobody can bend. */
export async function walkFunctions(query: CatalogueQuery): Promise<Finding[]> {
  const functions = await query<RiskyFunction>(`with ${walkedRelations}, routine as (
      select format('%I.%I(%s)', nspname, proname, oidvectortypes(proargtypes)) as name, prosecdef as definer,
        proleakproof as leakproof, proname = 'current_tenant_id' and nspname <> 'mono' as impostor,
        (select substr(setting, length('search_path=') + 1) from unnest(proconfig) as setting
          where setting like 'search\\_path=%') as path
      from pg_catalog.pg_proc join walked_schema on walked_schema.oid = pronamespace
    )
    select name, definer, leakproof, path, impostor from routine
    where definer or leakproof or impostor order by name`);
  return functions.flatMap(({ name, definer, leakproof, path, impostor }) => {
    const findings: Finding[] = [];
    const found = (rule: string, detail: string): unknown => findings.push({ rule, object: name, detail });
    if (definer && !definerFunctions.some((entry) => entry.name === name)) {
      found('definer-function', 'runs with the rights of its owner and is not listed');
    }
    if (definer && !isFixedPath(path)) {
      found('definer-search-path', `search_path is ${path ?? 'its caller’s'}: it must be fixed, pg_temp last`);
    }
    if (leakproof) found('leakproof-function', 'may see rows before the policy has hidden them');
    if (impostor) found('definer-function', 'has the name of the guard and is not the guard');
    return findings;
  });
}

/** An unlisted pg_temp is searched first, so it must be named, at the end; nothing on the path is writable by a login. */
export function isFixedPath(path: string | null): boolean {
  const schemas = path?.split(',').map((schema) => schema.trim()) ?? [];
  return schemas.length > 1 && schemas.indexOf('pg_temp') === schemas.length - 1 && !schemas.includes('"$user"');
}
