import { posix } from 'node:path';
import { scanOf, type Token } from './scan.ts';
import type { Context, SourceFile } from './source.ts';

export interface ImportedName {
  /** The name in the other module: `default` for a default import. */
  readonly imported: string;
  readonly local: string;
  readonly typeOnly: boolean;
}

/** A place where a file names another module. */
export interface ModuleReference {
  readonly specifier: string;
  readonly line: number;
  /** `import type` or `export type`: erased, no edge at run time. `import { type A }` keeps its edge (verbatimModuleSyntax). */
  readonly typeOnly: boolean;
  readonly names: readonly ImportedName[];
  /** Takes everything the module exports: `* as`, `export *`, `import()`, `import.meta.resolve()`, `new URL(…, import.meta.url)`. */
  readonly whole: boolean;
}

export interface NamedExport {
  /** `*` for `export * from`. */
  readonly name: string;
  /** The module that declares it, for `export … from`. */
  readonly from: string | undefined;
  readonly line: number;
  readonly typeOnly: boolean;
}

export interface ModuleShape {
  readonly references: readonly ModuleReference[];
  readonly exports: readonly NamedExport[];
}

const shapes = new WeakMap<SourceFile, ModuleShape>();

export function moduleOf(file: SourceFile): ModuleShape {
  const known = shapes.get(file);
  if (known !== undefined) return known;
  const references: ModuleReference[] = [];
  const exports: NamedExport[] = [];
  const { tokens } = scanOf(file);
  let depth = 0;
  tokens.forEach((token, at) => {
    if (token.kind === 'punct') depth += token.text === '{' ? 1 : token.text === '}' ? -1 : 0;
    if (token.kind !== 'word' || tokens[at - 1]?.text === '.') return;
    if (token.text === 'import') references.push(...readImport(tokens, at));
    if (token.text === 'new') references.push(...readUrl(tokens, at));
    // Deeper down it belongs to a namespace or to the module that is augmented.
    if (token.text === 'export' && depth === 0) readExport(tokens, at, references, exports);
  });
  const shape = { references, exports };
  shapes.set(file, shape);
  return shape;
}

function textsAt(tokens: readonly Token[], at: number, count: number): string {
  return tokens
    .slice(at, at + count)
    .map((token) => token.text)
    .join(' ');
}

/** The value of a string, or of a template without expressions. */
function plainText(token: Token | undefined): string | undefined {
  if (token?.kind === 'string') return token.text.slice(1, -1);
  return token?.kind === 'template' && /^`[\s\S]*`$/.test(token.text) ? token.text.slice(1, -1) : undefined;
}

function wholeReference(tokens: readonly Token[], at: number, typeOnly: boolean): ModuleReference[] {
  const specifier = plainText(tokens[at]);
  if (specifier === undefined) return [];
  return [{ specifier, line: (tokens[at] as Token).line, typeOnly, names: [], whole: true }];
}

function readImport(tokens: readonly Token[], at: number): ModuleReference[] {
  const next = tokens[at + 1];
  if (next === undefined) return [];
  if (next.text === '(') {
    const before = tokens[at - 1]?.text ?? '';
    return wholeReference(tokens, at + 2, ['typeof', ':', '|', '&', '<', 'as'].includes(before));
  }
  if (textsAt(tokens, at + 1, 4) === '. meta . resolve') return wholeReference(tokens, at + 6, false);
  if (next.kind === 'string') {
    return [{ specifier: next.text.slice(1, -1), line: next.line, typeOnly: false, names: [], whole: false }];
  }
  if (next.kind !== 'word' && next.text !== '{' && next.text !== '*') return [];
  const typeOnly = next.text === 'type' && !['from', ','].includes(tokens[at + 2]?.text ?? '');
  return readClause(tokens, typeOnly ? at + 2 : at + 1, typeOnly);
}

/** `new URL('./file.ts', import.meta.url)`: how a worker's file is named. */
function readUrl(tokens: readonly Token[], at: number): ModuleReference[] {
  if (textsAt(tokens, at, 3) !== 'new URL (' || textsAt(tokens, at + 4, 4) !== ', import . meta') return [];
  return wholeReference(tokens, at + 3, false).filter((reference) => /\.m?[jt]sx?$/.test(reference.specifier));
}

/** Reads `a, { b as c, type d } from 'm'`, `* as n from 'm'` and the like; nothing when no `from` follows. */
function readClause(tokens: readonly Token[], at: number, typeOnly: boolean): ModuleReference[] {
  const names: ImportedName[] = [];
  let whole = false;
  let i = at;
  for (; i < tokens.length; i++) {
    const token = tokens[i] as Token;
    if (token.text === 'from' && tokens[i + 1]?.kind === 'string') break;
    if (token.text === '*') {
      whole = true;
      if (tokens[i + 1]?.text === 'as') i += 2;
    } else if (token.text === '{') {
      const end = closing(tokens, i);
      names.push(...readNames(tokens.slice(i + 1, end)));
      i = end;
    } else if (token.kind === 'word') {
      names.push({ imported: 'default', local: token.text, typeOnly: false });
    } else if (token.text !== ',') return [];
  }
  const source = tokens[i + 1];
  if (source === undefined) return [];
  return [{ specifier: source.text.slice(1, -1), line: (tokens[at] as Token).line, typeOnly, names, whole }];
}

