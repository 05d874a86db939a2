import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { systemRuntime } from '@mono-auth/core/runtime';
import type { RedisBinary } from './redis-binary.ts';
import { openTcpAddress } from './tcp-address.ts';

const run = promisify(execFile);

/** A Redis of its own on a port of its own, on loopback, for the login that an installation would have. */
export interface TestRedis {
  /** `redis://user:password@host:port`; the user may do everything but what Redis calls dangerous. */
  readonly url: string;
  readonly port: number;
  /** Runs a command as the administrator and answers what `redis-cli` prints. */
  command(...args: string[]): Promise<string>;
  /** Ends the process with SIGKILL, as a crash does. */
  kill(): Promise<void>;
  /** Stops the process where it stands, so that it takes connections and never answers; `wake` lets it go on. */
  freeze(): void;
  wake(): void;
  /** Starts it again on the same port, with the same users. */
  start(): Promise<void>;
  /** Starts a replica of it, and takes both behind one address. */
  openPair(): Promise<TestRedisPair>;
  /** Makes this server follow another, and waits until it has all that the other holds. */
  follow(other: TestRedis): Promise<void>;
  close(): Promise<void>;
}

/** Two servers behind one address, as the clients of a managed Redis see them. */
export interface TestRedisPair {
  /** Leads to whichever is the primary. */
  readonly url: string;
  readonly primary: TestRedis;
  readonly replica: TestRedis;
  /**
   * The primary dies by SIGKILL, the replica is promoted as it stands, and the address leads to it. The dead one comes
   * back with nothing of its own and follows the new primary.
   */
  failOver(): Promise<void>;
  close(): Promise<void>;
}

/** A start takes some 20 ms; a loaded machine may take a hundred times that. */
const startMsMax = 10_000;
const pollMs = 20;

export interface RedisSettings {
  /** Lines of the configuration that come after ours. */
  readonly lines?: readonly string[];
  /** Certificate and key in PEM: the port then speaks TLS alone. */
  readonly tls?: { readonly cert: string; readonly key: string };
}

interface Passwords {
  readonly login: string;
  readonly admin: string;
}

export function startRedisServer(binary: RedisBinary, settings: RedisSettings = {}): Promise<TestRedis> {
  return startWith({ login: systemRuntime.uuid(), admin: systemRuntime.uuid() }, binary, settings);
}

async function startWith(passwords: Passwords, binary: RedisBinary, settings: RedisSettings): Promise<TestRedis> {
  const dir = mkdtempSync(join(tmpdir(), 'mono-redis-'));
  const port = await freePort();
  const env = { PATH: process.env.PATH ?? '', ...binary.env, REDISCLI_AUTH: passwords.admin };
  const { tls, lines = [] } = settings;
  // In a file, not in the arguments: those can be read by everybody on the machine.
  const config = [
    ...['bind 127.0.0.1', `dir ${dir}`, 'save ""', 'appendonly no', 'maxmemory-policy noeviction'],
    ...['user default off', `user admin on >${passwords.admin} ~* &* +@all`],
    // As a primary it would wait five seconds for more replicas to come.
    ...['masteruser admin', `masterauth ${passwords.admin}`, 'repl-diskless-sync-delay 0'],
    `user mono on >${passwords.login} ~* &* +@all -@dangerous +info`,
    ...(tls ? listenWithTls(dir, port, tls) : [`port ${port}`]),
    ...lines,
  ];
  writeFileSync(join(dir, 'redis.conf'), `${config.join('\n')}\n`, { mode: 0o600 });
  let child: ChildProcess | undefined;
  const connection = [
    '-h',
    '127.0.0.1',
    '-p',
    String(port),
    '--user',
    'admin',
    ...(tls ? ['--tls', '--insecure'] : []),
  ];
  const command = async (...args: string[]): Promise<string> =>
    (await run(binary.cli, [...connection, ...args], { env, maxBuffer: 2 ** 26 })).stdout.trimEnd();

  const redis: TestRedis = {
    url: `${tls ? 'rediss' : 'redis'}://mono:${passwords.login}@127.0.0.1:${port}`,
    port,
    command,
    async kill() {
      if (!child || child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    },
    freeze: () => void child?.kill('SIGSTOP'),
    wake: () => void child?.kill('SIGCONT'),
    async start() {
      child = spawn(binary.server, [join(dir, 'redis.conf')], { env, stdio: 'ignore' });
      await waitFor(async () => {
        if (child?.exitCode !== null) throw new Error(`no Redis on port ${port}`);
        return (await command('ping').catch(() => '')) === 'PONG';
      }, `Redis on port ${port}`);
    },
    openPair: async () => openPair(redis, await startWith(passwords, binary, settings)),
    async follow(other) {
      await command('replicaof', '127.0.0.1', String(other.port));
      await waitFor(
        async () => (await command('info', 'replication')).includes('master_link_status:up'),
        'replication',
      );
    },
    async close() {
      await redis.kill();
      rmSync(dir, { recursive: true, force: true });
    },
  };
  await redis.start();
  return redis;
}

async function openPair(first: TestRedis, second: TestRedis): Promise<TestRedisPair> {
  let [primary, replica] = [first, second];
  await replica.follow(primary);
  const address = await openTcpAddress(() => primary.port);
  const url = new URL(first.url);
  url.port = String(address.port);
  return {
    url: url.toString(),
    get primary() {
      return primary;
    },
    get replica() {
      return replica;
    },
    async failOver() {
      await primary.kill();
      await replica.command('replicaof', 'no', 'one');
      [primary, replica] = [replica, primary];
      await replica.start();
      await replica.follow(primary);
    },
    async close() {
      address.close();
      await Promise.all([primary.close(), replica.close()]);
    },
  };
}

async function waitFor(there: () => Promise<boolean>, what: string): Promise<void> {
  for (let waitedMs = 0; !(await there()); waitedMs += pollMs) {
    if (waitedMs > startMsMax) throw new Error(`no ${what}`);
    await systemRuntime.sleep(pollMs);
  }
}

function listenWithTls(dir: string, port: number, { cert, key }: { cert: string; key: string }): string[] {
  const [certFile, keyFile] = [join(dir, 'cert.pem'), join(dir, 'key.pem')];
  writeFileSync(certFile, cert);
  writeFileSync(keyFile, key, { mode: 0o600 });
  const files = [`tls-cert-file ${certFile}`, `tls-key-file ${keyFile}`, `tls-ca-cert-file ${certFile}`];
  return ['port 0', `tls-port ${port}`, 'tls-auth-clients no', ...files];
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}
