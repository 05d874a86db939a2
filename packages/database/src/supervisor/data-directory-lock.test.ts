import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { lockDataDirectory } from './data-directory-lock.ts';

const directories: string[] = [];

afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true });
});

function newDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'mono-lock-'));
  directories.push(directory);
  return directory;
}

/** A process that tries once when it is told to, says how it went, and then lives until it is killed. */
function contender(dataDir: string): ChildProcess {
  const module = JSON.stringify(join(import.meta.dirname, 'data-directory-lock.ts'));
  const program = `const { lockDataDirectory } = await import(${module});
    process.stdin.once('data', () => {
      try { lockDataDirectory(${JSON.stringify(dataDir)}); console.log('won'); } catch { console.log('refused'); }
    });
    console.log('ready');`;
  return spawn(process.execPath, ['-e', program], { stdio: ['pipe', 'pipe', 'inherit'] });
}

function nextLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => child.stdout?.once('data', (chunk: Buffer) => resolve(chunk.toString().trim())));
}

test('of many processes that want a dead owner’s directory at the same moment exactly one gets it', async () => {
  const dataDir = newDirectory();
  // Each round's winner is killed and leaves the stale lock of the next round.
  for (let round = 0; round < 3; round++) {
    const contenders = Array.from({ length: 4 }, () => contender(dataDir));
    try {
      await Promise.all(contenders.map(nextLine));
      const outcomes = Promise.all(contenders.map(nextLine));
      for (const child of contenders) child.stdin?.write('go\n');
      expect((await outcomes).sort()).toEqual(['refused', 'refused', 'refused', 'won']);
    } finally {
      await Promise.all(
        contenders.map((child) => {
          const ended = new Promise((resolve) => child.once('exit', resolve));
          child.kill('SIGKILL');
          return ended;
        }),
      );
    }
  }
  lockDataDirectory(dataDir);
  expect(readdirSync(dataDir)).toEqual(['supervisor.lock.4']);
});

test('a process that merely has the pid of a dead owner holds nothing', () => {
  const dataDir = newDirectory();
  const past = { pid: process.pid, start: 'another boot/1', released: false };
  writeFileSync(join(dataDir, 'supervisor.lock.7'), JSON.stringify(past));
  expect(() => lockDataDirectory(dataDir)).not.toThrow();
});

test('a lock that has been released can be taken by the same process, one that is held cannot', () => {
  const dataDir = newDirectory();
  const lock = lockDataDirectory(dataDir);
  expect(() => lockDataDirectory(dataDir)).toThrow(`in use by process ${process.pid}`);
  lock.release();
  expect(() => lockDataDirectory(dataDir)).not.toThrow();
});

test('a damaged lock file refuses the start instead of being taken for a free one', () => {
  const dataDir = newDirectory();
  writeFileSync(join(dataDir, 'supervisor.lock.1'), '{"pid":');
  expect(() => lockDataDirectory(dataDir)).toThrow('is damaged');
});
