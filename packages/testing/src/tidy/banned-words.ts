import { moduleOf } from './modules.ts';
import { scanOf } from './scan.ts';
import { isCode, isGenerated, isTest, matchesIn, type Rule, type SourceFile, type Violation } from './source.ts';

interface BannedWord {
  readonly pattern: RegExp;
  readonly instead: string;
  /** Where the word is at home, besides the files named by `everywhere`. */
  readonly except?: (path: string) => boolean;
}

/** The clock, the ids and the random source of a process come from one place; tests and launchers stand outside of it. */
const ownsTheAir = (path: string): boolean =>
  path === 'packages/core/src/runtime.ts' || isTest(path) || /^infra\/.*\.mjs$/.test(path);
const isProgram = (path: string): boolean =>
  /^apps\/[^/]+\/(?:src\/)?main\.ts$/.test(path) || path.startsWith('infra/');
const mayPrint = (path: string): boolean =>
  /^(?:apps\/cli|infra)\//.test(path) || /(?:^|\/)(?:bench|tour)(?:\/|[^/]*\.m?ts$)/.test(path);

/** Looked for in code: neither in comments nor in strings. */
const inCode: readonly BannedWord[] = [
  { pattern: /\bDate\s*\.\s*now\b/g, instead: 'take a Runtime and call nowMs()', except: ownsTheAir },
  {
    pattern: /\bnew\s+Date\s*(?:\(\s*\)|(?=[;,)\n]))/g,
    instead: 'take a Runtime: new Date(runtime.nowMs())',
    except: ownsTheAir,
  },
  { pattern: /\bMath\s*\.\s*random\b/g, instead: 'take a Runtime and call randomBytes()', except: ownsTheAir },
  {
    pattern: /\brandomUUID\w*/g,
    instead: 'take a Runtime and call uuid(), or newId() of core/ids',
    except: ownsTheAir,
  },
  {
    pattern: /\b(?:getRandomValues|randomFillSync|randomInt)\b/g,
    instead: 'take a Runtime and call randomBytes()',
    except: ownsTheAir,
  },
  {
    pattern: /\bperformance\s*\.\s*now\b|\bprocess\s*\.\s*hrtime\b|\bBun\s*\.\s*nanoseconds\b/g,
    instead: 'take a Runtime and call monotonicMs()',
    except: ownsTheAir,
  },
  {
    pattern: /\bconsole\s*\.\s*(?:log|info|debug)\b/g,
    instead: 'hand a logger over, or write to process.stdout where output is the product',
    except: mayPrint,
  },
  {
    pattern: /\bprocess\s*\.\s*exit\b/g,
    instead: 'throw, or set process.exitCode; only an app’s main.ts ends the process',
    except: isProgram,
  },
  {
    pattern: /(?:(?<!\?[^?:;{}]*):|\bas|<|,|\||&|=>|=|\bis|\bextends)\s*any\b(?!\s*[:(.])/g,
    instead: 'say what it is, or unknown',
  },
];

/** Looked for in comments. */
const inComments: readonly BannedWord[] = [
  { pattern: /@ts-ignore|@ts-nocheck/g, instead: 'repair the type' },
  { pattern: /@ts-expect-error/g, instead: 'repair the type; only a test may expect a compile error', except: isTest },
  { pattern: /biome-ignore|eslint-disable|prettier-ignore|c8 ignore|v8 ignore/g, instead: 'repair the code' },
];

/** Looked for in comments of code and anywhere in other text. */
const inProse: readonly BannedWord[] = [
  { pattern: /\bFIXME\b|\bXXX\b/g, instead: 'fix it' },
  { pattern: /\bTODO\b(?!\([\w-]+\))/g, instead: 'do it, or write TODO(name)' },
  { pattern: /\bissue #?\d+\b/gi, instead: 'say the reason itself' },
];

/** Looked for in the whole text of every file. */
const anywhere: readonly BannedWord[] = [
  {
    pattern: /(?<![\w.~}$*)-])\/(?:work|farm|root)\/|(?<![\w.~}$*)-])\/home\/[a-z]/g,
    instead: 'a path of one machine: derive it from import.meta.url, MONO_DATA_DIR or os.tmpdir()',
  },
  {
    pattern:
      /\b(?:registry\.(?:npmjs\.org|yarnpkg\.com|npmmirror\.com)|npm\.pkg\.github\.com|pypi\.org|files\.pythonhosted\.org|static\.crates\.io|proxy\.golang\.org)\b|^\s*registry\s*=\s*["']?(?:https?:)?\/\/\S+/gm,
    instead: 'a registry host: the package manager’s own configuration names it',
  },
];

