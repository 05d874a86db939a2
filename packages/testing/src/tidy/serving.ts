import { type ImportedName, moduleOf, packageOf } from './modules.ts';
import { scanOf } from './scan.ts';
import { isCode, isPeer, isTest, type Rule, type SourceFile, type Violation } from './source.ts';

interface Served {
  readonly dir: string;
  readonly what: string;
  readonly holds: (files: readonly SourceFile[]) => boolean;
}

/** What is served, and by whom: a library that does not serve its room is decoration. */
const served: readonly Served[] = [
  {
    dir: 'apps/gateway',
    what: "the edge is a Hono app: import { Hono } from 'hono' and serve a new Hono()",
    holds: (files) => files.some((file) => calls(file, /^hono$/, 'Hono', 'new')),
  },
  {
    dir: 'packages/identity',
    what: "people are proven by Better Auth: import { betterAuth } from 'better-auth' and call it for each tenant",
    holds: (files) => files.some((file) => calls(file, /^better-auth(?:\/minimal)?$/, 'betterAuth', 'call')),
  },
  {
    dir: 'packages/transport',
    what: 'RPCs are Connect: transport imports @connectrpc/connect for its interceptors',
    holds: (files) => files.some((file) => valuesFrom(file, /^@connectrpc\/connect$/).length > 0),
  },
  {
    dir: 'apps/control-plane',
    what: 'the services are mounted on a ConnectRouter of @connectrpc/connect by router.service(…)',
    holds: (files) => files.some(mountsServices),
  },
  {
    dir: 'packages/queue',
    what: "jobs are BullMQ's: a new Queue() and a new Worker() imported from 'bullmq'",
    holds: (files) => ['Queue', 'Worker'].every((name) => files.some((file) => calls(file, /^bullmq$/, name, 'new'))),
  },
];

/** Libraries that would serve one of those rooms instead. */
const rivals: readonly { readonly modules: RegExp; readonly instead: string }[] = [
  { modules: /^(?:express|fastify|koa|elysia|restify|polka|h3|@hapi\/hapi)$/, instead: 'HTTP is served by Hono' },
  {
    modules: /^(?:next-auth|passport|lucia|oidc-provider|@auth\/core|express-session|iron-session|supertokens-node)$/,
    instead: 'people are proven by Better Auth, in packages/identity',
  },
  {
    modules: /^(?:@grpc\/grpc-js|@trpc\/server|@trpc\/client|nice-grpc|protobufjs)$/,
    instead: 'RPCs are Connect',
  },
  {
    modules: /^(?:bull|bee-queue|agenda|pg-boss|graphile-worker|croner|node-cron|node-schedule)$/,
    instead: 'jobs are BullMQ, in packages/queue',
  },
];

/** Hono, Better Auth, Connect and BullMQ are what serves their rooms. */
export const serving: Rule = (files) => {
  const code = files.filter(({ path }) => isCode(path));
  const missing = served.flatMap(({ dir, what, holds }): Violation[] => {
    const own = code.filter(({ path }) => path.startsWith(`${dir}/`) && !isTest(path));
    return holds(own) ? [] : [{ path: dir, line: 1, rule: 'serving', message: what }];
  });
  const replaced = code.flatMap((file) =>
    moduleOf(file).references.flatMap(({ specifier, line }): Violation[] => {
      const rival = rivals.find(({ modules }) => modules.test(packageOf(specifier)));
      if (rival === undefined || isPeer(file.path)) return [];
      return [{ path: file.path, line, rule: 'serving', message: `${specifier}: ${rival.instead}` }];
    }),
  );
  return [...missing, ...replaced];
};

function valuesFrom(file: SourceFile, modules: RegExp): readonly ImportedName[] {
  return moduleOf(file)
    .references.filter(({ specifier, typeOnly }) => !typeOnly && modules.test(specifier))
    .flatMap(({ names }) => names.filter(({ typeOnly }) => !typeOnly));
}

/** Whether the name is imported as a value and used: `new Name(`, `new Name<T>(`, or `name(`. */
function calls(file: SourceFile, modules: RegExp, name: string, how: 'new' | 'call'): boolean {
  return valuesFrom(file, modules)
    .filter(({ imported }) => imported === name)
    .some(({ local }) => {
      const { tokens } = scanOf(file);
      return tokens.some(({ text }, at) => {
        if (text !== local) return false;
        const opens = tokens[at + 1]?.text === '(' || tokens[at + 1]?.text === '<';
        return opens && (tokens[at - 1]?.text === 'new') === (how === 'new');
      });
    });
}

function mountsServices(file: SourceFile): boolean {
  const names = moduleOf(file)
    .references.filter(({ specifier }) => /^@connectrpc\/connect(?:-node)?$/.test(specifier))
    .flatMap((reference) => reference.names.map(({ imported }) => imported));
  const router = ['ConnectRouter', 'createConnectRouter', 'connectNodeAdapter'].some((name) => names.includes(name));
  return router && /\.\s*service\s*\(/.test(scanOf(file).code);
}
