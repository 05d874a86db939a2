import { spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterEach, describe, expect, test } from 'vitest';
import { isRoot } from './account.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from './start-embedded-postgres.ts';
import { SupervisorError } from './supervisor-error.ts';

const superuserPassword = `p:a/s's w@rd`;
const directories: string[] = [];
const running: EmbeddedPostgres[] = [];

afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.stop()));
  for (const directory of directories.splice(0)) {
    const location = join(directory, 'data', 'location.json');
    if (existsSync(location)) rmSync(JSON.parse(readFileSync(location, 'utf8')).directory, { recursive: true });
    rmSync(directory, { recursive: true });
  }
});

/** A data directory that does not exist yet, below a parent that everybody (0755) or only we (0700) can walk through. */
function newDataDir(parentMode = 0o755): string {
  const parent = mkdtempSync(join(tmpdir(), 'mono-supervisor-'));
  directories.push(parent);
  chmodSync(parent, parentMode);
  return join(parent, 'data');
}

async function start(dataDir: string, more: { settings?: Record<string, string>; port?: number } = {}) {
  const settings = { fsync: 'off', ...more.settings };
  const server = await startEmbeddedPostgres({ dataDir, superuserPassword, log: () => {}, ...more, settings });
  running.push(server);
  return server;
}

async function query(server: Pick<EmbeddedPostgres, 'adminUrl'>, sql: string): Promise<unknown[][]> {
  const client = new pg.Client({ connectionString: server.adminUrl });
  // A server that is killed under a query says so twice: by the query's own failure, and by this event.
  client.on('error', () => {});
  await client.connect();
  try {
    return (await client.query({ text: sql, rowMode: 'array' })).rows;
  } finally {
    await client.end();
  }
}

/** Commits a row, then leaves a server process at work that does not look for its postmaster for minutes. */
async function keepBusy(server: Pick<EmbeddedPostgres, 'adminUrl'>): Promise<{ outcome: Promise<unknown> }> {
  await query(server, 'create table kept as select 42 as answer');
  const work = 'select count(*) from generate_series(1, 2000000000)';
  const outcome = query(server, work).catch(() => 'cut off');
  const isAtWork = `select count(*)::int from pg_stat_activity where state = 'active' and query = '${work}'`;
  while (String(await query(server, isAtWork)) !== '1') await new Promise((resolve) => setTimeout(resolve, 20));
  return { outcome };
}

function serverDir(dataDir: string): string {
  const location = join(dataDir, 'location.json');
  return join(existsSync(location) ? JSON.parse(readFileSync(location, 'utf8')).directory : dataDir, 'server');
}

function postmasterPid(dataDir: string): number {
  return Number(readFileSync(join(serverDir(dataDir), 'cluster', 'postmaster.pid'), 'utf8').split('\n')[0]);
}

/** Starts the server from a process of its own and kills that process with SIGKILL once the server answers. */
async function startAndCrash(dataDir: string): Promise<void> {
  const module = join(import.meta.dirname, 'start-embedded-postgres.ts');
  const options = JSON.stringify({ dataDir, superuserPassword, settings: { fsync: 'off' } });
  const program = `const { startEmbeddedPostgres } = await import(${JSON.stringify(module)});
    await startEmbeddedPostgres({ ...${options}, log: () => {} });
    console.log('up');
    setInterval(() => {}, 1_000);`;
  const owner = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise<void>((resolve, reject) => {
    owner.stdout.once('data', () => resolve());
    owner.once('exit', (code) => reject(new Error(`the owner ended with ${code}`)));
  });
  const ended = new Promise((resolve) => owner.once('exit', resolve));
  owner.kill('SIGKILL');
  await ended;
}

