import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { base64url } from '@mono-auth/core/encoding';
import { systemRuntime } from '@mono-auth/core/runtime';
import { platformSlug } from '@mono-auth/core/tenant-slug';
import { siblingVariable } from '../processes/sibling-environment.ts';
import { portsOf, stateOf } from './processes.ts';

const main = fileURLToPath(new URL('../main.ts', import.meta.url));
const pollMs = 50;

interface Place {
  readonly databaseUrl: string;
  readonly baseUrl: string;
  readonly kek: Uint8Array;
}

/** A whole server in a process of its own, beside others on one database: it finds the installation as it is. Linux: /proc. */
export class MintingProcess {
  readonly url: string;
  readonly #child: ChildProcess;
  readonly #directory: string;
  readonly #ended: Promise<unknown>;

  private constructor(child: ChildProcess, directory: string, port: number) {
    this.url = `http://127.0.0.1:${port}`;
    this.#child = child;
    this.#directory = directory;
    this.#ended = new Promise((resolve) => child.once('close', resolve));
  }

  /** Resolves when it serves. @throws Error with its words when it ends instead. */
  static async start({ databaseUrl, baseUrl, kek }: Place): Promise<MintingProcess> {
    const directory = mkdtempSync(join(tmpdir(), 'mono-minting-'));
    const child = spawn(process.execPath, [main], {
      env: {
        ...{ PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '', MONO_DATA_DIR: directory },
        // Its stdin ends with us, whatever ends us.
        ...{ [siblingVariable]: '2', MONO_LAUNCHER: '1' },
        ...{ MONO_DATABASE_URL: databaseUrl, MONO_KEK: base64url(kek), MONO_BASE_URL: baseUrl },
        ...{ MONO_LISTEN: '127.0.0.1:0', MONO_GRPC_LISTEN: '127.0.0.1:0', MONO_ADMIN_LISTEN: '127.0.0.1:0' },
      },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    return new MintingProcess(child, directory, await portOf(child));
  }

  /** Resolves when it stands still. */
  async pause(): Promise<void> {
    this.#child.kill('SIGSTOP');
    while (stateOf(this.#child.pid as number) !== 'T') await systemRuntime.sleep(1);
  }

  resume(): void {
    this.#child.kill('SIGCONT');
  }

  /** Ends it with no chance to say anything. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#gone();
  }

  async stop(): Promise<void> {
    this.resume();
    this.#child.kill('SIGTERM');
    await this.#gone();
  }

  async #gone(): Promise<void> {
    await this.#ended;
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** The port of the edge, once it serves. */
async function portOf(child: ChildProcess): Promise<number> {
  let words = '';
  child.stderr?.on('data', (chunk) => {
    words += String(chunk);
  });
  while (child.exitCode === null) {
    for (const port of portsOf(child.pid as number)) {
      const answer = await fetch(`http://127.0.0.1:${port}/t/${platformSlug}/jwks`).catch(() => undefined);
      if (answer?.ok) return port;
    }
    await systemRuntime.sleep(pollMs);
  }
  throw new Error(`it ended with ${child.exitCode}: ${words}`);
}
