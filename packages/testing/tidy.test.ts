import { describe, expect, test } from 'vitest';
import { readRepository } from './src/tidy/repository.ts';
import { type RuleName, rules } from './src/tidy/rules.ts';
import { sizesOf } from './src/tidy/size.ts';
import { contextOf, type SourceFile, type Violation } from './src/tidy/source.ts';

const tree = readRepository();

function check(rule: RuleName, files: readonly SourceFile[]): Violation[] {
  return rules[rule](files, contextOf(files));
}

function told({ path, line, rule, message }: Violation): string {
  return `${path}:${line} ${rule} — ${message}`;
}

/**
 * The tree with some files added or replaced; `null` takes the file away. `@{` stands for the opening of a placeholder, which the
 * linter takes for a forgotten backtick in a plain string.
 */
function planted(changes: Readonly<Record<string, string | null>>): SourceFile[] {
  const added = Object.entries(changes).flatMap(([path, text]) =>
    text === null ? [] : [{ path, text: text.replaceAll('@{', '${') }],
  );
  return [...tree.filter(({ path }) => !(path in changes)), ...added];
}

/** What a rule says about the planted tree and does not say about the tree as it is. */
function reported(rule: RuleName, changes: Readonly<Record<string, string | null>>): string[] {
  const before = new Set(check(rule, tree).map(told));
  return check(rule, planted(changes))
    .map(told)
    .filter((line) => !before.has(line));
}

function textOf(path: string): string {
  return tree.find((file) => file.path === path)?.text ?? '';
}

function manifestWith(path: string, change: (manifest: Record<string, Record<string, unknown>>) => void): string {
  const manifest = JSON.parse(textOf(path)) as Record<string, Record<string, unknown>>;
  change(manifest);
  return JSON.stringify(manifest, null, 2);
}

describe('the tree as it is', () => {
  test.each(Object.keys(rules) as RuleName[])('holds the rule %s', (rule) => {
    expect(check(rule, tree).map(told)).toEqual([]);
  });

  test('keeps its files small: half of them within 90 lines, nine tenths within 250', () => {
    const { files, median, p90 } = sizesOf(tree);
    process.stdout.write(`tidy: ${files} files, median ${median} lines, p90 ${p90}\n`);
    expect(median).toBeLessThanOrEqual(90);
    expect(p90).toBeLessThanOrEqual(250);
  });
});

interface Plant {
  readonly what: string;
  readonly rule: RuleName;
  readonly files: Readonly<Record<string, string | null>>;
  /** Part of the one line that must appear. */
  readonly says: string;
}

