import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { base64url } from '@mono-auth/core/encoding';
import { newId } from '@mono-auth/core/ids';
import { systemRuntime } from '@mono-auth/core/runtime';
import { FeedService } from '@mono-auth/proto/monoauth/feed/v1/feed';
import { RevocationService } from '@mono-auth/proto/monoauth/revocation/v1/revocation';
import { openTestDatabase, type TestDatabase, testKek } from '@mono-auth/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from './crash/free-port.ts';
import { operatorFile } from './seed/first-start.ts';
import { Person } from './tour/person.ts';

/*
 * The server as a process, under the conventions of its launcher (infra/child.mjs): MONO_LAUNCHER=1 and a stdin that is
 * held open. Ports are free ones, the data directories are our own.
 */
const main = fileURLToPath(new URL('./main.ts', import.meta.url));
const root = fileURLToPath(new URL('../../../', import.meta.url));
const work = mkdtempSync(join(tmpdir(), 'mono-lifecycle-'));
const running = new Set<Run>();
const freePorts = {
  MONO_LISTEN: '127.0.0.1:0',
  MONO_GRPC_LISTEN: '127.0.0.1:0',
  MONO_ADMIN_LISTEN: '127.0.0.1:0',
};

let db: TestDatabase;
let stranger: Server;
let strangerPort: number;

beforeAll(async () => {
  // As root the database runs as nobody, who has to walk to its files.
  chmodSync(work, 0o755);
  db = await openTestDatabase();
  // Something that listens and is neither free nor Postgres.
  stranger = createServer((socket) => socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')));
  await new Promise<void>((resolve) => stranger.listen(0, '127.0.0.1', resolve));
  strangerPort = (stranger.address() as { port: number }).port;
});
afterAll(async () => {
  // In order, so that a test that failed half-way leaves no database behind.
  await Promise.all([...running].map((each) => each.stop()));
  stranger.close();
  await db.close();
  rmSync(work, { recursive: true, force: true });
});

interface Run {
  readonly child: ChildProcess;
  readonly ended: Promise<{ code: number | null; signal: string | null }>;
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** Resolves with what the pattern found in stdout; rejects when the process ends before. */
  said(pattern: RegExp): Promise<RegExpExecArray>;
  /** Ends it and answers its exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

function run(env: Record<string, string>, bunArgs: readonly string[] = []): Run {
  const child = spawn(process.execPath, [...bunArgs, main], {
    cwd: root,
    env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '', MONO_LAUNCHER: '1', ...freePorts, ...env },
    stdio: 'pipe',
    detached: true,
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk) => {
    stdout += String(chunk);
  });
  child.stderr.on('data', (chunk) => {
    stderr += String(chunk);
  });
  const ended = new Promise<{ code: number | null; signal: string | null }>((resolve) =>
    child.once('close', (code, signal) => {
      running.delete(started);
      resolve({ code, signal });
    }),
  );
  const started: Run = {
    ...{ child, ended, stdout: () => stdout, stderr: () => stderr },
    async said(pattern) {
      for (;;) {
        const found = pattern.exec(stdout);
        if (found) return found;
        const more = new Promise((resolve) => child.stdout.once('data', resolve));
        const over = await Promise.race([more.then(() => undefined), ended]);
        if (over && !pattern.test(stdout)) throw new Error(`ended with ${over.code ?? over.signal}: ${stderr}`);
      }
    },
    async stop(signal = 'SIGTERM') {
      child.kill(signal);
      return (await ended).code;
    },
  };
  running.add(started);
  return started;
}

/** A start that must fail: one line, exit code 2, and no process of its database left behind. */
async function expectRefused(env: Record<string, string>, line: string): Promise<void> {
  const refused = run(env);
  const { code } = await refused.ended;
  expect(refused.stderr()).toContain(line);
  expect(refused.stderr().trimEnd().split('\n')).toHaveLength(1);
  expect(refused.stderr()).toMatch(/^mono-auth: MONO_[A-Z_]+: .*(?:; allowed: |: stop it first)/);
  expect(refused.stderr()).not.toContain('hidden');
  expect(code).toBe(2);
}

const urlOf = async (server: Run): Promise<string> => (await server.said(/serves on (\S+)/))[1] as string;

async function signIn(baseUrl: string, password: string, email = 'operator@mono.localhost'): Promise<number> {
  const response = await fetch(`${baseUrl}/t/acme/auth/sign-in/email`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: baseUrl },
    body: JSON.stringify({ email, password }),
  });
  return response.status;
}

