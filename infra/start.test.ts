import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';

const infra = import.meta.dirname;

// The launcher is plain Node; `bun --bun` puts a directory first on PATH in which `node` is Bun itself.
const env = {
  ...process.env,
  PATH: (process.env.PATH ?? '')
    .split(delimiter)
    .filter((directory) => !directory.includes('bun-node'))
    .join(delimiter),
};

let root: string;
let children: ChildProcess[] = [];

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'mono-launcher-'));
});
afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  children = [];
});
afterAll(() => rmSync(root, { recursive: true }));

interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

function node(args: string[], options: { cwd: string; extraEnv?: NodeJS.ProcessEnv }) {
  // A process group of its own, as a shell gives to each command line.
  const child = spawn('node', args, {
    cwd: options.cwd,
    env: { ...env, ...options.extraEnv },
    stdio: 'pipe',
    detached: true,
  });
  children.push(child);
  const result: Ended = { code: null, stdout: '', stderr: '' };
  child.stdout.on('data', (chunk: Buffer) => {
    result.stdout += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    result.stderr += chunk.toString();
  });
  const ended = new Promise<Ended>((resolve) => child.once('close', (code) => resolve({ ...result, code })));
  const said = async (text: string): Promise<void> => {
    while (!result.stdout.includes(text)) await new Promise((resolve) => child.stdout.once('data', resolve));
  };
  return { child, ended, said };
}

function connectionsOf(server: Server): Promise<number> {
  return new Promise((resolve) => server.getConnections((_, count) => resolve(count)));
}

describe('the pinned Bun', () => {
  let mirror: Server;
  let address: string;
  let tarball: Buffer;
  let requests: string[] = [];

  /** An npm registry with one package, whose "bun" would leave a trace if it ever ran. */
  beforeAll(async () => {
    const work = mkdtempSync(join(root, 'package-'));
    mkdirSync(join(work, 'package', 'bin'), { recursive: true });
    writeFileSync(join(work, 'package', 'bin', 'bun'), '#!/bin/sh\necho pinned bun ran: "$@"\n', { mode: 0o755 });
    writeFileSync(join(work, 'package', 'package.json'), JSON.stringify({ name: 'pinned-bun', version: '9.9.9' }));
    execFileSync('tar', ['-czf', join(work, 'p.tgz'), '-C', work, 'package']);
    tarball = readFileSync(join(work, 'p.tgz'));
    mirror = createServer((request, response) => {
      requests.push(request.url ?? '');
      if (request.url?.endsWith('.tgz')) return response.end(tarball);
      const dist = { tarball: `${address}/pinned-bun/-/pinned-bun-9.9.9.tgz`, integrity: integrityOf(tarball) };
      const versions = { '9.9.9': { name: 'pinned-bun', version: '9.9.9', dist } };
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ name: 'pinned-bun', 'dist-tags': { latest: '9.9.9' }, versions }));
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => mirror.once('listening', resolve));
    address = `http://127.0.0.1:${(mirror.address() as AddressInfo).port}`;
  });
  afterAll(() => mirror.close());

  function integrityOf(bytes: Buffer): string {
    return `sha512-${createHash('sha512').update(bytes).digest('base64')}`;
  }

  /** A checkout that pins `integrity` for every platform. */
  function checkout(integrity: string): string {
    const directory = mkdtempSync(join(root, 'checkout-'));
    cpSync(infra, join(directory, 'infra'), { recursive: true });
    const { packages } = JSON.parse(readFileSync(join(infra, 'bun.json'), 'utf8')) as { packages: object };
    const pins = Object.fromEntries(Object.keys(packages).map((key) => [key, { name: 'pinned-bun', integrity }]));
    writeFileSync(join(directory, 'infra', 'bun.json'), JSON.stringify({ version: '9.9.9', packages: pins }));
    return directory;
  }

  function launch(directory: string, args: string[]): Promise<Ended> {
    requests = [];
    const extraEnv = { npm_config_registry: address, npm_config_cache: join(root, 'npm-cache'), npm_execpath: '' };
    return node(args, { cwd: directory, extraEnv }).ended;
  }

  test('with another hash than the committed one is refused in one line, exit code 2, and never unpacked', async () => {
    const directory = checkout(integrityOf(Buffer.from('what was reviewed')));
    const { code, stdout, stderr } = await launch(directory, ['infra/start.mjs']);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr.trim().split('\n').at(-1)).toBe(
      `mono-auth: pinned-bun refused: its hash is ${integrityOf(tarball)}, ` +
        `infra/bun.json says ${integrityOf(Buffer.from('what was reviewed'))}`,
    );
    expect(stderr).not.toContain('    at ');
    expect(readdirSync(join(directory, '.mono', 'bun'))).toEqual([]);
  });

  test('is fetched once, used again without the network, and fetched anew when its file has changed', async () => {
    const directory = checkout(integrityOf(tarball));
    const program = `import { ensureBun } from './infra/bun.mjs'; console.log(await ensureBun());`;
    const find = () => launch(directory, ['--input-type=module', '-e', program]);

    const bun = (await find()).stdout.trim();
    expect(bun).toBe(join(directory, '.mono', 'bun', '9.9.9', 'bun'));
    expect(requests).not.toEqual([]);
    expect((await find()).stdout.trim()).toBe(bun);
    expect(requests).toEqual([]);

    appendFileSync(bun, 'echo and something else');
    expect((await find()).code).toBe(0);
    expect(requests).not.toEqual([]);
    expect(execFileSync(bun, ['x']).toString()).toBe('pinned bun ran: x\n');
  });

  test('is no longer fetched once a signal has come, and nothing of it is left', async () => {
    const directory = checkout(integrityOf(tarball));
    const asked = Promise.withResolvers<void>();
    // A registry that never answers.
    const silent = createServer(() => asked.resolve()).listen(0, '127.0.0.1');
    await new Promise((resolve) => silent.once('listening', resolve));
    const registry = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const extraEnv = { npm_config_registry: registry, npm_config_cache: join(root, 'npm-cache-2'), npm_execpath: '' };
    const { child, ended } = node(['infra/start.mjs'], { cwd: directory, extraEnv });
    await asked.promise;
    child.kill('SIGTERM');
    const { code, stderr } = await ended;
    expect(code).toBe(143);
    expect(stderr.trim().split('\n').at(-1)).toBe('mono-auth: stopped by SIGTERM');
    expect(readdirSync(join(directory, '.mono', 'bun'))).toEqual([]);
    // The download was npm's: its connection ends with it.
    await expect.poll(() => connectionsOf(silent), { timeout: 10_000 }).toBe(0);
    silent.close();
  });

  test('that cannot be fetched ends the start in one line with exit code 2', async () => {
    const directory = checkout(integrityOf(tarball));
    const extraEnv = { npm_config_registry: 'http://127.0.0.1:1', npm_config_fetch_retries: '0', npm_execpath: '' };
    const { code, stderr } = await node(['infra/start.mjs'], { cwd: directory, extraEnv }).ended;
    expect(code).toBe(2);
    expect(stderr).toMatch(/^mono-auth: could not fetch pinned-bun@9\.9\.9 with npm: .+$/m);
  });
});

