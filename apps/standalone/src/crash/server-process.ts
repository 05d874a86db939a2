import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, closeSync, existsSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemRuntime } from '@mono-auth/core/runtime';

/** What is killed: our process, the database's first process, one that serves us, or everything as in a power cut. */
export const victims = ['server', 'postmaster', 'backend', 'machine'] as const;
export type Victim = (typeof victims)[number];

const main = fileURLToPath(new URL('../main.ts', import.meta.url));
/** A first start makes a cluster and two tenants, a later one replays what the database had not written yet. */
const readyMsMax = 25_000;
const pollMs = 25;
/** What a failure shows of the server's log, characters. */
const logTailChars = 4_000;

/** A standalone server of its own, with an embedded database in a directory of its own. Linux: it looks into /proc. */
export class ServerProcess {
  readonly baseUrl: string;
  readonly #directory: string;
  readonly #adminUrl: string;
  readonly #env: Record<string, string>;
  #child: ChildProcess | undefined;
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
    if (victim === 'server' || victim === 'machine') this.#struck.push(...kill(this.#child?.pid));
    if (victim === 'postmaster' || victim === 'machine') this.#struck.push(...kill(postmaster));
    // PostgreSQL ends all others when one of them dies: it may have left their shared memory in disorder.
    if (victim === 'backend') this.#struck.push(...kill(pickBackend(children)), ...children);
  }

  /** Starts the server again if it is gone, and waits until it may be trusted with requests. */
  async recover(): Promise<void> {
    const deadline = systemRuntime.monotonicMs() + readyMsMax;
    while (!(this.#struck.every((pid) => !isAlive(pid)) && (await this.#isReady()))) {
      if (!isAlive(this.#child?.pid)) this.begin();
      if (systemRuntime.monotonicMs() > deadline) throw new Error(`the server is not ready:\n${this.#logTail()}`);
      await systemRuntime.sleep(pollMs);
    }
    this.#struck = [];
  }

  /** Stops in order and leaves nothing behind. @returns the exit code. */
  async stop(): Promise<number | null> {
    const child = this.#child;
    if (child && isAlive(child.pid)) {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await ended;
    }
    rmSync(this.#directory, { recursive: true, force: true });
    return child?.exitCode ?? null;
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
    return existsSync(path) ? readFileSync(path, 'utf8').slice(-logTailChars) : '';
  }
}

/** A port that is free now; the same one serves every life of the server, as its clients know it. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

/** @returns the process that was killed. */
function kill(pid: number | undefined): number[] {
  if (pid === undefined) return [];
  process.kill(pid, 'SIGKILL');
  return [pid];
}

/** A zombie that nobody has collected yet is dead. */
function isAlive(pid: number | undefined): boolean {
  const state = pid === undefined ? undefined : statOf(pid)?.state;
  return state !== undefined && state !== 'Z' && state !== 'X';
}

function childrenOf(parent: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && statOf(Number(name))?.parent === parent)
    .map(Number);
}

/** One that serves us, at best one that is at work. */
function pickBackend(children: readonly number[]): number | undefined {
  const serving = children
    .map((pid) => ({ pid, title: readProcess(pid, 'cmdline') ?? '' }))
    .filter(({ title }) => title.startsWith('postgres: mono_'));
  return (serving.find(({ title }) => !/\bidle\b/.test(title)) ?? serving[0])?.pid;
}

/** proc_pid_stat(5): the name in parentheses may hold anything; state and parent follow it. */
function statOf(pid: number): { state: string; parent: number } | undefined {
  const text = readProcess(pid, 'stat');
  const [state, parent] = text?.slice(text.lastIndexOf(')') + 2).split(' ') ?? [];
  return state === undefined ? undefined : { state, parent: Number(parent) };
}

function readProcess(pid: number, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    // It has ended meanwhile.
    return undefined;
  }
}
