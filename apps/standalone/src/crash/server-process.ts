import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemRuntime } from '@mono-auth/core/runtime';
import { freePort } from './free-port.ts';
import { backendsOf, childrenOf, isAlive, kill, portsOf, titleOf } from './processes.ts';
import { WorkerLife } from './worker-life.ts';

/**
 * What is killed: our process, the database's first process, one that serves us, the worker that is a process of its own
 * (the server has another within itself), or everything as in a power cut.
 */
export const victims = ['server', 'postmaster', 'backend', 'worker', 'machine'] as const;
export type Victim = (typeof victims)[number];

const main = fileURLToPath(new URL('../main.ts', import.meta.url));
/** A first start makes a cluster and two tenants, a later one replays what the database had not written yet. */
const readyMsMax = 25_000;
const pollMs = 25;
/** A round of sealing comes once a second, and the workers share them. */
const sealingMsMax = 5_000;
const lookMs = 1;
/** The pools of a worker open and close connections. */
const looksAlike = 30;
/** How a transaction of a tenant is seen from outside: between two statements of it. The queue's are single statements. */
const inTransaction = /^postgres: mono_app .*\((\d+)\) idle in transaction/;
/** What a failure shows of the server's log, characters. */
const logTailChars = 4_000;

/** A standalone server of its own with an embedded database in a directory of its own, and a worker beside it. Linux: it looks into /proc. */
export class ServerProcess {
  readonly baseUrl: string;
  readonly #directory: string;
  readonly #adminUrl: string;
  readonly #env: Record<string, string>;
  #child: ChildProcess | undefined;
  #worker: WorkerLife | undefined;
  /** Processes that must be gone before readiness means the one after them. */
  #struck: number[] = [];

