/**
 * The pinned Bun: found under `.mono/bun/<version>`, or fetched with the user's own npm and compared with the SHA-512
 * committed in `bun.json` before a byte of it runs. A Bun installed on the system is never used.
 * Why it is done this way: `decisions/0001-the-pinned-bun.md`.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { interruptible } from './child.mjs';
import { LaunchError } from './launch-error.mjs';

const run = promisify(execFile);

/** The checkout this file belongs to. */
export const repositoryRoot = dirname(dirname(fileURLToPath(import.meta.url)));

/** A Bun package is about 35 MB: five minutes are a line of 1 Mbit/s. */
const downloadTimeoutMs = 300_000;

/**
 * The path of the pinned Bun, fetched first when it is not there.
 * @param {string} root directory that holds `infra/bun.json` and `.mono/`
 * @param {(line: string) => void} log
 * @returns {Promise<string>}
 * @throws {LaunchError} exit code 2: unsupported platform, no download, wrong hash
 */
export async function ensureBun(root = repositoryRoot, log = (line) => console.error(line)) {
  const pins = JSON.parse(await readFile(join(root, 'infra', 'bun.json'), 'utf8'));
  const pin = pins.packages[await platformKey()];
  if (!pin) throw new LaunchError(`Bun ${pins.version} is not pinned for ${process.platform}-${process.arch}`);

  const home = join(root, '.mono', 'bun', pins.version);
  const bun = join(home, 'bun');
  if (await isIntact(home, pin)) return bun;

  log(`fetching ${pin.name}@${pins.version}`);
  await mkdir(dirname(home), { recursive: true });
  await interruptible(async (signal) => {
    const work = await mkdtemp(join(dirname(home), '.fetch-'));
    try {
      await unpack(await fetchPackage(root, `${pin.name}@${pins.version}`, work, signal), pin, work, signal);
      signal.throwIfAborted();
      await putInPlace(join(work, 'ready'), home, pin);
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  });
  return bun;
}

/** `linux-x64`, `linux-arm64-musl`, `darwin-x64-baseline`…: the keys of `bun.json`. */
async function platformKey() {
  const parts = [process.platform, process.arch];
  // Node built for glibc names its version in the report; on musl there is none.
  if (process.platform === 'linux' && !process.report.getReport().header.glibcVersionRuntime) parts.push('musl');
  // Bun's plain x64 build needs AVX2; its baseline build does not.
  if (process.arch === 'x64' && !(await hasAvx2())) parts.push('baseline');
  return parts.join('-');
}

async function hasAvx2() {
  if (process.platform === 'linux') return /\bavx2\b/.test(await readFile('/proc/cpuinfo', 'utf8'));
  const { stdout } = await run('sysctl', ['-n', 'machdep.cpu.leaf7_features']).catch(() => ({ stdout: '' }));
  return /\bAVX2\b/.test(stdout);
}

/** True when the binary is the one that was unpacked from the package pinned today. */
async function isIntact(home, pin) {
  try {
    const origin = JSON.parse(await readFile(join(home, 'origin.json'), 'utf8'));
    return origin.integrity === pin.integrity && origin.binary === (await sha512(join(home, 'bun')));
  } catch {
    return false;
  }
}

/** Takes the tarball with the user's npm: its registry, proxy, CA and credentials are honoured. */
async function fetchPackage(root, spec, work, signal) {
  const args = ['pack', spec, '--pack-destination', work, '--silent', '--ignore-scripts'];
  const options = { cwd: root, timeout: downloadTimeoutMs, signal };
  // Under `npm start` npm says where it is; on its own (or under another package manager) PATH decides.
  const cli = process.env.npm_execpath ?? '';
  try {
    if (basename(cli) === 'npm-cli.js') await run(process.execPath, [cli, ...args], options);
    else await run('npm', args, options);
  } catch (error) {
    const reason = error.code === 'ENOENT' ? 'npm is not on PATH' : lastLine(error.stderr) || lastLine(error.message);
    throw new LaunchError(`could not fetch ${spec} with npm: ${reason}`);
  }
  const tarball = (await readdir(work)).find((name) => name.endsWith('.tgz'));
  if (!tarball) throw new LaunchError(`npm pack of ${spec} left no tarball`);
  return join(work, tarball);
}

function lastLine(text = '') {
  return text.trim().split('\n').at(-1);
}

/** Compares first, unpacks after: nothing of a tarball with a wrong hash is ever parsed or run. */
async function unpack(tarball, pin, work, signal) {
  const found = `sha512-${await sha512(tarball)}`;
  if (found !== pin.integrity) {
    throw new LaunchError(`${pin.name} refused: its hash is ${found}, infra/bun.json says ${pin.integrity}`);
  }
  const ready = join(work, 'ready');
  await mkdir(ready);
  await run('tar', ['-xzf', tarball, '-C', work, 'package/bin/bun'], { signal });
  await rename(join(work, 'package', 'bin', 'bun'), join(ready, 'bun'));
  await chmod(join(ready, 'bun'), 0o755);
  const origin = { package: pin.name, integrity: pin.integrity, binary: await sha512(join(ready, 'bun')) };
  await writeFile(join(ready, 'origin.json'), `${JSON.stringify(origin, null, 2)}\n`);
}

/** One rename, so a Bun that can be seen is whole. Of two starts at the same time either may win. */
async function putInPlace(ready, home, pin) {
  if (await isIntact(home, pin)) return;
  await rm(home, { recursive: true, force: true });
  try {
    await rename(ready, home);
  } catch (error) {
    if (!(await isIntact(home, pin))) throw error;
  }
}

async function sha512(path) {
  const hash = createHash('sha512');
  await pipeline(createReadStream(path), hash);
  return hash.digest('base64');
}
