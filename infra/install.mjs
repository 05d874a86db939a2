/** The dependencies of the workspace: installed from the lockfile when they are missing or no longer the ones it names. */
import { createHash } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runForeground } from './child.mjs';
import { LaunchError } from './launch-error.mjs';

/**
 * @param {string} bun path of the pinned Bun
 * @param {string} root the checkout
 * @throws {LaunchError} when the install fails
 */
export async function ensureInstalled(bun, root) {
  const stamp = join(root, 'node_modules', '.mono-stamp');
  const wanted = await inputsHash(root);
  const installed = await readFile(stamp, 'utf8').catch(() => '');
  if (installed === wanted) return;

  // Words of the install belong on stderr: stdout is what the started program says.
  const code = await runForeground(bun, ['install', '--frozen-lockfile'], { cwd: root, stdio: ['ignore', 2, 2] });
  if (code > 128) throw new LaunchError('stopped while the dependencies were installed', code);
  if (code !== 0) throw new LaunchError(`bun install --frozen-lockfile failed with exit code ${code}`);
  await writeFile(stamp, wanted);
}

/** A hash over everything that decides what an install makes. */
async function inputsHash(root) {
  const files = ['package.json', 'bun.lockb', 'bunfig.toml', join('infra', 'bun.json')];
  for (const group of ['packages', 'apps']) {
    const names = await readdir(join(root, group)).catch(() => []);
    files.push(...names.sort().map((name) => join(group, name, 'package.json')));
  }
  const hash = createHash('sha512');
  for (const file of files) {
    const content = await readFile(join(root, file)).catch(() => null);
    if (content) hash.update(`${file} ${content.length}\n`).update(content);
  }
  return `${hash.digest('base64')}\n`;
}
