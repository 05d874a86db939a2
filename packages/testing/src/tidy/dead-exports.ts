import { moduleOf, type NamedExport, resolveModule } from './modules.ts';
import { scanOf } from './scan.ts';
import { type Context, isCode, isTest, type Rule, type SourceFile, unitOf } from './source.ts';

interface Kept {
  readonly path: string;
  readonly name: string;
  readonly reason: string;
}

/** Exports without an importer that stay nevertheless. */
const kept: readonly Kept[] = [];

/** What a module shows to others, somebody uses. */
export const deadExports: Rule = (files, context) => {
  const used = new Map<string, Set<string>>();
  for (const file of files.filter(({ path }) => isCode(path))) {
    for (const { specifier, names, whole } of moduleOf(file).references) {
      const target = resolveModule(file.path, specifier, context);
      if (target === undefined || target === file.path) continue;
      const seen = used.get(target) ?? new Set();
      used.set(target, seen);
      if (whole) seen.add('*');
      for (const { imported } of names) seen.add(imported);
    }
  }
  const open = publicFiles(context);
  return files.flatMap((file) => {
    if (!isCode(file.path) || isTest(file.path) || unitOf(file.path, context) === undefined || open.has(file.path))
      return [];
    if (/^apps\/[^/]+\/(?:src\/)?main\.ts$/.test(file.path)) return [];
    const seen = used.get(file.path) ?? new Set();
    if (seen.has('*')) return [];
    return moduleOf(file)
      .exports.filter(({ name }) => name !== '*' && !seen.has(name))
      .filter((entry) => !(entry.typeOnly && namesASignature(file, entry, context)))
      .filter(({ name }) => !kept.some((entry) => entry.path === file.path && entry.name === name))
      .map(({ name, line }) => ({
        path: file.path,
        line,
        rule: 'dead-exports',
        message: `nobody imports ${name}: drop the export, or the code`,
      }));
  });
};

/** The SDK is imported by other people's programs: what its package.json exports is used by definition. */
function publicFiles(context: Context): ReadonlySet<string> {
  const exported = Object.keys(context.units.get('packages/sdk')?.manifest.exports ?? {});
  const paths = exported.map((subpath) => resolveModule('', `@mono-auth/sdk${subpath.slice(1)}`, context));
  return new Set(paths.filter((path) => path !== undefined));
}

/** A type stays with the value whose signature it names: callers need a word for what they pass and get. */
function namesASignature(file: SourceFile, { name, from }: NamedExport, context: Context): boolean {
  const path = from === undefined ? file.path : resolveModule(file.path, from, context);
  const declaring = path === undefined ? undefined : context.byPath.get(path);
  if (declaring === undefined) return false;
  return scanOf(declaring).tokens.filter(({ kind, text }) => kind === 'word' && text === name).length > 1;
}
