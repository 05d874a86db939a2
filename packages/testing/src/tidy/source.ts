/** What every rule works on: the text of the tree in memory, so that a test can plant a fault without touching the disk. */

export interface SourceFile {
  /** Relative to the root of the repository, with `/`. */
  readonly path: string;
  /** Empty for binary files: they count for rules about names only. */
  readonly text: string;
}

export interface Violation {
  readonly path: string;
  readonly line: number;
  readonly rule: string;
  /** What is wrong and what to do instead. */
  readonly message: string;
}

export type Rule = (files: readonly SourceFile[], context: Context) => Violation[];

export interface Manifest {
  readonly name?: string;
  readonly exports?: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
  readonly scripts?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly workspaces?: { readonly catalog?: Readonly<Record<string, string>> };
  readonly layers?: readonly (readonly string[])[];
}

/** A directory of `packages/` or `apps/`. */
export interface Unit {
  readonly group: 'packages' | 'apps';
  readonly name: string;
  /** `packages/core` */
  readonly dir: string;
  readonly manifest: Manifest;
}

/** What the rules need to know about the tree as a whole; computed from the files alone. */
export interface Context {
  readonly byPath: ReadonlyMap<string, SourceFile>;
  readonly root: Manifest;
  readonly units: ReadonlyMap<string, Unit>;
}

export function contextOf(files: readonly SourceFile[]): Context {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const units = new Map<string, Unit>();
  for (const { path } of files) {
    const [group, name, rest] = path.split('/');
    if ((group !== 'packages' && group !== 'apps') || name === undefined || rest === undefined) continue;
    const dir = `${group}/${name}`;
    if (!units.has(dir)) units.set(dir, { group, name, dir, manifest: manifestAt(byPath, `${dir}/package.json`) });
  }
  return { byPath, units, root: manifestAt(byPath, 'package.json') };
}

function manifestAt(byPath: ReadonlyMap<string, SourceFile>, path: string): Manifest {
  const file = byPath.get(path);
  return file === undefined ? {} : (JSON.parse(file.text) as Manifest);
}

/** The package or app that a file belongs to. */
export function unitOf(path: string, context: Context): Unit | undefined {
  return context.units.get(path.split('/').slice(0, 2).join('/'));
}

export function isCode(path: string): boolean {
  return /\.(?:ts|tsx|mts|mjs|js)$/.test(path) && !isGenerated(path);
}

export function isTest(path: string): boolean {
  return /\.test\.tsx?$/.test(path);
}

/**
 * A program of somebody else's library that a benchmark measures beside ours. It runs in a process of its own, is started and
 * never imported, and so serves nobody.
 */
export function isPeer(path: string): boolean {
  return /^apps\/standalone\/src\/bench\/[^/]+\/peers\/[^/]+\.ts$/.test(path);
}

/** Written by `npm run generate`; its style is the generator's. */
export function isGenerated(path: string): boolean {
  return path.startsWith('packages/proto/src/');
}

/** The number, from 1, of the line that holds `offset`. */
export function lineAt(text: string, offset: number): number {
  let line = 1;
  for (let i = text.indexOf('\n'); i !== -1 && i < offset; i = text.indexOf('\n', i + 1)) line++;
  return line;
}

/** The line of the first occurrence of `needle`, or 1. */
export function lineOf(text: string, needle: string): number {
  return lineAt(text, Math.max(text.indexOf(needle), 0));
}

/** Every match of a pattern in a text, with its line. The pattern needs the `g` flag. */
export function* matchesIn(text: string, pattern: RegExp): Generator<{ text: string; index: number; line: number }> {
  for (const match of text.matchAll(pattern)) {
    yield { text: match[0], index: match.index, line: lineAt(text, match.index) };
  }
}
