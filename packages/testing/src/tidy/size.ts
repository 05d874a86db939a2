import { closing } from './modules.ts';
import { scanOf, type Token } from './scan.ts';
import { isCode, isTest, type Rule, type SourceFile, type Violation } from './source.ts';

/** Beyond this a file has more than one subject (the median of the code we admire is 30 to 130 lines). */
const fileLinesMax = 400;
/** Tests tell one story after the other and may run longer. */
const testLinesMax = 600;
/** What fits on a screen can be read as a whole. */
const functionLinesMax = 70;

export const size: Rule = (files) =>
  files.filter(({ path }) => isCode(path)).flatMap((f) => [...ofFile(f), ...ofFunctions(f)]);

/** The sizes at the middle and at nine tenths of the files that are neither tests nor generated. */
export function sizesOf(files: readonly SourceFile[]): { files: number; median: number; p90: number } {
  const sizes = files
    .filter(({ path }) => isCode(path) && !isTest(path))
    .map(({ text }) => linesOf(text))
    .sort((a, b) => a - b);
  const at = (share: number): number => sizes[Math.min(Math.floor(sizes.length * share), sizes.length - 1)] ?? 0;
  return { files: sizes.length, median: at(0.5), p90: at(0.9) };
}

function linesOf(text: string): number {
  return text.split('\n').length - (text.endsWith('\n') ? 1 : 0);
}

function ofFile(file: SourceFile): Violation[] {
  const lines = linesOf(file.text);
  const max = isTest(file.path) ? testLinesMax : fileLinesMax;
  if (lines <= max) return [];
  const message = `${lines} lines, at most ${max}: split it by subject`;
  return [{ path: file.path, line: max + 1, rule: 'size', message }];
}

function ofFunctions(file: SourceFile): Violation[] {
  const { tokens } = scanOf(file);
  return tokens.flatMap((token, at): Violation[] => {
    const found = functionAt(tokens, at);
    if (found === undefined) return [];
    const lines = (tokens[closing(tokens, found.body)] as Token).line - token.line + 1;
    if (lines <= functionLinesMax) return [];
    const message = `${found.name} has ${lines} lines, at most ${functionLinesMax}: take a step out and name it`;
    return [{ path: file.path, line: token.line, rule: 'size', message }];
  });
}

interface FoundFunction {
  readonly name: string;
  /** Index of the `{` of the body. */
  readonly body: number;
}

const controls = new Set('if for while switch catch with return function new await typeof super import'.split(' '));
const beforeMethod = new Set('{ } ; , async get set static public private protected override * abstract'.split(' '));

/** A function declaration or expression, a method, or an arrow function given to a name; other callbacks belong to their caller. */
function functionAt(tokens: readonly Token[], at: number): FoundFunction | undefined {
  const token = tokens[at] as Token;
  const next = tokens[at + 1];
  if (token.text === 'function') {
    let open = at;
    while (open < tokens.length && tokens[open]?.text !== '(') open++;
    return withBody(tokens, next?.kind === 'word' ? next.text : 'function', open, '{');
  }
  if (token.text === '=' && next !== undefined) return arrowAt(tokens, at);
  const named = token.kind === 'word' && !controls.has(token.text) && beforeMethod.has(tokens[at - 1]?.text ?? '');
  return named ? withBody(tokens, token.text, afterGenerics(tokens, at + 1), '{') : undefined;
}

/** `name = async (a): T => {`, `name = a => {` */
function arrowAt(tokens: readonly Token[], at: number): FoundFunction | undefined {
  const start = afterGenerics(tokens, tokens[at + 1]?.text === 'async' ? at + 2 : at + 1);
  const name = tokens[at - 1]?.kind === 'word' ? (tokens[at - 1] as Token).text : 'the function';
  if (tokens[start]?.text === '(') return withBody(tokens, name, start, '=>');
  const bare = tokens[start]?.kind === 'word' && tokens[start + 1]?.text === '=>' && tokens[start + 2]?.text === '{';
  return bare ? { name, body: start + 2 } : undefined;
}

/** Steps over `<T, U extends V<W>>`. */
function afterGenerics(tokens: readonly Token[], start: number): number {
  if (tokens[start]?.text !== '<') return start;
  let depth = 0;
  for (let at = start; at < tokens.length; at++) {
    const text = tokens[at]?.text;
    if (text === '<') depth++;
    if (text === '>' && --depth === 0) return at + 1;
    if (text === ';') break;
  }
  return start;
}

/** Steps over the parameters that open at `open` and the return type to the body; none for an overload or a mere call. */
function withBody(tokens: readonly Token[], name: string, open: number, before: '{' | '=>'): FoundFunction | undefined {
  if (tokens[open]?.text !== '(') return undefined;
  let at = closing(tokens, open) + 1;
  if (tokens[at]?.text === ':') at = afterType(tokens, at + 1, before);
  if (before === '=>') {
    if (tokens[at]?.text !== '=>') return undefined;
    at++;
  }
  return tokens[at]?.text === '{' ? { name, body: at } : undefined;
}

/** The index of the token that ends a return type: the `{` of the body, the `=>` of an arrow, or a `;`. */
function afterType(tokens: readonly Token[], start: number, end: '{' | '=>'): number {
  let expectsType = true;
  let at = start;
  while (at < tokens.length) {
    const { text } = tokens[at] as Token;
    if (text === ';' || (text === end && !expectsType)) return at;
    const opens = text === '(' || text === '[' || text === '{';
    // Inside `<…>` a `{` is a type as well: what precedes it is `<`, `,`, `|`, `&`, `:` or `=>`.
    expectsType = ['<', ',', '|', '&', ':', '=>', 'is', 'extends', '?', 'keyof', 'readonly'].includes(text);
    at = opens ? closing(tokens, at) + 1 : at + 1;
  }
  return at;
}