const plants: readonly Plant[] = [
  // remembered
  {
    what: 'a decision that remembers a table nobody watches',
    rule: 'remembered',
    files: {
      'packages/feed/src/store.ts':
        "export const a = (tx: TenantTx) => tx.remembered('a', () => tx.sql`select seq from mono.feed_entries`);\n",
    },
    says: 'remembers rows of mono.feed_entries, which nobody watches',
  },
  {
    what: 'a decision that remembers what it reads elsewhere',
    rule: 'remembered',
    files: { 'packages/feed/src/planted.ts': "export const a = (tx: TenantTx) => tx.remembered('a', () => b(tx));\n" },
    says: 'remembers what no statement here reads',
  },
  // layers
  {
    what: 'an import from a lower row',
    rule: 'layers',
    files: { 'packages/core/src/planted.ts': "import { Database } from '@mono-auth/database';\n" },
    says: 'core imports database from row 4, below its row 2',
  },
  {
    what: 'a type imported from its own row',
    rule: 'layers',
    files: { 'packages/feed/src/planted.ts': "import type { A } from '@mono-auth/audit';\n" },
    says: 'feed imports audit from its own row',
  },
  {
    what: 'a dynamic import from a lower row',
    rule: 'layers',
    files: { 'packages/keys/src/planted.ts': "export const a = () => import('@mono-auth/tokens');\n" },
    says: 'keys imports tokens from row',
  },
  {
    what: 'a re-export from a lower row',
    rule: 'layers',
    files: { 'packages/keys/src/planted.ts': "export { a } from '@mono-auth/tokens';\n" },
    says: 'keys imports tokens from row',
  },
  {
    what: 'a relative import that leaves its package',
    rule: 'layers',
    files: { 'packages/feed/src/planted.ts': "import { a } from '../../audit/src/store.ts';\n" },
    says: 'leaves packages/feed',
  },
  {
    what: 'an app that imports an app',
    rule: 'layers',
    files: { 'apps/worker/src/planted.ts': "import { a } from '@mono-auth/control-plane';\n" },
    says: 'apps never import apps',
  },
  {
    what: 'a gateway that reaches for the database',
    rule: 'layers',
    files: { 'apps/gateway/src/planted.ts': "import { Database } from '@mono-auth/database';\n" },
    says: 'gateway sees only',
  },
  {
    what: "a gateway with the cache's Postgres driver",
    rule: 'layers',
    files: { 'apps/gateway/src/planted.ts': "import { postgresEphemeral } from '@mono-auth/cache';\n" },
    says: 'the gateway holds no database credential',
  },
  {
    what: 'a console that imports more than the contract',
    rule: 'layers',
    files: {
      'apps/console/package.json': '{ "name": "@mono-auth/console" }',
      'apps/console/src/planted.tsx': "import { verify } from '@mono-auth/sdk';\n",
    },
    says: 'console sees only',
  },
  {
    what: 'testing imported by the program',
    rule: 'layers',
    files: { 'packages/feed/src/planted.ts': "import { fakeRuntime } from '@mono-auth/testing';\n" },
    says: 'testing is imported from *.test.ts only',
  },
  {
    what: 'a package without a row',
    rule: 'layers',
    files: { 'packages/planted/package.json': '{ "name": "@mono-auth/planted" }' },
    says: 'packages/planted stands in no row',
  },
  {
    what: 'an upward dependency in a package.json',
    rule: 'layers',
    files: {
      'packages/core/package.json': manifestWith('packages/core/package.json', (manifest) => {
        Object.assign(manifest.dependencies ?? {}, { '@mono-auth/tokens': 'workspace:*' });
      }),
    },
    says: 'core imports tokens from row',
  },
  // dependencies
  {
    what: 'a third-party import that its package does not declare',
    rule: 'dependencies',
    files: { 'packages/core/src/planted.ts': "import type { JWK } from 'jose';\n" },
    says: 'jose is not in the dependencies of packages/core/package.json',
  },
  {
    what: 'a package of ours that is not declared',
    rule: 'dependencies',
    files: { 'packages/keys/src/planted.ts': "import { append } from '@mono-auth/audit/append';\n" },
    says: '@mono-auth/audit is not in the dependencies',
  },
  {
    what: 'a declared dependency that nobody imports',
    rule: 'dependencies',
    files: {
      'packages/core/package.json': manifestWith('packages/core/package.json', (manifest) => {
        Object.assign(manifest.dependencies ?? {}, { pino: 'catalog:' });
      }),
    },
    says: 'pino is declared and never imported in packages/core',
  },
  // cycles
  {
    what: 'two files that import each other, one through a re-export',
    rule: 'cycles',
    files: {
      'packages/core/src/planted-a.ts': "import { b } from './planted-b.ts';\nexport const a = () => b;\n",
      'packages/core/src/planted-b.ts': "export const b = 1;\nexport { a } from './planted-a.ts';\n",
    },
    says: 'planted-a.ts → packages/core/src/planted-b.ts → packages/core/src/planted-a.ts',
  },
  {
    what: 'a cycle of three through the name of a package',
    rule: 'cycles',
    files: {
      'packages/core/src/planted-a.ts': "import './planted-b.ts';\n",
      'packages/core/src/planted-b.ts': "import { type C } from './planted-c.ts';\n",
      'packages/core/src/planted-c.ts': "export type C = 1;\nawait import('@mono-auth/core/planted-a');\n",
    },
    says: 'planted-b.ts → packages/core/src/planted-c.ts → packages/core/src/planted-a.ts',
  },
  // rooms
  ...(
    [
      ['packages/audit/src/planted.ts', "import type { Pool } from 'pg';", 'pg does not belong in packages/audit'],
      ['packages/audit/src/planted.test.ts', "import { Redis } from 'ioredis';", 'ioredis does not belong'],
      ['apps/worker/src/planted.ts', "import { Worker } from 'bullmq';", 'bullmq does not belong in apps/worker'],
      ['packages/tokens/src/planted.ts', "import { betterAuth } from 'better-auth';", 'better-auth does not belong'],
      ['packages/tokens/src/planted.ts', "import { sso } from '@better-auth/sso';", '@better-auth/sso does not belong'],
      ['packages/database/src/planted.ts', "import { Kysely } from 'kysely';", 'kysely does not belong'],
      ['packages/policy/src/planted.ts', "import * as c from '@cedar-policy/cedar-wasm/nodejs';", '@cedar-policy/'],
      ['apps/gateway/src/planted.ts', "import { buildCommand } from '@stricli/core';", '@stricli/core does not belong'],
      ['packages/cache/src/planted.ts', 'await Bun.redis.get("a");', 'Bun.redis does not belong'],
      [
        'apps/standalone/src/bench/tokens/planted.ts',
        "import { betterAuth } from 'better-auth';",
        'better-auth does not belong in apps/standalone',
      ],
      [
        'apps/standalone/src/bench/tokens/peers/planted.ts',
        "import { Redis } from 'ioredis';",
        'ioredis does not belong in apps/standalone',
      ],
      [
        'apps/standalone/src/planted.ts',
        "import './bench/tokens/peers/better-auth.ts';",
        'a peer is started in a process of its own',
      ],
      ['packages/audit/src/planted.ts', "import { SQL } from 'bun';", "Bun's own database driver does not belong"],
    ] as const
  ).map(([path, text, says]): Plant => ({ what: text, rule: 'rooms', files: { [path]: text }, says })),
  // serving: another library in the place of the one that serves
  ...(
    [
      ['apps/gateway/src/planted.ts', "import express from 'express';", 'HTTP is served by Hono'],
      ['packages/identity/src/planted.ts', "import NextAuth from 'next-auth';", 'people are proven by Better Auth'],
      ['apps/standalone/src/planted.ts', "import Provider from 'oidc-provider';", 'people are proven by Better Auth'],
      ['packages/transport/src/planted.ts', "import { Server } from '@grpc/grpc-js';", 'RPCs are Connect'],
      ['packages/queue/src/planted.ts', "import PgBoss from 'pg-boss';", 'jobs are BullMQ'],
    ] as const
  ).map(([path, text, says]): Plant => ({ what: text, rule: 'serving', files: { [path]: text }, says })),
  // authentication
  ...(
    [
      ['tokens', 'export const h = await Bun.password.hash("a");', 'touches password hashing'],
      ['tokens', "import { hash } from '@node-rs/argon2';", 'touches password hashing'],
      ['keys', "import { scryptSync } from 'node:crypto';", 'scryptSync touches password hashing'],
      ['keys', "await crypto.subtle.deriveBits({ name: 'PBKDF2' }, k, 256);", 'PBKDF2 touches password hashing'],
      ['tokens', "import { setCookie } from 'hono/cookie';", 'hono/cookie touches session cookies'],
      ['transport', "response.headers.append('Set-Cookie', session);", 'Set-Cookie touches session cookies'],
      ['tokens', "const name = 'better-auth.session_token';", 'touches session cookies'],
      ['clients', 'export function verifyTotp(code: string) {}', 'verifyTotp touches TOTP'],
      ['clients', "import { authenticator } from 'otplib';", 'otplib touches TOTP'],
      ['machines', "import { a } from '@simplewebauthn/server';", 'touches WebAuthn'],
      ['machines', 'export type A = PublicKeyCredential;', 'touches WebAuthn'],
      ['tenants', "import { SAML } from '@node-saml/node-saml';", 'touches SAML'],
      ['tenants', "const field = form.get('SAMLResponse');", 'touches SAML'],
      ['tokens', 'const { code_verifier } = body;', 'touches the authorization code grant'],
      ['tokens', "if (grant === 'authorization_code') redeem();", 'touches the authorization code grant'],
    ] as const
  ).map(([name, text, says]): Plant => {
    const files = { [`packages/${name}/src/planted.ts`]: text };
    return { what: text, rule: 'authentication', files, says };
  }),
  // banned words
  ...(
    [
      ['packages/feed/src/planted.ts', 'const at = Date.now();', 'Date.now is banned: take a Runtime'],
      ['packages/feed/src/planted.ts', 'const at = new Date();', 'new Date() is banned'],
      ['packages/feed/src/planted.ts', 'const at = `@{new Date()} `;', 'new Date() is banned'],
      ['packages/feed/src/planted.ts', 'const n = Math.random();', 'Math.random is banned'],
      ['packages/feed/src/planted.ts', "import { randomUUID } from 'node:crypto';", 'randomUUID is banned'],
      ['packages/feed/src/planted.ts', "import { randomBytes as r } from 'node:crypto';", 'randomBytes of node:crypto'],
      ['packages/feed/src/planted.ts', 'crypto.getRandomValues(b);', 'getRandomValues is banned'],
      ['packages/feed/src/planted.ts', 'const t = performance.now();', 'performance.now is banned'],
      ['packages/feed/src/planted.ts', 'console.log(1);', 'console.log is banned'],
      ['packages/feed/src/planted.ts', 'process.exit(1);', 'process.exit is banned'],
      ['packages/feed/src/planted.ts', 'function f(a: any) {}', ': any is banned'],
      ['packages/feed/src/planted.ts', 'const a = b as any;', 'as any is banned'],
      ['packages/feed/src/planted.ts', 'const a: Record<string, any> = {};', ', any is banned'],
      ['packages/feed/src/planted.ts', '// @ts-ignore\nf();', '@ts-ignore is banned'],
      ['packages/feed/src/planted.ts', '// biome-ignore lint: later\nf();', 'biome-ignore is banned'],
      ['packages/feed/src/planted.ts', '/* FIXME */', 'FIXME is banned'],
      ['packages/feed/src/planted.ts', '// TODO later', 'TODO is banned'],
      ['packages/feed/src/planted.ts', '// see issue 12', 'issue 12 is banned'],
      ['packages/feed/src/planted.test.ts', "test.skip('a', f);", 'test.skip( is banned'],
      ['packages/feed/src/planted.test.ts', "describe.only('a', f);", 'describe.only( is banned'],
      ['packages/feed/src/planted.test.ts', "test.todo('a');", 'test.todo( is banned'],
      ['packages/feed/src/planted.test.ts', "test('a', (context) => context.skip());", 'skip() without a reason'],
      ['packages/feed/src/token-helpers.ts', '', 'token-helpers.ts says nothing'],
      ['packages/feed/src/utils/planted.ts', '', 'utils says nothing'],
      ['infra/planted.yaml', 'volume: /root/data', 'is banned: a path of one machine'],
      ['packages/feed/src/planted.ts', "const dir = '/home/ada/mono';", 'is banned: a path of one machine'],
      ['.npmrc', 'registry=https://example.org/npm/\n', 'a registry host'],
      ['infra/planted.md', 'Get it from https://registry.npmjs.org/pg.', 'a registry host'],
    ] as const
  ).map(
    ([path, text, says]): Plant => ({
      what: text || path,
      rule: 'banned-words',
      files: { [path]: text || '\n' },
      says,
    }),
  ),
  // sql
  ...(
    [
      ['packages/feed/src/planted.ts', 'await tx.sql`update head set seq = @{seq}`;', 'SQL outside a store'],
      ['packages/feed/src/planted.ts', "const q = 'select seq from feed_head where id = $1';", 'SQL outside a store'],
      ['packages/feed/src/planted.ts', 'const q = `\n  INSERT INTO head (seq) VALUES (1)`;', 'SQL outside a store'],
      ['packages/feed/src/store.ts', 'await tx.sql`select * from feed_head`;', 'select * in SQL: list the columns'],
      ['packages/feed/src/store.ts', 'await tx.sql`select h.* from feed_head h`;', 'select h.* in SQL'],
      ['packages/feed/src/store.ts', 'await tx.sql`update h set at = now() where id = @{id}`;', 'now() in SQL'],
      [
        'packages/feed/src/store.ts',
        'await tx.sql`update h set a = @{a}, at = clock_timestamp()`;',
        'clock_timestamp()',
      ],
      [
        'packages/database/migrations/9001_feed_plant.sql',
        'at timestamptz default current_timestamp',
        'current_timestamp',
      ],
    ] as const
  ).map(([path, text, says]): Plant => ({ what: text, rule: 'sql', files: { [path]: text }, says })),
  // size
  {
    what: 'a file over 400 lines',
    rule: 'size',
    files: { 'packages/feed/src/planted.ts': 'f();\n'.repeat(401) },
    says: '401 lines, at most 400',
  },
  {
    what: 'a test file over 600 lines',
    rule: 'size',
    files: { 'packages/feed/src/planted.test.ts': 'f();\n'.repeat(601) },
    says: '601 lines, at most 600',
  },
  ...(
    [
      ['long', 'export async function long(a: { b: number }): Promise<{ c: string }> {\n', '}\n'],
      ['long', 'class A {\n  private async long<T>(a: T): Promise<void> {\n', '}\n}\n'],
      ['long', 'const long = async ({ a }: B): Promise<C> => {\n', '};\n'],
      ['long', 'const long = async <T extends A<B>>(a: T) => {\n', '};\n'],
      ['long', 'class A {\n  long(): { a: 1 } | undefined {\n', '}\n}\n'],
    ] as const
  ).map(
    ([name, head, tail]): Plant => ({
      what: `a function over 70 lines: ${head.trim()}`,
      rule: 'size',
      files: { 'packages/feed/src/planted.ts': `${head}${"  f('}');\n".repeat(69)}${tail}` },
      says: `${name} has 71 lines, at most 70`,
    }),
  ),
  // dead exports
  {
    what: 'an export that nobody imports',
    rule: 'dead-exports',
    files: { 'packages/core/src/planted.ts': 'export function planted(): void {}\nplanted();\n' },
    says: 'packages/core/src/planted.ts:1 dead-exports — nobody imports planted',
  },
  {
    what: 'a re-export of an index that nobody imports',
    rule: 'dead-exports',
    files: {
      'packages/feed/src/planted.ts': 'export const planted = 1;\n',
      'packages/feed/src/index.ts': `${textOf('packages/feed/src/index.ts')}\nexport { planted } from './planted.ts';\n`,
    },
    says: 'nobody imports planted',
  },
  {
    what: 'a type that names no signature',
    rule: 'dead-exports',
    files: { 'packages/core/src/planted.ts': 'export interface Planted {\n  readonly a: 1;\n}\n' },
    says: 'nobody imports Planted',
  },
  // top level
  {
    what: 'a folder beside the fixed ones',
    rule: 'top-level',
    files: { 'docs/planted.md': 'words\n' },
    says: 'docs is no entry of the top level',
  },
  // tenant literals
  ...(
    [
      ["const id = 'ten_01k9zz3v5e8h2m4n6p8q0r2s4t';", 'ten_01k9zz3v5e8h2m4n6p8q0r2s4t names one tenant'],
      ["if (slug === 'acme') open();", 'acme names one tenant'],
      ['const url = `@{base}/t/globex/jwks`;', 'globex names one tenant'],
      ["if (slug === 'platform') open();", 'platform names one tenant'],
    ] as const
  ).map(([text, says]): Plant => {
    return { what: text, rule: 'tenant-literals', files: { 'packages/feed/src/planted.ts': text }, says };
  }),
  // anatomy
  {
    what: 'a package without a README',
    rule: 'anatomy',
    files: { 'packages/planted/package.json': '{}' },
    says: 'packages/planted:1 anatomy — has no README.md',
  },
  {
    what: 'an index with eleven values',
    rule: 'anatomy',
    files: { 'packages/planted/src/index.ts': `export { ${'abcdefghijk'.split('').join(', ')} } from './a.ts';\n` },
    says: 'exports 11 values, at most 10',
  },
  {
    what: 'an index that exports everything',
    rule: 'anatomy',
    files: { 'packages/planted/src/index.ts': "export * from './a.ts';\n" },
    says: 'export * hides what is public',
  },
  {
    what: 'a service that may forget an RPC',
    rule: 'anatomy',
    files: { 'packages/planted/src/service.ts': 'export const service = {}; // satisfies ServiceImpl<typeof A>\n' },
    says: 'a forgotten RPC must not compile',
  },
  // migrations
  {
    what: 'two migrations of one number',
    rule: 'migrations',
    files: {
      'packages/database/migrations/9001_feed_create.sql': '',
      'packages/database/migrations/9001_audit_create.sql': '',
    },
    says: 'has the number of packages/database/migrations/9001_feed_create.sql',
  },
  {
    what: 'a migration of no package',
    rule: 'migrations',
    files: { 'packages/database/migrations/9001_planted_create.sql': '' },
    says: 'belongs to planted, which is no package',
  },
  {
    what: 'a migration without a number',
    rule: 'migrations',
    files: { 'packages/database/migrations/feed.sql': '' },
    says: 'is not called NNNN_<package>_<verb>.sql',
  },
  // pins
  {
    what: 'a version range',
    rule: 'pins',
    files: { 'packages/planted/package.json': '{ "dependencies": { "hono": "^4.0.0" } }' },
    says: 'hono "^4.0.0" is no exact version',
  },
  {
    what: 'a lifecycle script',
    rule: 'pins',
    files: { 'packages/planted/package.json': '{ "scripts": { "postinstall": "node a.mjs" } }' },
    says: 'postinstall runs by itself',
  },
  {
    what: 'a catalog entry without a reason and without a taker',
    rule: 'pins',
    files: {
      'package.json': manifestWith('package.json', ({ workspaces }) => {
        Object.assign(workspaces?.catalog ?? {}, { 'left-pad': '1.3.0' });
      }),
    },
    says: 'left-pad stands in the catalog without a reason',
  },
  {
    what: 'a reason for what is not in the catalog',
    rule: 'pins',
    files: { 'infra/dependencies.md': `${textOf('infra/dependencies.md')}\n| \`left-pad\` | pads |\n` },
    says: 'left-pad has a row too many',
  },
];

