import { availableParallelism, cpus, loadavg } from 'node:os';
import { systemRuntime as runtime } from '@mono-auth/core/runtime';
import { type ChildProgram, startProgram } from '../child-program.ts';
import { judge } from './aims.ts';
import { manyTenants } from './compare-tenants.ts';
import { exchangeMethod } from './connect-rows.ts';
import type { Contestant, Served } from './contestant.ts';
import type { Cores } from './cores.ts';
import { type Installation, openInstallation } from './installation.ts';
import { measureMemory } from './measure-memory.ts';
import { withPeers } from './measure-peers.ts';
import type { Options } from './options.ts';
import { ourNames, ourRows } from './our-rows.ts';
import type { Report } from './report.ts';
import { type Figures, measureRows, type Schedule } from './rounds.ts';

/** What the sections have in common. */
interface Ground {
  readonly cores: Cores;
  readonly generator: ChildProgram;
  readonly schedule: Schedule;
}

const memoryRounds = 2;

export async function measureTokens({ schedule, many }: Options, cores: Cores): Promise<Report> {
  const before = loadavg();
  const generator = startProgram('./tokens/load-program.ts', {}, { launcher: cores.generator });
  const ground = { cores, generator, schedule };
  const installation = await openInstallation();
  try {
    let server = await installation.serve({ launcher: cores.server });
    const ours = await ourRows(installation, servedBy(installation, server));
    const rows = await withPeers({ launcher: cores.server }, (peers) => measureInTurn(ground, [...ours, ...peers]));
    const [own] = ours.filter(({ name }) => name === ourNames.ownByBasic) as [Contestant];
    const tenants = await besideManyTenants(ground, own, many);
    const processes = await besideTwoProcesses(ground, own);

    const frozen = await freeze(ours.filter(({ name }) => name === own.name || name === ourNames.exchangeByBasic));
    await server.end();
    server = await installation.serve({ launcher: cores.server });
    const again = frozen.map((row) => ({ ...row, server: servedBy(installation, server) }));
    const memory = await measureMemory(installation, server, again, generator, { ...schedule, rounds: memoryRounds });

    return {
      measuredAt: new Date(runtime.nowMs()).toISOString(),
      machine: machine(cores, before),
      schedule,
      sections: [
        { title: 'one tenant, and the peers', rows },
        { title: 'how many tenants there are', rows: [tenants.one, tenants.many] },
        ...(processes.rows.length > 0 ? [{ title: 'two processes', rows: processes.rows }] : []),
      ],
      absent: [
        ...(exchangeMethod() ? [] : [{ name: 'TokenService.Exchange over Connect', why: 'not served yet' }]),
        ...(processes.refused ? [{ name: 'two processes', why: processes.refused }] : []),
      ],
      aims: judge({
        ...{ rows, one: tenants.one, many: tenants.many, ...memory },
        ...{ oneProcess: processes.rows[0], twoProcesses: processes.rows[1], twoProcessesRefused: processes.refused },
      }),
      notes,
    };
  } finally {
    await generator.end();
    await installation.remove();
  }
}

const notes = [
  'ours: the whole server, every token recorded with fsync before its answer. Peers: their own servers on the same Bun;',
  'oidc-provider keeps all in memory and records nothing; Better Auth reads PostgreSQL and records nothing.',
  'Every answer was 2xx, and a token of each row was verified with the keys of its issuer. Assertions are signed before a',
  'round, each for one request. The peers take client_secret_basic. Below 90 % CPU something other than the server was the limit',
  'and its rate says little: `per CPU s` then is what to compare. It holds the server alone, not its PostgreSQL.',
];

function machine(cores: Cores, before: number[]): Report['machine'] {
  return {
    processors: cpus()[0]?.model ?? 'unknown processor',
    cores: availableParallelism(),
    runtime: `Bun ${Bun.version}`,
    pinning: cores.described,
    loadAverage: { before, after: loadavg() },
  };
}

function servedBy({ baseUrl }: Installation, { pid }: ChildProgram): Served {
  return { url: new URL(baseUrl), pid };
}

async function besideManyTenants(ground: Ground, own: Contestant, size: Options['many']) {
  const installation = await openInstallation();
  try {
    const server = await installation.serve({ launcher: ground.cores.server });
    const row = await manyTenants(installation, servedBy(installation, server), size);
    const [one, many] = (await measureInTurn(ground, [own, row])) as [Figures, Figures];
    return { one, many };
  } finally {
    await installation.remove();
  }
}

/** Says each figure as soon as it is there: a whole run takes minutes. */
async function measureInTurn({ generator, schedule }: Ground, rows: readonly Contestant[]): Promise<Figures[]> {
  const figures = await measureRows(rows, generator, schedule);
  for (const { name, perSecond } of figures) process.stderr.write(`${name}: ${perSecond.toFixed(0)} tokens/s\n`);
  return figures;
}

/** The second process is where the generator is on a machine of two cores. */
async function besideTwoProcesses(ground: Ground, own: Contestant) {
  const installation = await openInstallation();
  try {
    let server: ChildProgram;
    try {
      server = await installation.serve({ launcher: ground.cores.twoServers }, { MONO_PROCESSES: '2' });
    } catch (error) {
      return { rows: [], refused: `refused: ${(error as Error).message}` };
    }
    const rows = await ourRows(installation, servedBy(installation, server));
    const two = rows
      .filter(({ name }) => name === own.name)
      .map((row) => ({ ...row, name: `${row.name}, 2 processes` }));
    return { rows: await measureInTurn(ground, [own, ...two]), refused: undefined };
  } finally {
    await installation.remove();
  }
}

/** The same loads once more, without asking anybody for a subject token. */
async function freeze(rows: readonly Contestant[]): Promise<Contestant[]> {
  const loads = await Promise.all(rows.map((row) => row.prepare(0)));
  return rows.map((row, i) => ({ ...row, prepare: async () => loads[i] ?? row.prepare(0) }));
}
