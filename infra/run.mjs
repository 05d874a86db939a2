/** `node infra/run.mjs <verb> [...args]`: what the scripts of package.json call. */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ensureBun, repositoryRoot as root } from './bun.mjs';
import { fastChecks, generator } from './checks.mjs';
import { runForeground } from './child.mjs';
import { ensureInstalled } from './install.mjs';
import { exitWith, LaunchError } from './launch-error.mjs';
import { writeLockPrint } from './lock-print.mjs';

/** Verbs that are one program of the workspace. */
const programs = {
  tour: 'apps/standalone/src/tour/main.ts',
  bench: 'apps/standalone/src/bench/main.ts',
  generate: generator,
  migrate: 'apps/control-plane/src/migrate/main.ts',
  cli: 'apps/cli/src/main.ts',
};

const verbs = ['test', 'check', 'lock-print', ...Object.keys(programs)];

/** Where a whole `npm test` leaves its figures; `.ci/run` reads them. */
const reportDir = join(root, '.mono', 'test-report');

const vitest = ['--bun', 'vitest', 'run', '--root', '.', '--config', 'packages/testing/vitest.config.ts'];

await exitWith(async () => {
  const [verb = '', ...args] = process.argv.slice(2);
  if (!verbs.includes(verb)) throw new LaunchError(`usage: node infra/run.mjs ${verbs.join('|')} [...args]`);

  const bun = await ensureBun();
  const env = { ...process.env, PATH: `${dirname(bun)}:${process.env.PATH}` };
  // The print needs the lockfile only, and is wanted right after a change of it.
  if (verb === 'lock-print') return writeLockPrint(bun, root).then(() => 0);

  await ensureInstalled(bun, root);
  if (verb in programs) return runForeground(bun, [programs[verb], ...args], { cwd: root, env });

  const tools = { bun, root, env };
  if (verb === 'check') return runChecks(tools, async () => {});
  if (args.length > 0) return runForeground(bun, [...vitest, ...args], { cwd: root, env });
  return testEverything(tools);
});

/** Stops at the first check that fails: what comes after it would only repeat it. */
async function runChecks(tools, report) {
  const steps = [];
  for (const check of fastChecks(tools)) {
    console.log(`\n== ${check.name}`);
    try {
      await check.run();
    } catch (error) {
      await report([...steps, { name: check.name, passed: false }]);
      throw error;
    }
    steps.push({ name: check.name, passed: true });
    await report(steps);
  }
  return 0;
}

async function testEverything(tools) {
  await rm(reportDir, { recursive: true, force: true });
  await mkdir(reportDir, { recursive: true });
  await runChecks(tools, (steps) => writeFile(join(reportDir, 'steps.json'), JSON.stringify(steps)));

  console.log('\n== tests');
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${join(reportDir, 'vitest.json')}`];
  return runForeground(tools.bun, [...vitest, '--passWithNoTests', ...reporters], { cwd: root, env: tools.env });
}