describe('a planted fault is found', () => {
  test.each(plants)('$rule: $what', ({ rule, files, says }) => {
    expect(reported(rule, files)).toContainEqual(expect.stringContaining(says));
  });

  test('every rule has one', () => {
    expect(new Set(plants.map(({ rule }) => rule))).toEqual(new Set(Object.keys(rules)));
  });
});

const mounted = {
  'apps/gateway/src/app.ts': "import { Hono } from 'hono';\nexport const app = new Hono<Env>();\n",
  'packages/identity/src/instance.ts':
    "import { betterAuth } from 'better-auth';\nexport const make = () => betterAuth({});\n",
  'packages/transport/src/access.ts': "import { ConnectError } from '@connectrpc/connect';\n",
  'apps/control-plane/src/routes.ts':
    "import type { ConnectRouter } from '@connectrpc/connect';\nexport const routes = (r: ConnectRouter) => r.service(A, a);\n",
  'packages/queue/src/queue.ts': "import { Queue, Worker as W } from 'bullmq';\nnew Queue('a');\nnew W('a', f);\n",
} as const;

describe('who serves what', () => {
  const onlyMounted = Object.entries(mounted).map(([path, text]) => ({ path, text }));

  test('a tree in which each library serves its room is clean', () => {
    expect(check('serving', onlyMounted)).toEqual([]);
  });

  test.each([
    ['apps/gateway/src/app.ts', 'a comment', "import { Hono } from 'hono';\n// new Hono()\n"],
    ['apps/gateway/src/app.ts', 'a class of that name', "import { Hono } from './own.ts';\nnew Hono();\n"],
    ['apps/gateway/src/app.ts', 'a type', "import type { Hono } from 'hono';\nexport let a: Hono;\n"],
    ['packages/identity/src/instance.ts', 'an import without a call', "import { betterAuth } from 'better-auth';\n"],
    [
      'packages/identity/src/instance.ts',
      'a string',
      "import { betterAuth } from 'better-auth';\nf('betterAuth()');\n",
    ],
    ['packages/transport/src/access.ts', 'a type', "import type { Interceptor } from '@connectrpc/connect';\n"],
    ['apps/control-plane/src/routes.ts', 'a router of its own', "import { r } from './own.ts';\nr.service(A, a);\n"],
    ['packages/queue/src/queue.ts', 'a queue without a worker', "import { Queue } from 'bullmq';\nnew Queue('a');\n"],
  ])('%s with %s instead is found', (path, _what, text) => {
    const files = [...onlyMounted.filter((file) => file.path !== path), { path, text }];
    expect(check('serving', files).map((found) => found.path)).toEqual([path.split('/').slice(0, 2).join('/')]);
  });
});