/** Not made yet: that is the server's to do. */
const newDirectory = () => join(work, `data-${++directories}`);
let directories = 0;
const isRunning = (pid: number): boolean => {
  try {
    return !/^\S+ \(.*\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
};

describe('a start that cannot succeed ends with one line and exit code 2', () => {
  const kek = { MONO_KEK: base64url(testKek) };
  const databaseAs = (change: (url: URL) => void) => {
    const url = new URL(db.url);
    change(url);
    return { ...kek, MONO_DATABASE_URL: url.toString() };
  };
  const cases: readonly [string, () => Record<string, string>, string][] = [
    ['a bad role', () => ({ MONO_ROLE: 'gateway' }), 'MONO_ROLE: is not a role'],
    ['a bad address', () => ({ MONO_LISTEN: '8420' }), 'MONO_LISTEN: is not host:port'],
    ['an address of elsewhere', () => ({ MONO_ADMIN_LISTEN: '192.0.2.1:1' }), 'MONO_ADMIN_LISTEN: 192.0.2.1:1 is no'],
    ['a bad key', () => ({ MONO_KEK: 'hidden' }), 'MONO_KEK: '],
    ['a data directory that is a file', () => ({ MONO_DATA_DIR: main }), 'MONO_DATA_DIR: '],
    ['a short password', () => ({ MONO_BOOTSTRAP_PASSWORD: 'hidden' }), 'MONO_BOOTSTRAP_PASSWORD: is too short'],
    ['a taken port', () => ({ MONO_LISTEN: `127.0.0.1:${strangerPort}` }), 'MONO_LISTEN: 127.0.0.1:'],
    ['a taken gRPC port', () => ({ MONO_GRPC_LISTEN: `127.0.0.1:${strangerPort}` }), 'MONO_GRPC_LISTEN: 127.0.0.1:'],
    ['a taken admin port', () => ({ MONO_ADMIN_LISTEN: `127.0.0.1:${strangerPort}` }), 'MONO_ADMIN_LISTEN: 127.0.0.1:'],
    ['a database that refuses', () => databaseAs((url) => (url.port = '1')), 'nothing listens there'],
    ['an unknown host', () => databaseAs((url) => (url.hostname = 'nowhere.invalid')), 'there is no such host'],
    ['a wrong password', () => databaseAs((url) => (url.password = 'hidden')), 'refuses the user and password'],
    ['a missing database', () => databaseAs((url) => (url.pathname = '/nowhere')), 'has no such database'],
    ['no Postgres', () => databaseAs((url) => (url.port = String(strangerPort))), 'it may be no Postgres'],
    [
      "another installation's key",
      () => ({ ...databaseAs(() => {}), MONO_KEK: 'A'.repeat(43) }),
      'MONO_KEK: is not the key',
    ],
  ];
  test.each(cases)('%s', (_, env, line) => expectRefused({ MONO_DATA_DIR: newDirectory(), ...env() }, line));
});

describe('an installation on its own database', () => {
  const directory = newDirectory();
  const env = { MONO_DATA_DIR: directory };
  const postmaster = () => {
    const cluster = join(directory, 'postgres', 'server', 'cluster');
    return Number(readFileSync(join(cluster, 'postmaster.pid'), 'utf8').split('\n')[0]);
  };
  const operator = () => JSON.parse(readFileSync(operatorFile(directory), 'utf8')) as { password: string };
  const ready = async (adminUrl: string) => (await fetch(`${adminUrl}/readyz`)).status;

  test('a first start shows the password once, keeps it for its user alone, and stops with nothing left', async () => {
    const server = run(env);
    const [, email, password] = await server.said(/as (\S+) with the password (\S+) \(shown once\)/);
    expect([email, password]).toEqual(['operator@mono.localhost', operator().password]);
    expect(statSync(operatorFile(directory)).mode & 0o777).toBe(0o600);
    expect(statSync(join(directory, 'kek')).mode & 0o777).toBe(0o600);
    expect(await signIn(await urlOf(server), operator().password)).toBe(200);
    const pid = postmaster();
    expect(await server.stop('SIGTERM')).toBe(0);
    expect(isRunning(pid)).toBe(false);
  });

  test('while it serves, a second start is refused, and readiness follows its database through a kill -9', async () => {
    const adminPort = await freePort();
    const adminUrl = `http://127.0.0.1:${adminPort}`;
    const server = run({ ...env, MONO_ADMIN_LISTEN: `127.0.0.1:${adminPort}` });
    const baseUrl = await urlOf(server);
    expect(server.stdout()).not.toContain('password');
    await expectRefused(env, `in use by process ${server.child.pid}`);
    expect(await ready(adminUrl)).toBe(200);
    process.kill(postmaster(), 'SIGKILL');
    await expect.poll(() => ready(adminUrl), { timeout: 5_000, interval: 10 }).toBe(503);
    await expect.poll(() => ready(adminUrl), { timeout: 15_000, interval: 50 }).toBe(200);
    expect(await signIn(baseUrl, operator().password)).toBe(200);
    expect(await server.stop('SIGINT')).toBe(0);
  });

  test('an open Watch does not hold up a stop, and ends with it', async () => {
    const server = run(env);
    const person = await Person.signIn(await urlOf(server), 'acme', 'operator@mono.localhost', operator().password);
    const feed = await person.rpc(FeedService);
    const { subscriberId } = await feed.register({ name: 'edge' });
    const heads = feed.watch({ subscriberId })[Symbol.asyncIterator]();
    expect((await heads.next()).done).toBe(false);
    const rest = (async () => {
      while (!(await heads.next()).done);
    })().catch(() => {});
    const asked = Bun.nanoseconds();
    expect(await server.stop()).toBe(0);
    expect((Bun.nanoseconds() - asked) / 1e6).toBeLessThan(3_000);
    await rest;
  });

  test('a start after kill -9 of the server takes over its database, and the end of the launcher stops it', async () => {
    const killed = run(env);
    await urlOf(killed);
    await killed.stop('SIGKILL');
    const pid = postmaster();
    expect(isRunning(pid)).toBe(true);
    const server = run(env);
    const baseUrl = await urlOf(server);
    expect(postmaster()).toBe(pid);
    expect(await signIn(baseUrl, operator().password)).toBe(200);
    server.child.stdin?.end();
    expect((await server.ended).code).toBe(0);
    expect(isRunning(pid)).toBe(false);
  });

  test('the gateway of a server that was killed is the same subscriber after the next start, and follows on', async () => {
    const fixed = { ...env, MONO_LISTEN: `127.0.0.1:${await freePort()}` };
    const gateways = async (server: Run) => {
      const baseUrl = await urlOf(server);
      const person = await Person.signIn(baseUrl, 'platform', 'operator@mono.localhost', operator().password);
      const feed = await person.rpc(FeedService);
      return async () =>
        (await feed.listSubscribers({})).subscribers.map(({ id, name, principal }) => ({ id, name, principal }));
    };
    const killed = run(fixed);
    const before = await gateways(killed);
    await expect.poll(before, { timeout: 10_000 }).toHaveLength(1);
    const known = await before();
    expect(known[0]).toMatchObject({ name: expect.stringMatching(/^gateway-[0-9a-f]{8}$/) });
    await killed.stop('SIGKILL');
    const server = run(fixed);
    const after = await gateways(server);
    const person = await Person.signIn(await urlOf(server), 'platform', 'operator@mono.localhost', operator().password);
    const revocations = await person.rpc(RevocationService);
    await after();
    const target = { target: { case: 'tokenId', value: newId(systemRuntime, 'tok') } } as const;
    // As soon as it follows again it applies this; until the lease of the killed one is over nobody says more.
    const { receipt } = await revocations.revoke({ target, reason: 'test', waitMs: 15_000 });
    expect(receipt).toMatchObject({ enforced: 1, registered: 1 });
    expect(await after()).toEqual(known);
    expect(await server.stop()).toBe(0);
  });

  test('a start after kill -9 of the server and its database recovers, and another key is refused', async () => {
    const killed = run(env);
    await urlOf(killed);
    process.kill(postmaster(), 'SIGKILL');
    await killed.stop('SIGKILL');
    await expectRefused({ ...env, MONO_KEK: 'A'.repeat(43) }, 'MONO_KEK: is not the key that this data directory');
    const server = run(env);
    expect(await signIn(await urlOf(server), operator().password)).toBe(200);
    await server.stop();
  });

  test('a database without its key is not given a second one', async () => {
    const path = join(directory, 'kek');
    const kept = readFileSync(path);
    rmSync(path);
    await expectRefused(env, `MONO_KEK: is not set, and ${directory} has a database`);
    writeFileSync(path, kept, { mode: 0o600 });
  });

  test('a stop in the middle of a start ends it, with nothing left', async () => {
    const server = run(env);
    const known = join(directory, 'postgres', 'server', 'cluster', 'postmaster.pid');
    await expect.poll(() => exists(known), { timeout: 15_000, interval: 1 }).toBe(true);
    const pid = postmaster();
    expect(await server.stop()).toBe(0);
    expect(isRunning(pid)).toBe(false);
    expect(exists(known)).toBe(false);
  });
});

describe('on a database by URL', () => {
  const kek = { MONO_KEK: base64url(testKek) };

  test('a first start killed again and again is completed by the next, and the chosen operator signs in', async () => {
    const env = {
      ...kek,
      ...{ MONO_DATABASE_URL: db.url, MONO_DATA_DIR: newDirectory() },
      ...{ MONO_BOOTSTRAP_EMAIL: 'first@example.test', MONO_BOOTSTRAP_PASSWORD: 'a password of my own' },
    };
    const tenants = () => db.admin<{ status: string }>('select status from mono.tenants');
    // Once as soon as a tenant is there, then a little later each time: through keys, log, policy, owner, self-check.
    for (const delayMs of [0, 60, 120, 180]) {
      const before = (await tenants()).length;
      const killed = run(env);
      if (before === 0) await expect.poll(tenants, { timeout: 15_000, interval: 2 }).not.toEqual([]);
      else await Promise.race([Bun.sleep(startMs + delayMs), killed.said(/serves on/).catch(() => {})]);
      await killed.stop('SIGKILL');
    }
    const server = run(env);
    expect(await signIn(await urlOf(server), env.MONO_BOOTSTRAP_PASSWORD, env.MONO_BOOTSTRAP_EMAIL)).toBe(200);
    expect(await tenants()).toEqual([{ status: 'active' }, { status: 'active' }]);
    expect(server.stdout()).not.toContain(env.MONO_BOOTSTRAP_PASSWORD);
    expect(exists(operatorFile(env.MONO_DATA_DIR))).toBe(false);
    expect(await server.stop()).toBe(0);
  });

  test('a defect that nobody waits for is told and ends the process in order, with exit code 1', async () => {
    const defect = join(work, 'defect.ts');
    writeFileSync(defect, `process.on('SIGUSR2', () => void Promise.reject(new Error('planted defect')));\n`);
    const env = { ...kek, MONO_DATABASE_URL: db.url, MONO_DATA_DIR: newDirectory() };
    const server = run(env, ['--preload', defect]);
    await urlOf(server);
    expect(await server.stop('SIGUSR2')).toBe(1);
    expect(server.stderr()).toContain('planted defect');
    expect(server.stderr()).toContain('"stopping"');
  });

  test('the role worker runs the worker until it is asked to stop', async () => {
    const env = { ...kek, MONO_ROLE: 'worker', MONO_DATABASE_URL: db.url, MONO_BASE_URL: 'https://mono.test' };
    const worker = run(env);
    await expect.poll(() => worker.stderr(), { timeout: 15_000 }).toContain('"working"');
    expect(await worker.stop()).toBe(0);
    const lost = run({ MONO_ROLE: 'worker', MONO_DATABASE_URL: db.url });
    expect((await lost.ended).code).toBe(2);
    expect(lost.stderr()).toMatch(/^mono-auth worker: MONO_BASE_URL: is not set; allowed: .*\n$/);
  });
});

/** About how long a process takes from its beginning to its first statement. */
const startMs = 300;

function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}
