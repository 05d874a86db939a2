import { rmSync } from 'node:fs';
import { systemRuntime as runtime } from '@mono-auth/core/runtime';
import { startProgram } from '../child-program.ts';
import { manyTenants } from './compare-tenants.ts';
import type { Served } from './contestant.ts';
import type { Cores } from './cores.ts';
import { type Installation, openInstallation } from './installation.ts';
import type { Options } from './options.ts';
import { ourRows } from './our-rows.ts';
import { type Hot, readHotSpots } from './profile.ts';
import { measureRows } from './rounds.ts';
import { makeDirectory } from './traversable-directory.ts';

/** Chooses the row over many tenants. */
const manyName = 'tenants';
const functionsShown = 30;
const packagesShown = 20;
/** Left out at the end of the load, when connections close, milliseconds. */
const marginMs = 100;

/**
 * Runs one row of ours under Bun's profiler and prints where the time went. The profiler slows the server down: its rate is
 * no figure of the comparison.
 * @throws Error when no row has `name` in its name.
 */
export async function profileRow(name: string, cores: Cores, { schedule, many }: Options): Promise<void> {
  const { connections, roundMs, warmUpMs } = schedule;
  const directory = makeDirectory('profile');
  const installation = await openInstallation();
  try {
    // The first start makes tenants and passwords: a start of its own keeps them out of the profile.
    await (await installation.serve({ launcher: cores.server })).end();
    const flags = ['--cpu-prof', `--cpu-prof-dir=${directory}`];
    const server = await installation.serve({ launcher: cores.server, flags });
    const generator = startProgram('./tokens/load-program.ts', {}, { launcher: cores.generator });
    const row = await findRow(name, installation, { url: new URL(installation.baseUrl), pid: server.pid }, many);
    const [figures] = await measureRows([row], generator, { rounds: 1, roundMs, warmUpMs, connections });
    const loadEndedMs = runtime.monotonicMs();
    await generator.end();
    await server.end();
    const sinceMs = runtime.monotonicMs() - loadEndedMs;
    const { functions, packages } = readHotSpots(directory, sinceMs + roundMs, sinceMs + marginMs);
    console.log(`${row.name}: ${figures?.perSecond.toFixed(0)} tokens/s while profiled\n`);
    print('function, by its own time', functions.slice(0, functionsShown));
    const ours = functions.filter((one) => / (?:packages|apps)\//.test(one.name));
    const byTotal = ours.toSorted((a, b) => b.totalPercent - a.totalPercent);
    print('function of ours, by time with everything that it called', byTotal.slice(0, functionsShown));
    print('package; what is built in counts for its caller', packages.slice(0, packagesShown));
  } finally {
    await installation.remove();
    rmSync(directory, { recursive: true, force: true });
  }
}

async function findRow(name: string, installation: Installation, served: Served, many: Options['many']) {
  if (name === manyName) return manyTenants(installation, served, many);
  const rows = await ourRows(installation, served);
  const row = rows.find((candidate) => candidate.name.includes(name));
  if (row) return row;
  const names = [...rows.map((one) => one.name), manyName];
  throw new Error(`--profile: no row has that name; allowed, or a part of one: ${names.join(' | ')}`);
}

function print(title: string, spots: readonly Hot[]): void {
  console.log(`  own %  total %  ${title}`);
  for (const { name, selfPercent, totalPercent } of spots) {
    console.log(`${selfPercent.toFixed(1).padStart(7)}${totalPercent.toFixed(1).padStart(9)}  ${name}`);
  }
  console.log('');
}
