import { type Literal, scanOf } from './scan.ts';
import { isCode, isTest, matchesIn, type Rule, type SourceFile, type Violation } from './source.ts';

/**
 * A literal is SQL when it is tagged so or begins like a statement. Statements that read like English ("grant", "revoke", "begin")
 * count only when tagged.
 */
const statement =
  /^\s*(?:select\s(?=[^.!?]*\sfrom\s|\s*[\w.]+\()|insert\s+into\s|update\s+(?:only\s+)?[\w."${}]+\s+(?:as\s+\w+\s+)?set\s|delete\s+from\s|merge\s+into\s|truncate\s+(?:table\s)?[\w."]+$|with\s+(?:recursive\s+)?\w+\s+(?:\([^)]*\)\s+)?as\s*(?:(?:not\s+)?materialized\s*)?\(|(?:create|alter|drop)\s+(?:table|role|schema|index|unique|policy|function|view|database|extension)\s|set\s+(?:local|session|role)\s)/;

const databaseClock =
  /\b(?:now|clock_timestamp|statement_timestamp|transaction_timestamp|gen_random_uuid|uuidv7|uuidv4|random)\s*\(\s*\)|\b(?:current_timestamp|localtimestamp|current_date|current_time)\b/gi;
const everyColumn = /\b(?:select|returning)\s+(?:distinct\s+)?(?:\w+\.)?\*/gi;

/** Better Auth's and BullMQ's own tables and functions stay as those libraries wrote them. */
const foreignMigrations = /\/\d{4}_(?:identity|queue)_[^/]*\.sql$/;
/** A version that is made where its change commits, compared for equality and shown to nobody: no id of ours. */
const versionMigration = /\/\d{4}_database_state_versions\.sql$/;

function maySpeakSql(path: string): boolean {
  return isTest(path) || /\/store\.ts$|\/src\/store\//.test(path) || /^packages\/(?:database|testing)\//.test(path);
}

/** SQL stands in stores, lists its columns and asks the database neither for the time nor for ids. */
export const sql: Rule = (files) =>
  files.flatMap((file) => {
    if (file.path.endsWith('.sql')) return inStatements(file, withoutSqlComments(file.text), 1);
    if (!isCode(file.path) || file.path.startsWith('packages/testing/src/tidy/')) return [];
    return scanOf(file)
      .literals.filter(isSql)
      .flatMap((literal) => {
        const outside = maySpeakSql(file.path)
          ? []
          : [violation(file, literal.line, 'SQL outside a store: move it to src/store.ts, its first parameter the tx')];
        return isTest(file.path) ? outside : [...outside, ...inStatements(file, literal.value, literal.line)];
      });
  });

function isSql({ tag, value }: Literal): boolean {
  // Lower or upper case, but not "Select one of": that is a sentence.
  return tag === 'sql' || statement.test(value) || (/^\s*[A-Z]{4}/.test(value) && statement.test(value.toLowerCase()));
}

function inStatements(file: SourceFile, text: string, firstLine: number): Violation[] {
  const found = (pattern: RegExp, instead: string): Violation[] =>
    [...matchesIn(text, pattern)].map(({ text: word, line }) =>
      violation(file, firstLine + line - 1, `${word.replace(/\s+/g, ' ')} in SQL: ${instead}`),
    );
  if (foreignMigrations.test(file.path)) return [];
  if (versionMigration.test(file.path)) return found(everyColumn, 'list the columns');
  return [
    ...found(everyColumn, 'list the columns'),
    ...found(databaseClock, 'hand in the value of Runtime as a parameter'),
  ];
}

function withoutSqlComments(text: string): string {
  return text.replace(/--[^\n]*|\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ' '));
}

function violation(file: SourceFile, line: number, message: string): Violation {
  return { path: file.path, line, rule: 'sql', message };
}
