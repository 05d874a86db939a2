import { execFile } from 'node:child_process';
import { access, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Programs of one release of Redis or Valkey, and the environment in which they find their libraries. */
export interface RedisBinary {
  readonly server: string;
  readonly cli: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Under either name it is the same protocol and, for what we use, the same server. */
const makes = [
  { server: 'redis-server', cli: 'redis-cli', packages: ['redis-server', 'redis-tools'] },
  { server: 'valkey-server', cli: 'valkey-cli', packages: ['valkey-server', 'valkey-tools'] },
] as const;

const copyDir = fileURLToPath(new URL('../../../.mono/redis', import.meta.url));
/** Some 1.5 MB of packages, or 10 MB of package lists: a minute is a slow line; without one, tests go on without Redis. */
const fetchTimeoutMs = 60_000;
/** Libraries may miss libraries of their own; Debian's Redis is complete after the first round. */
const libraryRounds = 4;

/**
 * A server for the tests: from PATH, else a private copy under `.mono/redis`, which the system's own package manager
 * downloads and nobody installs.
 * @throws Error that says in one line why there is none.
 */
export async function findRedis(): Promise<RedisBinary> {
  for (const { server, cli } of makes) {
    const onPath = { server, cli, env: {} };
    if (await starts(onPath)) return onPath;
  }
  const known = await openCopy(copyDir);
  if (known) return known;
  const why = await fetchCopy();
  const fetched = await openCopy(copyDir);
  if (fetched) return fetched;
  throw new Error(`neither redis-server nor valkey-server is on PATH, and no private copy could be made: ${why}`);
}

async function starts({ server, cli, env }: RedisBinary): Promise<boolean> {
  const options = { env: { ...process.env, ...env } };
  try {
    await Promise.all([run(server, ['--version'], options), run(cli, ['--version'], options)]);
    return true;
  } catch {
    return false;
  }
}

async function openCopy(dir: string): Promise<RedisBinary | undefined> {
  for (const { server, cli } of makes) {
    const copy = {
      server: join(dir, 'usr/bin', server),
      cli: join(dir, 'usr/bin', cli),
      env: { LD_LIBRARY_PATH: (await libraryDirs(dir)).join(':') },
    };
    if (await starts(copy)) return copy;
  }
  return undefined;
}

/** `usr/lib/<architecture>`, and `lib/<architecture>` in older releases. */
async function libraryDirs(dir: string): Promise<string[]> {
  const homes = [join(dir, 'usr/lib'), join(dir, 'lib')];
  const found = homes.map(async (home) => (await readdir(home).catch(() => [])).map((name) => join(home, name)));
  return [...homes, ...(await Promise.all(found)).flat()];
}

/** Makes the private copy and puts it in its place at once; answers why not, where it could not. */
async function fetchCopy(): Promise<string> {
  await mkdir(dirname(copyDir), { recursive: true });
  const work = await mkdtemp(`${copyDir}-`);
  try {
    const why = await fillCopy(work);
    // A copy that does not start goes. Of two runs at the same time either may win: their copies are alike.
    if (why === '' && !(await openCopy(copyDir))) await rm(copyDir, { recursive: true, force: true });
    if (why === '') await rename(join(work, 'copy'), copyDir).catch(() => undefined);
    return why;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function fillCopy(work: string): Promise<string> {
  const copy = join(work, 'copy');
  let why = '';
  for (const { packages } of makes) {
    try {
      await unpack(work, packages);
      for (let round = 0; round < libraryRounds; round++) {
        if (await openCopy(copy)) return '';
        await unpack(work, await missingLibraries(copy));
      }
      why = `${packages[0]} does not start`;
    } catch (error) {
      why ||= oneLine(error);
    }
  }
  return why;
}

/** Downloads packages of the system's release and unpacks them below `work/copy`: no root, nothing installed. */
async function unpack(work: string, packages: readonly string[]): Promise<void> {
  if (packages.length === 0) return;
  const debs = await mkdtemp(join(work, 'debs-'));
  const options = { cwd: debs, timeout: fetchTimeoutMs };
  const download = (args: readonly string[]) => run('apt-get', [...args, 'download', ...packages], options);
  try {
    await download([]);
  } catch {
    // The system has no package lists, or old ones, and they are not ours to renew: these are.
    const lists = join(work, 'apt');
    const own = [`Dir::State::lists=${lists}/lists`, `Dir::Cache=${lists}/cache`].flatMap((option) => ['-o', option]);
    if (!(await exists(lists))) {
      await mkdir(join(lists, 'lists/partial'), { recursive: true });
      await mkdir(join(lists, 'cache/archives/partial'), { recursive: true });
      await run('apt-get', [...own, 'update'], options);
    }
    await download(own);
  }
  for (const deb of await readdir(debs)) await run('dpkg', ['-x', join(debs, deb), join(work, 'copy')]);
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** The packages of the libraries that the server asks for in vain, by the rule that names them (Debian Policy §8.1). */
async function missingLibraries(copy: string): Promise<string[]> {
  const env = { ...process.env, LD_LIBRARY_PATH: (await libraryDirs(copy)).join(':') };
  const packages = new Set<string>();
  for (const { server, cli } of makes) {
    for (const program of [server, cli]) {
      const { stdout } = await run('ldd', [join(copy, 'usr/bin', program)], { env }).catch(() => ({ stdout: '' }));
      for (const [, name = '', version] of stdout.matchAll(/^\s*(\S+)\.so\.(\d+) => not found$/gm)) {
        packages.add(`${name}${/\d$/.test(name) ? '-' : ''}${version}`.replaceAll('_', '-').toLowerCase());
      }
    }
  }
  return [...packages];
}

function oneLine(error: unknown): string {
  const { code, stderr, message } = error as { code?: unknown; stderr?: string; message: string };
  if (code === 'ENOENT') return 'there is no apt-get, dpkg or ldd here';
  return (stderr || message).trim().split('\n').at(-1) ?? message;
}
