/** `infra/bun.lock.txt`: the binary lockfile as text, so that a change of dependencies can be read in a diff. */
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { LaunchError } from './launch-error.mjs';

const run = promisify(execFile);

/** The print grows by about 300 bytes a package; this is room for some 100,000 of them. */
const printBytesMax = 32 * 1024 * 1024;

const printPath = (root) => join(root, 'infra', 'bun.lock.txt');

export async function writeLockPrint(bun, root) {
  await writeFile(printPath(root), await lockPrint(bun, root));
}

/** @throws {LaunchError} exit code 1 when the committed print is not the one of today's `bun.lockb` */
export async function checkLockPrint(bun, root) {
  const committed = await readFile(printPath(root), 'utf8').catch(() => '');
  if (committed === (await lockPrint(bun, root))) return;
  throw new LaunchError('infra/bun.lock.txt is not the print of bun.lockb: run `node infra/run.mjs lock-print`', 1);
}

async function lockPrint(bun, root) {
  const { stdout } = await run(bun, ['bun.lockb'], { cwd: root, maxBuffer: printBytesMax });
  return withoutRegistryHosts(stdout);
}

/**
 * Which registry or mirror served a package is the installer's business: the integrity says what it must be.
 * What is not a registry's tarball (git, a foreign URL) has no place in the lockfile.
 *
 * @param {string} print what `bun bun.lockb` says
 * @throws {LaunchError} exit code 1 on a package that does not come from a registry
 */
export function withoutRegistryHosts(print) {
  return print.replace(/^ {2}resolved "(.*)"$/gm, (line, address) => {
    if (address.startsWith('workspace:')) return line;
    // <registry>/<package>/-/<file>.tgz, the layout of every npm registry.
    const tarball = /^https:\/\/[^/]+\/(?:.*\/)?((?:@[^/]+\/)?[^/@]+\/-\/[^/]+\.tgz)$/.exec(address);
    if (!tarball) throw new LaunchError(`bun.lockb: ${address} is not a registry's tarball`, 1);
    return `  resolved "${tarball[1]}"`;
  });
}