function readNames(tokens: readonly Token[]): ImportedName[] {
  const names: ImportedName[] = [];
  let part: string[] = [];
  const flush = (): void => {
    const typeOnly = part[0] === 'type' && part.length > 1 && part[1] !== 'as';
    const [imported, , local = imported] = typeOnly ? part.slice(1) : part;
    if (imported !== undefined && local !== undefined) names.push({ imported, local, typeOnly });
    part = [];
  };
  for (const token of tokens) {
    if (token.text === ',') flush();
    else part.push(token.text);
  }
  flush();
  return names;
}

const declarations = new Set('const let var function class interface type enum namespace'.split(' '));

function readExport(tokens: readonly Token[], at: number, references: ModuleReference[], exports: NamedExport[]): void {
  let i = at + 1;
  const typeOnly = tokens[i]?.text === 'type' && ['{', '*'].includes(tokens[i + 1]?.text ?? '');
  if (typeOnly) i++;
  const first = tokens[i];
  if (first === undefined) return;
  const { line } = first;
  if (first.text === '*') {
    const renamed = tokens[i + 1]?.text === 'as' ? tokens[i + 2]?.text : undefined;
    const source = readClause(tokens, i, typeOnly);
    exports.push({ name: renamed ?? '*', from: source[0]?.specifier, line, typeOnly });
    references.push(...source);
    return;
  }
  if (first.text === '{') {
    const end = closing(tokens, i);
    const source = tokens[end + 1]?.text === 'from' ? readClause(tokens, i, typeOnly) : [];
    for (const name of readNames(tokens.slice(i + 1, end))) {
      exports.push({ name: name.local, from: source[0]?.specifier, line, typeOnly: typeOnly || name.typeOnly });
    }
    references.push(...source);
    return;
  }
  while (['async', 'abstract', 'declare'].includes(tokens[i]?.text ?? '')) i++;
  const keyword = tokens[i];
  if (keyword === undefined || !declarations.has(keyword.text)) return;
  i++;
  if (tokens[i]?.text === '*') i++;
  for (const name of declaredNames(tokens, i)) {
    exports.push({ name, from: undefined, line, typeOnly: keyword.text === 'interface' || keyword.text === 'type' });
  }
}

/** One name, or those of `{ a, b: c }` and `[a, b]`. */
function declaredNames(tokens: readonly Token[], at: number): string[] {
  const first = tokens[at];
  if (first === undefined) return [];
  if (first.text !== '{' && first.text !== '[') return first.kind === 'word' ? [first.text] : [];
  return tokens
    .slice(at + 1, closing(tokens, at))
    .filter((token, i, all) => token.kind === 'word' && all[i + 1]?.text !== ':')
    .map((token) => token.text);
}

const closers: Readonly<Record<string, string>> = { '{': '}', '(': ')', '[': ']' };

/** The index of the bracket that closes the one at `at`; the last token when none does. */
export function closing(tokens: readonly Token[], at: number): number {
  const open = tokens[at]?.text ?? '';
  const close = closers[open];
  let depth = 0;
  for (let i = at; i < tokens.length; i++) {
    const token = tokens[i] as Token;
    if (token.kind !== 'punct') continue;
    if (token.text === open) depth++;
    if (token.text === close && --depth === 0) return i;
  }
  return tokens.length - 1;
}

export function isRelative(specifier: string): boolean {
  return specifier.startsWith('./') || specifier.startsWith('../') || specifier === '.' || specifier === '..';
}

/** `@scope/name/sub/path` → `@scope/name` */
export function packageOf(specifier: string): string {
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
}

/** `@mono-auth/feed/x` → `feed`; undefined for modules that are not ours. */
export function ownPackageOf(specifier: string): string | undefined {
  return specifier.startsWith('@mono-auth/') ? specifier.split('/')[1] : undefined;
}

/** The file of the tree that a specifier names; undefined when it is not in the tree. */
export function resolveModule(from: string, specifier: string, context: Context): string | undefined {
  if (isRelative(specifier)) {
    const path = posix.normalize(posix.join(posix.dirname(from), specifier));
    return context.byPath.has(path) ? path : undefined;
  }
  const name = ownPackageOf(specifier);
  if (name === undefined) return undefined;
  const unit = context.units.get(`packages/${name}`) ?? context.units.get(`apps/${name}`);
  if (unit === undefined) return undefined;
  const subpath = `.${specifier.slice(`@mono-auth/${name}`.length)}`;
  for (const [pattern, target] of Object.entries(unit.manifest.exports ?? {})) {
    const [prefix = '', suffix] = pattern.split('*');
    const matches = suffix === undefined ? subpath === pattern : subpath.startsWith(prefix) && subpath.endsWith(suffix);
    if (!matches) continue;
    const star = suffix === undefined ? '' : subpath.slice(prefix.length, subpath.length - suffix.length);
    const file = typeof target === 'string' ? target : (target.default ?? target.import ?? '');
    return posix.join(unit.dir, file.replace('*', star));
  }
  return undefined;
}
