import { isBuiltin } from 'node:module';
import { isRelative, moduleOf, packageOf } from './modules.ts';
import { scanOf } from './scan.ts';
import {
  type Context,
  isCode,
  isGenerated,
  isPeer,
  isTest,
  lineOf,
  type Rule,
  type SourceFile,
  type Unit,
  unitOf,
  type Violation,
} from './source.ts';

/** What is imported is declared by the package that imports it, and what is declared is imported. */
export const dependencies: Rule = (files, context) => {
  const used = new Map<Unit, Set<string>>();
  const violations: Violation[] = [];
  for (const file of files) {
    const unit = unitOf(file.path, context);
    if (unit === undefined || (!isCode(file.path) && !isGenerated(file.path))) continue;
    const seen = used.get(unit) ?? new Set<string>();
    used.set(unit, seen);
    for (const { specifier, line } of moduleOf(file).references) {
      if (!isForeign(specifier)) continue;
      const name = packageOf(specifier);
      seen.add(name);
      if (name === unit.manifest.name || declared(unit, file, context).has(name)) continue;
      const message = isTest(file.path)
        ? `${name} is declared neither in ${unit.dir}/package.json nor in the root's devDependencies`
        : `${name} is not in the dependencies of ${unit.dir}/package.json: declare it there`;
      violations.push({ path: file.path, line, rule: 'dependencies', message });
    }
    for (const platform of platformPackages(unit, file)) seen.add(platform);
  }
  for (const unit of context.units.values()) violations.push(...unused(unit, used.get(unit) ?? new Set(), context));
  return violations;
};

function isForeign(specifier: string): boolean {
  return !isRelative(specifier) && !specifier.startsWith('node:') && !/^bun(?::|$)/.test(specifier);
}

/** Tests, the peers of a benchmark and the configuration of tools may also use what their package or the root declares for development. */
function declared(unit: Unit, file: SourceFile, context: Context): ReadonlySet<string> {
  const { manifest } = unit;
  const lists = [manifest.dependencies, manifest.optionalDependencies, manifest.peerDependencies];
  if (isTest(file.path) || isPeer(file.path) || /\.config\.m?ts$/.test(file.path))
    lists.push(manifest.devDependencies, context.root.devDependencies);
  // `npm run generate` runs in the work tree only; it is no part of what is served.
  if (file.path.startsWith('packages/proto/generate/')) lists.push(context.root.devDependencies);
  return new Set(lists.flatMap((list) => Object.keys(list ?? {})));
}

/** Optional packages of one scope, one for each platform, are named by a template: `@scope/${platform}-${arch}`. */
function platformPackages(unit: Unit, file: SourceFile): string[] {
  const optional = Object.keys(unit.manifest.optionalDependencies ?? {});
  if (optional.length === 0) return [];
  const { literals } = scanOf(file);
  return optional.filter((name) => literals.some(({ value }) => value.includes(`${name.split('/')[0]}/`)));
}

function unused(unit: Unit, used: ReadonlySet<string>, context: Context): Violation[] {
  const { manifest } = unit;
  const path = `${unit.dir}/package.json`;
  const text = context.byPath.get(path)?.text ?? '';
  return Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies, ...manifest.devDependencies })
    .filter((name) => !name.startsWith('@mono-auth/') && !used.has(name) && !isBuiltin(name))
    .map((name) => ({
      path,
      line: lineOf(text, `"${name}"`),
      rule: 'dependencies',
      message: `${name} is declared and never imported in ${unit.dir}: remove it`,
    }));
}
