import { scanOf } from './scan.ts';
import { isCode, isTest, matchesIn, type Rule, type SourceFile, type Violation } from './source.ts';

const tenantId = /\bten_[0-9a-hjkmnp-tv-z]{26}\b/g;
/** The tenants that seeds make. */
const seededSlug = /(?<![\w-])(?:acme|globex)(?![\w-])/g;
/** The word is also a scope and a kind of caller, so only the bare literal and the path count, not the word in a sentence. */
const platformSlug = /^platform$|(?<=\/t\/)platform\b/g;

interface Exception {
  readonly path: RegExp;
  readonly reason: string;
}

const exceptions: readonly Exception[] = [
  { path: /(?:^|\/)config\.ts$/, reason: 'configuration' },
  { path: /^packages\/core\/src\/tenant-slug\.ts$/, reason: 'names the slug of the platform tenant' },
  { path: /(?:^|\/)seed[^/]*\.ts$/, reason: 'seeds' },
  { path: /^apps\/standalone\/src\/(?:seed|tour)\//, reason: 'seeds, and the story told on them' },
  { path: /^packages\/testing\/src\/tidy\//, reason: 'names what it looks for' },
];

/** `platform` as the value of `scope`, `kind` or `role` is a word of the access option, not a tenant. */
const platformAsWord = /\b(?:scope|kind|plane)\b/i;

/** No tenant is special to the code: ids and slugs come from configuration, seeds and requests. */
export const tenantLiterals: Rule = (files) =>
  files.flatMap((file) => {
    if (isTest(file.path) || exceptions.some(({ path }) => path.test(file.path))) return [];
    if (file.path.endsWith('.sql')) return inText(file, file.text, 1, [tenantId, seededSlug]);
    if (!isCode(file.path)) return [];
    const lines = file.text.split('\n');
    return scanOf(file).literals.flatMap(({ value, line }) => {
      const aWord = platformAsWord.test(lines[line - 1] ?? '');
      return inText(file, value, line, aWord ? [tenantId, seededSlug] : [tenantId, seededSlug, platformSlug]);
    });
  });

function inText(file: SourceFile, text: string, firstLine: number, patterns: readonly RegExp[]): Violation[] {
  return patterns.flatMap((pattern) =>
    [...matchesIn(text, pattern)].map(({ text: found, line }) => ({
      path: file.path,
      line: firstLine + line - 1,
      rule: 'tenant-literals',
      message: `${found} names one tenant: take it from configuration or the request (platformSlug of core/tenant-slug)`,
    })),
  );
}
