import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { systemRuntime } from '@mono-auth/core/runtime';
import type { RedisBinary } from './redis-binary.ts';

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

export async function startRedisServer(binary: RedisBinary, settings: RedisSettings = {}): Promise<TestRedis> {
  const dir = mkdtempSync(join(tmpdir(), 'mono-redis-'));
  const [password, adminPassword] = [systemRuntime.uuid(), systemRuntime.uuid()];
  const port = await freePort();
  const env = { PATH: process.env.PATH ?? '', ...binary.env, REDISCLI_AUTH: adminPassword };
  const { tls, lines = [] } = settings;
  // In a file, not in the arguments: those can be read by everybody on the machine.
  const config = [
    ...['bind 127.0.0.1', `dir ${dir}`, 'save ""', 'appendonly no', 'maxmemory-policy noeviction'],
    ...['user default off', `user admin on >${adminPassword} ~* &* +@all`],
    `user mono on >${password} ~* &* +@all -@dangerous +info`,
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
    url: `${tls ? 'rediss' : 'redis'}://mono:${password}@127.0.0.1:${port}`,
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
      for (let waitedMs = 0; (await command('ping').catch(() => '')) !== 'PONG'; waitedMs += pollMs) {
        if (waitedMs > startMsMax || child.exitCode !== null) throw new Error(`no Redis on port ${port}`);
        await systemRuntime.sleep(pollMs);
      }
    },
    async close() {
      await redis.kill();
      rmSync(dir, { recursive: true, force: true });
    },
  };
  await redis.start();
  return redis;
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
