import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** A program of ours in a process of its own: what it is told by environment and stdin, what it says line by line. */
export interface ChildProgram {
  readonly pid: number;
  /** The next line that it writes. @throws Error when it has ended, with what it complained of where that is kept. */
  line(): Promise<string>;
  say(line: string): void;
  end(): Promise<void>;
}

export interface StartOptions {
  /** A command that becomes the program, such as `taskset -c 0`: its process id is the program's. */
  readonly launcher?: readonly string[];
  /** Of Bun itself, before the program. */
  readonly flags?: readonly string[];
  /** Keeps what it writes to stderr for the error of `line()`, instead of passing it on. */
  readonly quiet?: boolean;
}

/** What is kept of a quiet program's complaints, characters. */
const keptChars = 4_000;

export function startProgram(
  path: string,
  env: Readonly<Record<string, string>> = {},
  { launcher = [], flags = [], quiet = false }: StartOptions = {},
): ChildProgram {
  const program = fileURLToPath(new URL(path, import.meta.url));
  const [command = process.execPath, ...args] = [...launcher, process.execPath, ...flags, program];
  const child = spawn(command, args, {
    env: { ...process.env, ...env },
    stdio: ['pipe', 'pipe', quiet ? 'pipe' : 'inherit'],
  });
  const { pid, stdin, stdout, stderr } = child;
  if (pid === undefined || stdin === null || stdout === null) throw new Error(`${command} could not be started`);
  let complaints = '';
  stderr?.on('data', (chunk) => {
    complaints = `${complaints}${chunk}`.slice(-keptChars);
  });
  const closed = once(child, 'close');
  const lines = createInterface(stdout)[Symbol.asyncIterator]();
  return {
    pid,
    async line() {
      const { value, done } = await lines.next();
      if (!done) return value;
      await closed;
      throw new Error(`${path} has ended${complaints === '' ? '' : `: ${complaints.trim()}`}`);
    },
    say: (line) => void stdin.write(`${line}\n`),
    async end() {
      child.kill('SIGTERM');
      await closed;
    },
  };
}
