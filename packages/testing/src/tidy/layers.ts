import { posix } from 'node:path';
import { isRelative, type ModuleReference, moduleOf, ownPackageOf, resolveModule } from './modules.ts';
import {
  type Context,
  isCode,
  isGenerated,
  isTest,
  lineOf,
  type Rule,
  type Unit,
  unitOf,
  type Violation,
} from './source.ts';

/** Apps that see less than the rows above them: the gateway faces the Internet, the console runs in a browser. */
const narrowed: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  [
    'gateway',
    new Set(['proto', 'core', 'policy-engine', 'feed-engine', 'log-engine', 'sdk', 'transport', 'cache', 'testing']),
  ],
  ['console', new Set(['proto', 'log-engine', 'testing'])],
]);

/** The one app that is made of apps: everything in one process. */
const composedOfApps = 'standalone';

/** Imports go down the rows of `"layers"` in package.json, and never out of the package by a relative path. */
export const layers: Rule = (files, context) => {
  const rows = rowsOf(context);
  const violations = checkRows(context, rows);
  for (const file of files) {
    const unit = unitOf(file.path, context);
    if (unit === undefined || (!isCode(file.path) && !isGenerated(file.path))) continue;
    for (const reference of moduleOf(file).references) {
      const message = isRelative(reference.specifier)
        ? escapes(file.path, unit, reference, context)
        : refuse(file.path, unit, reference, rows);
      if (message !== undefined) violations.push({ path: file.path, line: reference.line, rule: 'layers', message });
    }
  }
  return violations;
};

/** Package or app → its row, from 1. */
function rowsOf(context: Context): ReadonlyMap<string, number> {
  const rows = new Map<string, number>();
  const listed = context.root.layers ?? [];
  listed.forEach((row, index) => {
    for (const name of row) if (name !== 'apps/*') rows.set(name, index + 1);
  });
  const appsRow = listed.length;
  if (listed.at(-1)?.includes('apps/*')) {
    for (const unit of context.units.values()) if (unit.group === 'apps') rows.set(unit.name, appsRow);
  }
  return rows;
}

function checkRows(context: Context, rows: ReadonlyMap<string, number>): Violation[] {
  const violations: Violation[] = [];
  for (const unit of context.units.values()) {
    const path = `${unit.dir}/package.json`;
    const report = (line: number, message: string): unknown => violations.push({ path, line, rule: 'layers', message });
    if (unit.name === 'testing') continue;
    const row = rows.get(unit.name);
    if (row === undefined) {
      report(
        1,
        `${unit.dir} stands in no row of "layers": give it one in the root package.json (apps/* is the last row)`,
      );
      continue;
    }
    if (unit.manifest.name !== undefined && unit.manifest.name !== `@mono-auth/${unit.name}`) {
      report(1, `the package of ${unit.dir} is called @mono-auth/${unit.name}`);
    }
    for (const dependency of Object.keys(unit.manifest.dependencies ?? {})) {
      const message = refuseTarget(unit, ownPackageOf(dependency), rows);
      if (message !== undefined) report(lineOf(context.byPath.get(path)?.text ?? '', `"${dependency}"`), message);
    }
  }
  return violations;
}

function escapes(path: string, unit: Unit, reference: ModuleReference, context: Context): string | undefined {
  const target = posix.normalize(posix.join(posix.dirname(path), reference.specifier));
  if (!target.startsWith(`${unit.dir}/`)) {
    return `${reference.specifier} leaves ${unit.dir}: import the package by its name, or hand the value over`;
  }
  if (resolveModule(path, reference.specifier, context) !== undefined || reference.whole) return undefined;
  return `${reference.specifier} names no tracked file: write the whole name with its .ts`;
}

function refuse(
  path: string,
  unit: Unit,
  reference: ModuleReference,
  rows: ReadonlyMap<string, number>,
): string | undefined {
  const target = ownPackageOf(reference.specifier);
  if (target === undefined) return undefined;
  if (target === 'testing' && !isTest(path) && unit.name !== 'testing') {
    return 'testing is imported from *.test.ts only: what the program needs does not belong there';
  }
  const postgresDriver = reference.names.find(({ imported }) => /postgres/i.test(imported));
  if (unit.name === 'gateway' && target === 'cache' && postgresDriver !== undefined) {
    return `the gateway holds no database credential: it takes the port from cache, not ${postgresDriver.imported}`;
  }
  return refuseTarget(unit, target, rows);
}

function refuseTarget(unit: Unit, target: string | undefined, rows: ReadonlyMap<string, number>): string | undefined {
  if (target === undefined || target === 'testing' || unit.name === 'testing') return undefined;
  if (target === unit.name) return `${unit.name} imports itself by name: use a relative path`;
  const row = rows.get(unit.name);
  const targetRow = rows.get(target);
  if (targetRow === undefined) return `@mono-auth/${target} stands in no row of "layers"`;
  if (row === undefined) return undefined;
  const appsRow = Math.max(...rows.values());
  if (row === appsRow && targetRow === appsRow) {
    if (unit.name === composedOfApps) return undefined;
    return `apps never import apps (only ${composedOfApps} does): move what both need into a package`;
  }
  const seen = narrowed.get(unit.name);
  if (seen !== undefined && !seen.has(target)) {
    return `${unit.name} sees only ${[...seen].join(', ')}: ask @mono-auth/${target} over its contract`;
  }
  if (targetRow < row) return undefined;
  const where = targetRow === row ? 'its own row' : `row ${targetRow}, below its row ${row}`;
  return `${unit.name} imports ${target} from ${where}: hand the effect over as a function type in compose.ts`;
}
