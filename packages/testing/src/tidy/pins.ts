import { type Context, lineOf, type Manifest, type Rule, type SourceFile, type Violation } from './source.ts';

const reasonsPath = 'infra/dependencies.md';
const exactVersion = /^\d+\.\d+\.\d+(?:-[\w.]+)?(?:\+[\w.]+)?$/;

/** npm and Bun run these by themselves; code that runs on install is code nobody asked for. */
const lifecycle =
  /^(?:(?:pre|post)?(?:install|prepare|publish|pack|version|test|start|stop|restart|uninstall|shrinkwrap)|prepublishOnly|dependencies)$/;
/** What people type. */
const commands = new Set(['start', 'test']);

/** Every dependency has one exact version, in the catalog, and a written reason. */
export const pins: Rule = (files, context) => [
  ...files.filter(({ path }) => /(?:^|\/)package\.json$/.test(path)).flatMap(inManifest),
  ...reasons(context),
  ...unusedEntries(files, context),
];

function inManifest(file: SourceFile): Violation[] {
  const manifest = JSON.parse(file.text) as Manifest;
  const catalog = manifest.workspaces?.catalog ?? {};
  const loose = [...Object.entries(catalog), ...dependenciesOf(manifest)]
    .filter(([, version]) => version !== 'workspace:*' && version !== 'catalog:' && !exactVersion.test(version))
    .map(([name, version]) =>
      violation(file, `"${name}"`, `${name} "${version}" is no exact version: pin it in the catalog`),
    );
  const scripts = Object.keys(manifest.scripts ?? {})
    .filter((name) => lifecycle.test(name) && !(file.path === 'package.json' && commands.has(name)))
    .map((name) => violation(file, `"${name}"`, `${name} runs by itself: make it a command of infra/run.mjs`));
  return [...loose, ...scripts];
}

function dependenciesOf(manifest: Manifest): [string, string][] {
  const { dependencies, devDependencies, optionalDependencies, peerDependencies } = manifest;
  return [dependencies, devDependencies, optionalDependencies, peerDependencies].flatMap((list) =>
    Object.entries(list ?? {}),
  );
}

/** Rows of the table: | `name` | reason | */
function reasons(context: Context): Violation[] {
  const file = context.byPath.get(reasonsPath) ?? { path: reasonsPath, text: '' };
  const rows = [...file.text.matchAll(/^\| `([^`]+)` *\|(.*)\|[ \t]*$/gm)].map(({ 1: name = '', 2: reason = '' }) => ({
    name,
    reason,
  }));
  const catalog = Object.keys(context.root.workspaces?.catalog ?? {});
  return [
    ...catalog
      .filter((name) => !rows.some((row) => row.name === name && row.reason.trim() !== ''))
      .map((name) => violation(file, `\`${name}\``, `${name} stands in the catalog without a reason: add its row`)),
    ...rows
      .filter(({ name }, index) => !catalog.includes(name) || rows.findIndex((row) => row.name === name) !== index)
      .map(({ name }) =>
        violation(file, `\`${name}\``, `${name} has a row too many: one for each entry of the catalog`),
      ),
  ];
}

function unusedEntries(files: readonly SourceFile[], context: Context): Violation[] {
  const taken = new Set(
    files
      .filter(({ path }) => /(?:^|\/)package\.json$/.test(path))
      .flatMap(({ text }) => dependenciesOf(JSON.parse(text) as Manifest).map(([name]) => name)),
  );
  const root = context.byPath.get('package.json') ?? { path: 'package.json', text: '' };
  return Object.keys(context.root.workspaces?.catalog ?? {})
    .filter((name) => !taken.has(name))
    .map((name) => violation(root, `"${name}"`, `${name} stands in the catalog and no package takes it: remove it`));
}

function violation(file: SourceFile, needle: string, message: string): Violation {
  return { path: file.path, line: lineOf(file.text, needle), rule: 'pins', message };
}
