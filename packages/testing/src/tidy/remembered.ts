import { isCode, isTest, lineAt, type Rule, type Violation } from './source.ts';

const migrations = /^packages\/database\/migrations\/.*\.sql$/;
const watched = /call mono\.watch_state\('([\w.]+)'/g;
/** How a statement names a table. */
const named = /\b(?:from|join)\s+((?:mono|identity)\.[\w"]+)/g;
/** `packages/database` offers it and reads nothing by it. */
const offers = 'packages/database/src/';

/** What decisions remember stands in watched tables: a change of another one would go unseen. */
export const remembered: Rule = (files) => {
  const tables = new Set(
    files
      .filter(({ path }) => migrations.test(path))
      .flatMap(({ text }) => [...text.matchAll(watched)].map((m) => m[1])),
  );
  return files.flatMap(({ path, text }) => {
    if (!isCode(path) || isTest(path) || path.startsWith(offers) || path.startsWith('packages/testing/')) return [];
    return [...text.matchAll(/\.remembered\(/g)].flatMap(({ index }): Violation[] => {
      const report = (message: string): Violation => ({ path, line: lineAt(text, index), rule: 'remembered', message });
      const read = [...callAt(text, index).matchAll(named)].map((match) => match[1] as string);
      if (read.length === 0) return [report('remembers what no statement here reads: let the call hold its statement')];
      return read
        .filter((table) => !tables.has(table))
        .map((table) =>
          report(`remembers rows of ${table}, which nobody watches: call mono.watch_state in a migration`),
        );
    });
  });
};

/** The text of the call that begins at `start`, up to its closing parenthesis. */
function callAt(text: string, start: number): string {
  let depth = 0;
  for (let i = text.indexOf('(', start); i < text.length; i++) {
    if (text[i] === '(') depth++;
    else if (text[i] === ')' && --depth === 0) return text.slice(start, i);
  }
  return text.slice(start);
}
