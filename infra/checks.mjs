/** The fast checks, in the order in which they run: what is cheapest to put right comes first. */
import { runForeground } from './child.mjs';
import { LaunchError } from './launch-error.mjs';
import { checkLockPrint } from './lock-print.mjs';

/**
 * @param {{ bun: string, root: string, env: NodeJS.ProcessEnv }} tools
 * @returns {{ name: string, run: () => Promise<void> }[]} each throws a LaunchError when the check fails
 */
export function fastChecks({ bun, root, env }) {
  const step = (name, args) => ({
    name,
    async run() {
      const code = await runForeground(bun, args, { cwd: root, env });
      if (code !== 0) throw new LaunchError(`${name} failed`, code);
    },
  });
  // --no-install: a tool that the lockfile does not bring must fail, never be downloaded.
  const tool = (name, ...args) => step(name, ['x', '--no-install', ...args]);

  return [
    tool('type check', 'tsc', '--noEmit', '-p', '.'),
    tool('lint', 'biome', 'check', '--config-path=.biome.json', '.'),
    step('contract: buf lint, format, breaking, generated code', [generator, '--check']),
    { name: 'lockfile print', run: () => checkLockPrint(bun, root) },
  ];
}

export const generator = 'packages/proto/generate/main.ts';
