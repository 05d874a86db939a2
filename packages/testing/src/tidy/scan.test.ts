import { expect, test } from 'vitest';
import { moduleOf } from './modules.ts';
import { scanOf } from './scan.ts';

// A placeholder in a plain string looks like a forgotten backtick to the linter: `@{` stands for it here.
const file = (text: string) => ({ path: 'a.ts', text: text.replaceAll('@{', '${') });
const words = (text: string) => scanOf(file(text)).code.match(/\w+/g) ?? [];
const literals = (text: string) =>
  scanOf(file(text)).literals.map(({ value, tag }) => (tag ? `${tag}:${value}` : value));
const specifiers = (text: string) =>
  moduleOf(file(text)).references.map(({ specifier, typeOnly }) => (typeOnly ? `type ${specifier}` : specifier));
const exported = (text: string) =>
  moduleOf(file(text)).exports.map(({ name, typeOnly }) => (typeOnly ? `type ${name}` : name));

test('comments, strings, templates and regular expressions are not code', () => {
  expect(words("a; // b 'c'\n/* d */ e('f', \"it's\"); g")).toEqual(['a', 'e', 'g']);
  expect(words('a(`b @{c(`d @{e} f`) + {}} g`); h')).toEqual(['a', 'c', 'e', 'h']);
  expect(words('return /b\'[/"]/g.test(c) / d / e')).toEqual(['return', 'test', 'c', 'd', 'e']);
  expect(words('a = (b + c) / d; // e /\nf')).toEqual(['a', 'b', 'c', 'd', 'f']);
  expect(words('<p>{a}</p>; b')).toEqual(['p', 'a', 'p', 'b']);
});

test('code keeps its offsets and lines', () => {
  const text = "a('x\\\ny', `\n@{b}`);\n/*\n*/ c";
  const { code, tokens } = scanOf(file(text));
  expect(code.length).toBe(text.length);
  expect(code.indexOf('c')).toBe(text.indexOf(' c') + 1);
  expect(tokens.at(-1)?.line).toBe(5);
});

test('a template is one literal with its tag, its expressions left open', () => {
  expect(literals("tx.sql`select @{a} from @{b('c')}`; return `d`")).toEqual(['c', 'sql:select $1 from $1', 'd']);
});

test('each way to name a module is seen, and only those', () => {
  expect(
    specifiers(`
      import 'a'; import b from 'b'; import * as c from 'c'; import d, { type E, f as g } from 'd';
      import type { H } from 'h'; import type I from 'i'; import type from 'j'; import { type K } from 'k';
      export { l } from 'l'; export * from 'm'; export * as n from 'n'; export type { O } from 'o';
      await import('p'); let q: import('q').Q; import.meta.resolve('r'); new URL('./s.ts', import.meta.url);
      const t = { import: 1, from: 'u' }; x.import('v'); export { w }; f(\`import 'y'\`); import(z); import(\`zz\`);
    `),
  ).toEqual(
    'a b c d,type h,type i,j k l m n,type o,p,type q,r ./s.ts zz'.split(',').flatMap((part) => {
      return part.startsWith('type ') ? [part] : part.split(' ');
    }),
  );
});

test('imported names keep what they are called on both sides', () => {
  const [reference] = moduleOf(file("import a, { b as c, type D, type as e, type F as G } from 'm';")).references;
  expect(reference?.names).toEqual([
    { imported: 'default', local: 'a', typeOnly: false },
    { imported: 'b', local: 'c', typeOnly: false },
    { imported: 'D', local: 'D', typeOnly: true },
    { imported: 'type', local: 'e', typeOnly: false },
    { imported: 'F', local: 'G', typeOnly: true },
  ]);
});

test('each way to export a name is seen', () => {
  expect(
    exported(`
      export const a = 1; export async function b() {} export function* c() {} export abstract class D {}
      export interface E {} export type F = 1; export { g, h as i, type J }; export type { K } from './k.ts';
      export * from './l.ts'; export * as m from './m.ts'; export default 1; export const { n, o: p } = q;
      const r = { export: 1 }; s.export();
    `),
  ).toEqual(['a', 'b', 'c', 'D', 'type E', 'type F', 'g', 'i', 'type J', 'type K', '*', 'm', 'n', 'p']);
});
