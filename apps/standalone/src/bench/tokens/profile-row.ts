import { rmSync } from 'node:fs';
import { systemRuntime as runtime } from '@mono-auth/core/runtime';
import { startProgram } from '../child-program.ts';
import type { Cores } from './cores.ts';
import { openInstallation } from './installation.ts';
import { ourRows } from './our-rows.ts';
import { type Hot, readHotSpots } from './profile.ts';
import { measureRows, type Schedule } from './rounds.ts';
import { makeDirectory } from './traversable-directory.ts';

const functionsShown = 30;
const packagesShown = 20;
/** Left out at the end of the load, when connections close, milliseconds. */
const marginMs = 100;

/**
 * Runs one row of ours under Bun's profiler and prints where the time went. The profiler slows the server down: its rate is
 * no figure of the comparison.
 * @throws Error when no row has `name` in its name.
 */
export async function profileRow(
  name: string,
  cores: Cores,
  { connections, roundMs, warmUpMs }: Schedule,
): Promise<void> {
  const directory = makeDirectory('profile');
  const installation = await openInstallation();
  try {
    // The first start makes tenants and passwords: a start of its own keeps them out of the profile.
    await (await installation.serve({ launcher: cores.server })).end();
    const flags = ['--cpu-prof', `--cpu-prof-dir=${directory}`];
    const server = await installation.serve({ launcher: cores.server, flags });
    const generator = startProgram('./tokens/load-program.ts', {}, { launcher: cores.generator });
    const rows = await ourRows(installation, { url: new URL(installation.baseUrl), pid: server.pid });
    const row = rows.find((candidate) => candidate.name.includes(name));
    if (!row) throw new Error(`--profile: no row has that name; allowed: ${rows.map((one) => one.name).join(' | ')}`);
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

function print(title: string, spots: readonly Hot[]): void {
  console.log(`  own %  total %  ${title}`);
  for (const { name, selfPercent, totalPercent } of spots) {
    console.log(`${selfPercent.toFixed(1).padStart(7)}${totalPercent.toFixed(1).padStart(9)}  ${name}`);
  }
  console.log('');
}
