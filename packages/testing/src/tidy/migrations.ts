import type { Rule, Violation } from './source.ts';

const folder = 'packages/database/migrations/';
const namePattern = /^(\d{4})_([a-z]+(?:-[a-z]+)*)_([a-z]+(?:[-_][a-z0-9]+)*)\.sql$/;

/** One sequence of migrations for the whole house, each with its package. */
export const migrations: Rule = (files, context) => {
  const violations: Violation[] = [];
  const taken = new Map<string, string>();
  for (const { path } of files) {
    if (!path.startsWith(folder)) continue;
    const report = (message: string): unknown => violations.push({ path, line: 1, rule: 'migrations', message });
    const [, number, owner] = namePattern.exec(path.slice(folder.length)) ?? [];
    if (number === undefined || owner === undefined) {
      report('is not called NNNN_<package>_<verb>.sql');
      continue;
    }
    const other = taken.get(number);
    if (other !== undefined) report(`has the number of ${other}: take the next free one`);
    taken.set(number, path);
    if (!context.units.has(`packages/${owner}`)) report(`belongs to ${owner}, which is no package`);
  }
  return violations;
};