/** These files name what they look for. */
const everywhere = /^packages\/testing\/(?:src\/tidy\/|tidy\.test\.ts$)/;

/** A licence and a print of hashes. */
const notOurWords = new Set(['LICENSE', 'infra/bun.lock.txt']);

/** Each banned word, with the word to use instead. */
export const bannedWords: Rule = (files) =>
  files
    .filter(({ path, text }) => text !== '' && !isGenerated(path))
    .flatMap((file) => [...wordsOf(file), ...namesOf(file)]);

function wordsOf(file: SourceFile): Violation[] {
  if (everywhere.test(file.path)) return isCode(file.path) ? search(file, scanOf(file).code, inCode) : [];
  const raw = search(file, file.text, anywhere);
  if (!isCode(file.path)) return notOurWords.has(file.path) ? raw : [...raw, ...search(file, file.text, inProse)];
  const scan = scanOf(file);
  const prose = commentsOf(file);
  return [
    ...raw,
    ...search(file, scan.code, inCode),
    ...search(file, prose, [...inComments, ...inProse]),
    ...secretRandomness(file),
    ...silencedTests(file),
  ];
}

/** The comments alone, each on its line. */
function commentsOf(file: SourceFile): string {
  let prose = '';
  let line = 1;
  for (const comment of scanOf(file).comments) {
    prose += '\n'.repeat(comment.line - line) + comment.text;
    line = comment.line + comment.text.split('\n').length - 1;
  }
  return prose;
}

function search(file: SourceFile, text: string, words: readonly BannedWord[]): Violation[] {
  return words
    .filter(({ except }) => except?.(file.path) !== true)
    .flatMap(({ pattern, instead }) =>
      [...matchesIn(text, pattern)].map(({ text: found, line }) => violation(file, line, found.trim(), instead)),
    );
}

function violation(file: SourceFile, line: number, found: string, instead: string): Violation {
  return { path: file.path, line, rule: 'banned-words', message: `${found} is banned: ${instead}` };
}

/** `randomBytes` is also the name of Runtime's own method, so only its import is banned. */
function secretRandomness(file: SourceFile): Violation[] {
  if (ownsTheAir(file.path)) return [];
  return moduleOf(file)
    .references.filter(({ specifier, names }) => {
      return /^(?:node:)?crypto$/.test(specifier) && names.some(({ imported }) => imported === 'randomBytes');
    })
    .map(({ line }) => violation(file, line, 'randomBytes of node:crypto', 'take a Runtime and call randomBytes()'));
}

/** A test runs. Where the machine lacks something, `context.skip('why')` says so in the report. */
function silencedTests(file: SourceFile): Violation[] {
  if (!isTest(file.path)) return [];
  const { tokens } = scanOf(file);
  return tokens.flatMap(({ kind, text, line }, at): Violation[] => {
    if (kind !== 'word' || !/^(?:skip|only|todo|skipIf|runIf|fails)$/.test(text) || tokens[at + 1]?.text !== '(')
      return [];
    const receiver = tokens[at - 1]?.text === '.' ? tokens[at - 2]?.text : 'context';
    if (/^(?:context|ctx|task)$/.test(receiver ?? '') && text === 'skip') {
      const rest = tokens.slice(at + 2).filter((token) => token.line === line);
      const says = rest.some(
        (token) => token.kind === 'string' || token.kind === 'template' || /reason|why/i.test(token.text),
      );
      return says ? [] : [violation(file, line, 'skip() without a reason', 'skip(reason) prints why')];
    }
    if (!/^(?:test|it|describe|suite)$/.test(receiver ?? '')) return [];
    return [
      violation(
        file,
        line,
        `${receiver}.${text}(`,
        "let it run; context.skip('why') where the machine lacks something",
      ),
    ];
  });
}

const emptyNames = /^(?:utils?|helpers?|common|managers?|misc)$/;

/** A name says what is inside. */
function namesOf({ path }: SourceFile): Violation[] {
  const part = path.split('/').find((name) => name.split(/[-.]/).some((word) => emptyNames.test(word)));
  if (part === undefined) return [];
  const message = `${part} says nothing: name the file after what it holds`;
  return [{ path, line: 1, rule: 'banned-words', message }];
}