describe('a start', () => {
  test('on an empty directory makes a checksummed UTF-8 cluster that listens on the loopback address alone', async () => {
    const server = await start(newDataDir());
    expect(server.adopted).toBe(false);
    expect(server.port).toBeGreaterThan(0);
    const shown = ['server_encoding', 'data_checksums', 'password_encryption', 'listen_addresses', 'fsync'];
    for (const [index, value] of ['UTF8', 'on', 'scram-sha-256', '127.0.0.1', 'off'].entries()) {
      expect(await query(server, `show ${shown[index]}`)).toEqual([[value]]);
    }
    expect(await query(server, `select current_setting('unix_socket_directories'), current_user`)).toEqual([
      ['', 'mono_admin'],
    ]);
  });

  test('after a stop finds its data and its port again', async () => {
    const dataDir = newDataDir();
    const first = await start(dataDir);
    await query(first, 'create table kept as select 42 as answer');
    await first.stop();
    const second = await start(dataDir);
    expect(second.adopted).toBe(false);
    expect(second.port).toBe(first.port);
    expect(await query(second, 'select answer from kept')).toEqual([[42]]);
  });

  test('moves to another port when the remembered one is taken, and says so when the chosen one is', async () => {
    const dataDir = newDataDir();
    const first = await start(dataDir);
    await first.stop();
    const squatter = createServer().listen(first.port, '127.0.0.1');
    await new Promise((resolve) => squatter.once('listening', resolve));
    try {
      await expect(start(dataDir, { port: first.port })).rejects.toThrow(`port ${first.port} for PostgreSQL is taken`);
      expect((await start(dataDir)).port).not.toBe(first.port);
    } finally {
      squatter.close();
    }
  });

  test('redoes an initdb that was interrupted', async () => {
    const dataDir = newDataDir();
    await (await start(dataDir)).stop();
    // What a kill -9 in the middle of initdb leaves: a directory under the working name, no cluster.
    rmSync(join(serverDir(dataDir), 'cluster'), { recursive: true });
    mkdirSync(join(serverDir(dataDir), 'init-torn', 'cluster', 'base'), { recursive: true });
    expect(await query(await start(dataDir), 'select 1')).toEqual([[1]]);
    expect(readdirSync(serverDir(dataDir)).sort()).toEqual(['cluster', 'server.log']);
  });

  test('refuses another superuser password than the one the cluster was made with', async () => {
    const dataDir = newDataDir();
    await (await start(dataDir)).stop();
    const other = { dataDir, superuserPassword: 'another', settings: { fsync: 'off' }, log: () => {} };
    await expect(startEmbeddedPostgres(other)).rejects.toThrow('made with another superuser password');
    // The refused start had to start the server to ask it, and has not left it behind.
    expect((await start(dataDir)).adopted).toBe(false);
  });

  test('shows a parameter that PostgreSQL refuses as one line of its own words', async () => {
    const refused = start(newDataDir(), { settings: { shared_buffers: 'much' } });
    await expect(refused).rejects.toThrow(SupervisorError);
    await expect(refused).rejects.toThrow(/^PostgreSQL did not start: .*shared_buffers.*$/);
  });

  test('lets no setting open the server to the network', async () => {
    const refused = start(newDataDir(), { settings: { listen_addresses: '*' } });
    await expect(refused).rejects.toThrow('"listen_addresses" is no PostgreSQL parameter that can be set here');
  });
});

describe('one owner for each data directory', () => {
  test('a second start is refused with the pid of the holder, and a stop gives the directory back', async () => {
    const dataDir = newDataDir();
    const server = await start(dataDir);
    const refused = start(dataDir);
    await expect(refused).rejects.toThrow(SupervisorError);
    await expect(refused).rejects.toThrow(`in use by process ${process.pid}`);
    expect(await query(server, 'select 1')).toEqual([[1]]);
    await server.stop();
    await start(dataDir);
  });

  test('the server of a crashed owner is adopted with everything in it', async () => {
    const dataDir = newDataDir();
    await startAndCrash(dataDir);
    const pid = postmasterPid(dataDir);
    const server = await start(dataDir);
    expect(server.adopted).toBe(true);
    expect(postmasterPid(dataDir)).toBe(pid);
    expect(await query(server, 'select 1')).toEqual([[1]]);
    await server.stop();
    expect(existsSync(join(serverDir(dataDir), 'cluster', 'postmaster.pid'))).toBe(false);
  });

  test('the server of a crashed owner is started anew when other settings are wanted', async () => {
    const dataDir = newDataDir();
    await startAndCrash(dataDir);
    const server = await start(dataDir, { settings: { work_mem: '7MB' } });
    expect(server.adopted).toBe(false);
    expect(await query(server, 'show work_mem')).toEqual([['7MB']]);
  });
});

