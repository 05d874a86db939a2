import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** A program of ours in a process of its own: what it is told by environment and stdin, what it says line by line. */
export interface ChildProgram {
  /** The next line that it writes. @throws Error when it has ended. */
  line(): Promise<string>;
  say(line: string): void;
  end(): Promise<void>;
}

export function startProgram(path: string, env: Readonly<Record<string, string>> = {}): ChildProgram {
  const program = fileURLToPath(new URL(path, import.meta.url));
  const child = spawn(process.execPath, [program], {
    env: { ...process.env, ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const closed = once(child, 'close');
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  return {
    async line() {
      const { value, done } = await lines.next();
      if (done) throw new Error(`${path} has ended`);
      return value;
    },
    say: (line) => void child.stdin.write(`${line}\n`),
    async end() {
      child.kill('SIGTERM');
      await closed;
    },
  };
}