describe('what is in order is left alone', () => {
  test.each<[RuleName, string, string]>([
    [
      'banned-words',
      'packages/feed/src/planted.ts',
      "// Date.now() would lie\nconst at = new Date(ms); log('new Date()');",
    ],
    ['banned-words', 'packages/feed/src/planted.ts', 'const s = z.any(); Promise.any([]); const t = a ? any : b;'],
    ['banned-words', 'packages/feed/src/planted.ts', "fetch('https://a.example/work/b'); process.exitCode = 2;"],
    ['banned-words', 'packages/feed/src/planted.test.ts', "test('a', (context) => context.skip('no Redis here'));"],
    ['sql', 'packages/feed/src/store.ts', 'await tx.sql`select count(*) from feed_head where seq > @{now()}`;'],
    [
      'sql',
      'apps/cli/src/planted.ts',
      "const help = 'select one of the tenants. from there on'; f('Update the policy set');",
    ],
    ['sql', 'packages/database/migrations/9001_identity_plant.sql', 'at timestamptz default current_timestamp'],
    ['authentication', 'apps/gateway/src/planted.ts', "headers.delete('Set-Cookie'); headers.get('set-cookie');"],
    ['authentication', 'apps/gateway/src/planted.ts', "f('code_challenge_methods_supported', 'password');"],
    ['authentication', 'packages/tokens/src/planted.ts', "const type = 'urn:ietf:params:oauth:token-type:saml2';"],
    ['authentication', 'packages/tokens/src/planted.test.ts', "form.set('code_verifier', v);"],
    ['tenant-literals', 'packages/feed/src/planted.ts', "if (access.scope === 'platform') f('the platform log');"],
    ['size', 'packages/feed/src/planted.ts', `describe('a', () => {\n${'f();\n'.repeat(80)}});\n`],
    ['rooms', 'packages/testing/src/planted.ts', "import { Client } from 'pg';"],
    ['rooms', 'apps/standalone/src/bench/tokens/peers/planted.ts', "import { betterAuth } from 'better-auth';"],
    ['serving', 'apps/standalone/src/bench/tokens/peers/planted.ts', "import Provider from 'oidc-provider';"],
    ['layers', 'packages/feed/src/planted.test.ts', "import { fakeRuntime } from '@mono-auth/testing';"],
    [
      'dead-exports',
      'packages/feed/src/planted.test.ts',
      "import { systemRuntime as s } from '@mono-auth/core/runtime';",
    ],
    ['dead-exports', 'packages/core/src/planted.ts', 'export interface A {}\nconst a: A = {};'],
    ['dead-exports', 'apps/worker/src/main.ts', 'export const started = true;'],
    ['cycles', 'packages/core/src/planted.ts', "import type { A } from './planted.ts';"],
  ])('%s: %s: %s', (rule, path, text) => {
    expect(reported(rule, { [path]: text })).toEqual([]);
  });
});
