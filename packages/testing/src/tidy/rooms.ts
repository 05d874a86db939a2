import { type ModuleReference, moduleOf, resolveModule } from './modules.ts';
import { scanOf } from './scan.ts';
import { type Context, isCode, isPeer, matchesIn, type Rule, unitOf } from './source.ts';

interface Room {
  readonly modules: RegExp;
  readonly rooms: readonly string[];
  readonly instead: string;
  /** Whether a benchmark may measure it beside ours. */
  readonly measured?: true;
}

/** Each of these has one room; whoever else needs it asks that room. */
const libraries: readonly Room[] = [
  {
    modules: /^pg(?:-|\/|$)/,
    rooms: ['packages/database', 'packages/testing'],
    instead: 'take a TenantTx or PlatformTx from @mono-auth/database',
    measured: true,
  },
  { modules: /^ioredis(?:\/|$)/, rooms: ['packages/cache'], instead: 'use the Ephemeral port of @mono-auth/cache' },
  { modules: /^bullmq(?:\/|$)/, rooms: ['packages/queue'], instead: 'use @mono-auth/queue' },
  {
    modules: /^(?:better-auth|better-call|kysely)(?:\/|$)|^@better-auth\//,
    rooms: ['packages/identity'],
    instead: 'ask @mono-auth/identity',
    measured: true,
  },
  { modules: /^@cedar-policy\//, rooms: ['packages/policy-engine'], instead: 'use @mono-auth/policy-engine' },
  { modules: /^@stricli\//, rooms: ['apps/cli'], instead: 'commands belong to apps/cli' },
  // Nobody's room: a second driver would go round the tenant wall or the Ephemeral port.
  {
    modules:
      /^(?:postgres|pg-promise|slonik|knex|drizzle-orm|typeorm|sequelize|@prisma\/client|redis|@redis\/client|bun:sqlite)(?:\/|$)/,
    rooms: [],
    instead: 'Postgres is reached through @mono-auth/database and Redis through @mono-auth/cache',
  },
];

/** Bun's own drivers, which need no import. */
const builtInDrivers = /\bBun\s*\.\s*(?:sql|SQL|redis|RedisClient)\b/g;
const builtInDriverNames = new Set(['sql', 'SQL', 'redis', 'RedisClient']);

/** A library stands in one room. */
export const rooms: Rule = (files, context) =>
  files.flatMap((file) => {
    const unit = unitOf(file.path, context);
    if (unit === undefined || !isCode(file.path)) return [];
    const report = (line: number, what: string, instead: string) => ({
      path: file.path,
      line,
      rule: 'rooms',
      message: `${what} does not belong in ${unit.dir}: ${instead}`,
    });
    const drivers = [...matchesIn(scanOf(file).code, builtInDrivers)].map(({ line, text }) =>
      report(line, text, 'Postgres is reached through @mono-auth/database and Redis through @mono-auth/cache'),
    );
    const imports = moduleOf(file).references.flatMap((reference) => {
      const { specifier, line, names } = reference;
      const driver = specifier === 'bun' && names.some(({ imported }) => builtInDriverNames.has(imported));
      if (driver) return [report(line, "Bun's own database driver", 'use @mono-auth/database or @mono-auth/cache')];
      if (importsPeer(file.path, reference, context)) {
        return [report(line, specifier, 'a peer is started in a process of its own, never imported')];
      }
      const room = libraries.find(({ modules }) => modules.test(specifier));
      if (room?.measured && isPeer(file.path)) return [];
      return room === undefined || room.rooms.includes(unit.dir) ? [] : [report(line, specifier, room.instead)];
    });
    return [...drivers, ...imports];
  });

/** Types of what it is told and what it says are no import of the program. */
function importsPeer(path: string, { specifier, typeOnly }: ModuleReference, context: Context): boolean {
  const target = resolveModule(path, specifier, context);
  return target !== undefined && isPeer(target) && !typeOnly && !isPeer(path);
}
