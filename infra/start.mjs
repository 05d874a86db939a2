/** What `npm start` runs: the pinned Bun, the dependencies of the lockfile, then the standalone server until it ends. */
import { dirname } from 'node:path';
import { ensureBun, repositoryRoot } from './bun.mjs';
import { runServer } from './child.mjs';
import { ensureInstalled } from './install.mjs';
import { exitWith } from './launch-error.mjs';

await exitWith(async () => {
  const bun = await ensureBun();
  await ensureInstalled(bun, repositoryRoot);
  const env = { ...process.env, PATH: `${dirname(bun)}:${process.env.PATH}` };
  // Bun reads bunfig.toml (no install at run time) from the working directory, so that is always the checkout.
  return runServer(bun, ['apps/standalone/src/main.ts', ...process.argv.slice(2)], { cwd: repositoryRoot, env });
});