describe('the server that the launcher runs', () => {
  /** Launches a Bun program, which says when it is up. */
  function launchServer(program: string) {
    return node(['--input-type=module', '-e', launcherOf(program)], { cwd: root });
  }

  function launcherOf(program: string): string {
    const file = join(mkdtempSync(join(root, 'server-')), 'main.ts');
    writeFileSync(file, `${program}\nconsole.log('up', process.pid);\nsetInterval(() => {}, 1_000);\n`);
    return `import { runServer } from ${JSON.stringify(join(infra, 'child.mjs'))};
      process.exitCode = await runServer(${JSON.stringify(process.execPath)}, [${JSON.stringify(file)}]);`;
  }

  /** Stops as standalone does: half a second of cleaning up, told when another signal comes in between. */
  const cleanStop = `for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => {
    console.log('got', signal);
    setTimeout(() => process.exit(7), 500);
  });`;

  test.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)('gets %s and its exit code is ours', async (signal) => {
    const { child, ended, said } = launchServer(cleanStop);
    await said('up');
    child.kill(signal);
    const { code, stdout } = await ended;
    expect(stdout.match(/got \w+/g)).toEqual([`got ${signal}`]);
    expect(code).toBe(7);
  });

  test('gets one SIGINT when a terminal sends Ctrl-C to the whole group and npm passes on its copy', async () => {
    const { child, ended, said } = launchServer(cleanStop);
    await said('up');
    process.kill(-(child.pid as number), 'SIGINT');
    await said('got SIGINT');
    child.kill('SIGINT');
    expect((await ended).stdout.match(/got \w+/g)).toEqual(['got SIGINT']);
  });

  test('gets SIGTERM when the npm that runs its launcher is killed', async () => {
    const launcher = JSON.stringify(['--input-type=module', '-e', launcherOf(cleanStop)]);
    const npm = `require('node:child_process').spawn(process.execPath, ${launcher}, { stdio: 'inherit' })`;
    const { child, ended, said } = node(['-e', npm], { cwd: root, extraEnv: { npm_lifecycle_event: 'start' } });
    await said('up');
    child.kill('SIGKILL');
    // All three hold this stdout: `ended` is the end of the last of them.
    expect((await ended).stdout.match(/got \w+/g)).toEqual(['got SIGTERM']);
  });

  test('ended by a signal gives 128 plus its number', async () => {
    const { ended } = launchServer(`process.kill(process.pid, 'SIGKILL');`);
    expect((await ended).code).toBe(137);
  });

  test('is told that it has a launcher, and notices when that is killed', async () => {
    const stopped = join(root, 'stopped');
    const { child, ended, said } = launchServer(`
      if (process.env.MONO_LAUNCHER !== '1') process.exit(3);
      process.stdin.on('end', () => {
        require('node:fs').writeFileSync(${JSON.stringify(stopped)}, 'cleanly');
        process.exit(0);
      });
      process.stdin.resume();`);
    await said('up');
    child.kill('SIGKILL');
    // The server holds our end of stdout: `ended` is the end of both.
    await ended;
    expect(existsSync(stopped)).toBe(true);
  });
});
