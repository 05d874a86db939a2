import { moduleOf } from './modules.ts';
import { scanOf } from './scan.ts';
import { lineOf, type Rule, type Violation } from './source.ts';

/** The packages that own a capability from contract to table; all have the same anatomy. */
const capabilities = 'audit feed tenants revocation clients policy machines minting identity tokens'.split(' ');

/** More names than this and the package has more than one subject. */
const indexExportsMax = 10;

/** Imported file by file, through subpath exports: they have no barrel. */
const withoutIndex = new Set(['proto', 'core']);

/** Learn one package, know all. */
export const anatomy: Rule = (files, context) => {
  const violations: Violation[] = [];
  const report = (path: string, line: number, message: string): unknown =>
    violations.push({ path, line, rule: 'anatomy', message });

  for (const { group, name, dir } of context.units.values()) {
    if (group !== 'packages') continue;
    if (!context.byPath.has(`${dir}/README.md`)) {
      report(dir, 1, 'has no README.md: one page of purpose, words, invariants, spec sections, what it never does');
    }
    const index = context.byPath.get(`${dir}/src/index.ts`);
    if (withoutIndex.has(name)) {
      if (index !== undefined) report(index.path, 1, `${name} has no barrel: import its files by subpath`);
      continue;
    }
    if (index === undefined) {
      if (capabilities.includes(name)) report(dir, 1, 'has no src/index.ts: the one door of a capability');
      continue;
    }
    const { exports } = moduleOf(index);
    const star = exports.find((entry) => entry.name === '*');
    if (star !== undefined) report(index.path, star.line, 'export * hides what is public: name each export');
    const values = exports.filter(({ typeOnly }) => !typeOnly).length;
    if (values > indexExportsMax) {
      report(
        index.path,
        1,
        `exports ${values} values, at most ${indexExportsMax}: keep what only the package needs inside`,
      );
    }
  }
  for (const name of capabilities) {
    if (!context.units.has(`packages/${name}`))
      report(`packages/${name}`, 1, 'is missing: a capability of the architecture');
  }
  for (const file of files) {
    if (!/^packages\/[^/]+\/src\/service\.ts$/.test(file.path)) continue;
    if (/\bsatisfies\s+ServiceImpl\s*<\s*typeof\b/.test(scanOf(file).code)) continue;
    const message =
      'end the implementation with `satisfies ServiceImpl<typeof XService>`: a forgotten RPC must not compile';
    report(file.path, lineOf(file.text, 'export'), message);
  }
  return violations;
};
