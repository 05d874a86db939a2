import type { SourceFile } from './source.ts';

/**
 * A small scanner for TypeScript, enough to tell code from comments, strings, templates and regular expressions.
 * It replaces the compiler's API, which is not stable in TypeScript 7.0.
 */
export interface Token {
  readonly kind: 'word' | 'number' | 'punct' | 'string' | 'template' | 'regex' | 'comment';
  /** A template comes in pieces: '`a${', '}b${' and '}c`', with the tokens of its expressions between them. */
  readonly text: string;
  readonly start: number;
  readonly line: number;
}

/** A string, or a whole template with `$1` in the place of each expression. */
export interface Literal {
  readonly value: string;
  /** The word before a template: `sql` for both sql`…` and tx.sql`…`. */
  readonly tag: string | undefined;
  readonly line: number;
  /** Position in `Scan.tokens`. */
  readonly index: number;
}

export interface Scan {
  /** Without comments. */
  readonly tokens: readonly Token[];
  readonly comments: readonly Token[];
  readonly literals: readonly Literal[];
  /** The text with everything but code blanked, offsets and lines kept. */
  readonly code: string;
}

const scans = new WeakMap<SourceFile, Scan>();

export function scanOf(file: SourceFile): Scan {
  const known = scans.get(file);
  if (known !== undefined) return known;
  const all = tokenize(file.text);
  const tokens = all.filter((token) => token.kind !== 'comment');
  const scan: Scan = {
    tokens,
    comments: all.filter((token) => token.kind === 'comment'),
    literals: literalsOf(tokens),
    code: blanked(file.text, all),
  };
  scans.set(file, scan);
  return scan;
}

const lexemes: readonly (readonly [Token['kind'], RegExp])[] = [
  ['comment', /\/\/[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|^#![^\n]*/y],
  ['word', /[#]?[\p{ID_Start}$_][\p{ID_Continue}$]*/uy],
  ['number', /\d(?:[\w.]|(?<=[eE])[+-])*/y],
  // An unended string stops at the line's end, so that an apostrophe in JSX text spoils one line only.
  ['string', /'(?:[^'\\\n]|\\[\s\S])*'?|"(?:[^"\\\n]|\\[\s\S])*"?/y],
];
const templateChars = /(?:[^`\\$]|\\[\s\S]|\$(?!\{))*(?:`|\$\{|$)/y;
const regexChars = /\/(?:[^/\\[\n]|\\[^\n]|\[(?:[^\]\\\n]|\\[^\n])*\])+\/[a-z]*/y;
const punctuation = /=>|[\s\S]/y;

/** Words after which a `/` begins a regular expression: an operand must follow. */
const operandFollows = new Set(
  'return typeof case in of delete void throw new await yield else do instanceof'.split(' '),
);

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  // One entry per open template expression: the depth of braces inside it.
  const templates: number[] = [];
  let previous: Token | undefined;
  let at = 0;
  let line = 1;

  const read = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    return pattern.exec(text)?.[0];
  };
  const take = (kind: Token['kind'], lexeme: string): void => {
    const token: Token = { kind, text: lexeme, start: at, line };
    tokens.push(token);
    if (kind !== 'comment') previous = token;
    for (let i = lexeme.indexOf('\n'); i !== -1; i = lexeme.indexOf('\n', i + 1)) line++;
    at += lexeme.length;
  };
  const takeTemplate = (opening: string): void => {
    templateChars.lastIndex = at + 1;
    const rest = templateChars.exec(text)?.[0] ?? '';
    if (rest.endsWith('${')) templates.push(0);
    take('template', opening + rest);
  };
  const takePunctuation = (): void => {
    const lexeme = read(punctuation) ?? '';
    const depth = templates.at(-1);
    if (depth !== undefined && lexeme === '{') templates[templates.length - 1] = depth + 1;
    if (depth !== undefined && lexeme === '}') templates[templates.length - 1] = depth - 1;
    take('punct', lexeme);
  };

  while (at < text.length) {
    const char = text[at] as string;
    if (/\s/.test(char)) {
      if (char === '\n') line++;
      at++;
      continue;
    }
    const lexeme = lexemes.map(([kind, pattern]) => [kind, read(pattern)] as const).find(([, found]) => found);
    if (lexeme?.[1] !== undefined) take(lexeme[0], lexeme[1]);
    else if (char === '`') takeTemplate('`');
    else if (char === '}' && templates.at(-1) === 0) {
      templates.pop();
      takeTemplate('}');
    } else {
      const regex = char === '/' && regexMayBegin(previous) ? read(regexChars) : undefined;
      if (regex === undefined) takePunctuation();
      else take('regex', regex);
    }
  }
  return tokens;
}

function regexMayBegin(previous: Token | undefined): boolean {
  if (previous === undefined) return true;
  if (previous.kind === 'word') return operandFollows.has(previous.text);
  // `</tag>` of JSX; a comparison with a regular expression means nothing.
  if (previous.kind === 'punct') return !')]}<'.includes(previous.text);
  return previous.kind === 'template' && previous.text.endsWith('${');
}

function literalsOf(tokens: readonly Token[]): Literal[] {
  const literals: Literal[] = [];
  const open: { parts: string[]; index: number }[] = [];
  tokens.forEach((token, index) => {
    if (token.kind === 'string') {
      literals.push({ value: token.text.slice(1, -1), tag: undefined, line: token.line, index });
    }
    if (token.kind !== 'template') return;
    if (token.text.startsWith('`')) open.push({ parts: [], index });
    const template = open.at(-1);
    if (template === undefined) return;
    const unfinished = token.text.endsWith('${');
    template.parts.push(token.text.slice(1, unfinished ? -2 : -1));
    if (unfinished) return;
    open.pop();
    const before = tokens[template.index - 1];
    const tagged = before?.kind === 'word' && !operandFollows.has(before.text);
    literals.push({
      value: template.parts.join('$1'),
      tag: tagged ? before.text : undefined,
      line: (tokens[template.index] as Token).line,
      index: template.index,
    });
  });
  return literals;
}

function blanked(text: string, tokens: readonly Token[]): string {
  let code = '';
  let at = 0;
  for (const token of tokens) {
    if (token.kind === 'word' || token.kind === 'number' || token.kind === 'punct') continue;
    code += text.slice(at, token.start) + token.text.replace(/[^\n]/g, ' ');
    at = token.start + token.text.length;
  }
  return code + text.slice(at);
}