describe('after kill -9 of the postmaster', () => {
  test('the server is started again on its port, with everything in it', async () => {
    const dataDir = newDataDir();
    const server = await start(dataDir);
    await query(server, 'create table kept as select 42 as answer');
    const pid = postmasterPid(dataDir);
    process.kill(pid, 'SIGKILL');
    const answer = () => query(server, 'select answer from kept').catch(() => 'gone');
    await expect.poll(answer, { timeout: 20_000, interval: 100 }).toEqual([[42]]);
    expect(postmasterPid(dataDir)).not.toBe(pid);
  });

  test('a stop ends what it left behind, however busy, and what was committed is there', async () => {
    const dataDir = newDataDir();
    const first = await start(dataDir);
    const busy = await keepBusy(first);
    process.kill(postmasterPid(dataDir), 'SIGKILL');
    await first.stop();
    expect(await busy.outcome).toBe('cut off');
    expect(await query(await start(dataDir), 'select answer from kept')).toEqual([[42]]);
  });

  test('and of the owner a start ends what they left behind, and what was committed is there', async () => {
    const dataDir = newDataDir();
    await startAndCrash(dataDir);
    const port = Number(readFileSync(join(serverDir(dataDir), 'cluster', 'postmaster.pid'), 'utf8').split('\n')[3]);
    const password = encodeURIComponent(superuserPassword);
    const busy = await keepBusy({ adminUrl: `postgres://mono_admin:${password}@127.0.0.1:${port}/postgres` });
    process.kill(postmasterPid(dataDir), 'SIGKILL');
    expect(await query(await start(dataDir), 'select answer from kept')).toEqual([[42]]);
    expect(await busy.outcome).toBe('cut off');
  });

  test('a postmaster.pid that names a process of somebody else does not keep the server from starting', async () => {
    const dataDir = newDataDir();
    const first = await start(dataDir);
    const pidFile = join(serverDir(dataDir), 'cluster', 'postmaster.pid');
    const [, ...rest] = readFileSync(pidFile, 'utf8').split('\n');
    process.kill(postmasterPid(dataDir), 'SIGKILL');
    await first.stop();
    writeFileSync(pidFile, [process.pid, ...rest].join('\n'));
    expect((await start(dataDir)).adopted).toBe(false);
  });
});

describe('as root', () => {
  test('the server and its files belong to nobody', async (context) => {
    if (!isRoot()) context.skip('not root here');
    const dataDir = newDataDir();
    await start(dataDir);
    const owner = statSync(join(dataDir, 'server', 'cluster'));
    expect(owner.uid).not.toBe(0);
    expect(owner.mode & 0o777).toBe(0o700);
    expect(statSync(`/proc/${postmasterPid(dataDir)}`).uid).toBe(owner.uid);
  });

  test('a data directory that is closed itself is opened to the walk, and what is in it stays closed', async (context) => {
    if (!isRoot()) context.skip('not root here');
    const dataDir = newDataDir();
    mkdirSync(dataDir, { mode: 0o700 });
    await start(dataDir);
    expect(statSync(dataDir).mode & 0o777).toBe(0o711);
    expect(statSync(join(dataDir, 'server')).mode & 0o777).toBe(0o700);
  });

  test('a data directory that nobody cannot walk to keeps its files elsewhere and finds them again', async (context) => {
    if (!isRoot()) context.skip('not root here');
    const dataDir = newDataDir(0o700);
    const first = await start(dataDir);
    expect(existsSync(join(dataDir, 'server'))).toBe(false);
    expect(statSync(serverDir(dataDir)).mode & 0o777).toBe(0o700);
    await query(first, 'create table kept as select 42 as answer');
    await first.stop();
    expect(await query(await start(dataDir), 'select answer from kept')).toEqual([[42]]);
  });
});
