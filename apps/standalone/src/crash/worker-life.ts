import { type ChildProcess, spawn } from 'node:child_process';
import { isAlive } from './processes.ts';

/** What a failure shows of the worker's log, characters. */
const logTailChars = 2_000;

/** One life of a worker as a process of its own. */
export class WorkerLife {
  readonly #child: ChildProcess;
  #log = '';

  constructor(main: string, env: Record<string, string>) {
    this.#child = spawn(process.execPath, [main], { env, stdio: ['ignore', 'ignore', 'pipe'] });
    this.#child.stderr?.on('data', (chunk) => {
      this.#log += String(chunk);
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get alive(): boolean {
    return isAlive(this.pid);
  }

  /** Has said that it takes jobs. */
  get works(): boolean {
    return this.alive && this.#log.includes('"working"');
  }

  get logTail(): string {
    return this.#log.slice(-logTailChars);
  }

  /** Asks it to end, and waits. @returns the exit code. */
  async stop(): Promise<number | null> {
    if (this.alive) {
      const ended = new Promise((resolve) => this.#child.once('exit', resolve));
      this.#child.kill('SIGTERM');
      await ended;
    }
    return this.#child.exitCode;
  }
}