  private constructor(directory: string, [port, adminPort, grpcPort]: readonly number[], password: string) {
    this.#directory = directory;
    this.baseUrl = `http://127.0.0.1:${port}`;
    this.#adminUrl = `http://127.0.0.1:${adminPort}`;
    this.#env = {
      PATH: process.env.PATH ?? '',
      HOME: process.env.HOME ?? '',
      MONO_DATA_DIR: directory,
      MONO_LISTEN: `127.0.0.1:${port}`,
      MONO_ADMIN_LISTEN: `127.0.0.1:${adminPort}`,
      MONO_GRPC_LISTEN: `127.0.0.1:${grpcPort}`,
      MONO_BOOTSTRAP_PASSWORD: password,
    };
  }

  /** With nothing in its directory yet, and not started. */
  static async create(password: string): Promise<ServerProcess> {
    const directory = mkdtempSync(join(tmpdir(), 'mono-crash-'));
    // As root the database runs as nobody, who has to walk to its files.
    chmodSync(directory, 0o755);
    const ports = await Promise.all(Array.from({ length: 3 }, freePort));
    return new ServerProcess(directory, ports, password);
  }

  /** Starts it and does not wait. */
  begin(): void {
    this.#child = this.#spawn();
  }

  /** Kills, with no chance to say anything. */
  strike(victim: Victim): void {
    const postmaster = this.#postmaster();
    const children = postmaster === undefined ? [] : childrenOf(postmaster);
    if (victim === 'worker' || victim === 'machine') this.#struck.push(...kill(this.#worker?.pid));
    if (victim === 'server' || victim === 'machine') this.#struck.push(...kill(this.#child?.pid));
    if (victim === 'postmaster' || victim === 'machine') this.#struck.push(...kill(postmaster));
    // PostgreSQL ends all others when one of them dies: it may have left their shared memory in disorder.
    if (victim === 'backend') this.#struck.push(...kill(pickBackend(postmaster)), ...children);
  }

  /** From its next start on, both processes use this Redis. */
  useRedis(url: string): void {
    this.#env.MONO_REDIS_URL = url;
  }

  /** Resolves while the worker of its own has a tenant's transaction open. @throws Error when it never is. */
  async whenSealing(): Promise<void> {
    const deadline = systemRuntime.monotonicMs() + sealingMsMax;
    const [worker, postmaster] = [this.#worker?.pid, this.#postmaster()];
    if (worker === undefined || postmaster === undefined) throw new Error('no worker');
    let [ports, backends] = [new Set<number>(), [] as number[]];
    for (let look = 0; ; look++) {
      if (look % looksAlike === 0) {
        [ports, backends] = [portsOf(worker), backendsOf(postmaster).map(({ pid }) => pid)];
      }
      if (backends.some((pid) => ports.has(Number(inTransaction.exec(titleOf(pid))?.[1])))) return;
      if (systemRuntime.monotonicMs() > deadline) throw new Error('the worker does not seal');
      await systemRuntime.sleep(lookMs);
    }
  }

  /**
   * Starts what is gone again, and waits until it may be trusted.
   * @throws Error when that takes too long, or the worker has not survived what was not its own end.
   */
  async recover(): Promise<void> {
    const deadline = systemRuntime.monotonicMs() + readyMsMax;
    const died = this.#worker && !this.#worker.alive && !this.#struck.includes(this.#worker.pid ?? 0);
    if (died) throw new Error(`the worker died with another:\n${this.#worker?.logTail}`);
    while (!(this.#struck.every((pid) => !isAlive(pid)) && (await this.#isReady()) && this.#workerWorks())) {
      if (!isAlive(this.#child?.pid)) this.begin();
      if (systemRuntime.monotonicMs() > deadline) throw new Error(`the server is not ready:\n${this.#logTail()}`);
      await systemRuntime.sleep(pollMs);
    }
    this.#struck = [];
  }

  /** Stops in order and leaves nothing behind. @returns the exit codes of server and worker. */
  async stop(): Promise<(number | null)[]> {
    const child = this.#child;
    const workerCode = (await this.#worker?.stop()) ?? null;
    if (child && isAlive(child.pid)) {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await ended;
    }
    rmSync(this.#directory, { recursive: true, force: true });
    return [child?.exitCode ?? null, workerCode];
  }

  /** Starts the worker where there is none: once the server is ready, for the schema is the server's. */
  #workerWorks(): boolean {
    if (!this.#worker?.alive) {
      const start = readFileSync(join(this.#directory, 'postgres/last-start.json'), 'utf8');
      const { port } = JSON.parse(start) as { port: number };
      this.#worker = new WorkerLife(main, {
        ...this.#env,
        MONO_ROLE: 'worker',
        MONO_DATABASE_URL: `postgres://mono_app@127.0.0.1:${port}/postgres`,
        MONO_BASE_URL: this.baseUrl,
        MONO_KEK_FILE: join(this.#directory, 'kek'),
      });
    }
    return this.#worker.works;
  }

  #spawn(): ChildProcess {
    const log = openSync(join(this.#directory, 'server.log'), 'a');
    const child = spawn(process.execPath, [main], { env: this.#env, stdio: ['ignore', 'ignore', log] });
    closeSync(log);
    return child;
  }

  async #isReady(): Promise<boolean> {
    const answer = await fetch(`${this.#adminUrl}/readyz`).catch(() => undefined);
    return answer?.ok === true;
  }

  #postmaster(): number | undefined {
    const path = join(this.#directory, 'postgres/server/cluster/postmaster.pid');
    return existsSync(path) ? Number(readFileSync(path, 'utf8').split('\n')[0]) : undefined;
  }

  #logTail(): string {
    const path = join(this.#directory, 'server.log');
    const log = existsSync(path) ? readFileSync(path, 'utf8').slice(-logTailChars) : '';
    return `${log}\nthe worker:\n${this.#worker?.logTail ?? 'none'}`;
  }
}

/** One that serves us, at best one that is at work. */
function pickBackend(postmaster: number | undefined): number | undefined {
  const serving = postmaster === undefined ? [] : backendsOf(postmaster);
  return (serving.find(({ title }) => !/\bidle\b/.test(title)) ?? serving[0])?.pid;
}
