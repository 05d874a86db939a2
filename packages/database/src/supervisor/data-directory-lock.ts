import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { processStart } from './process-identity.ts';
import { SupervisorError } from './supervisor-error.ts';

/**
 * One owner for each data directory. A lock is a numbered file, and the one with the highest number counts; it is
 * over when its owner says so or no longer runs. Taking it is one link(2) to the next number, which only one process
 * can make; a highest file is never removed, so nobody can mistake a lock that has just been taken for the stale one
 * he looked at before.
 */
export interface DataDirectoryLock {
  release(): void;
}

interface Holder {
  readonly pid: number;
  readonly start: string;
  readonly released: boolean;
}

const lockName = /^supervisor\.lock\.(\d+)$/;

/** Only contenders for a dead lock make us look again, and each round one of them has won. */
const roundsMax = 100;

/** @throws SupervisorError naming the holder when a living process has the directory */
export function lockDataDirectory(dataDir: string): DataDirectoryLock {
  mkdirSync(dataDir, { recursive: true });
  const start = processStart(process.pid);
  if (start === undefined) throw new SupervisorError('this process cannot find its own start time');
  const mine: Holder = { pid: process.pid, start, released: false };

  for (let round = 0; round < roundsMax; round++) {
    const last = highestLock(dataDir);
    if (last > 0) refuseIfHeld(dataDir, last);
    const taken = last + 1;
    if (!writeNew(dataDir, taken, mine)) continue;
    if (highestLock(dataDir) > taken) {
      // Others came, won and cleared up between our look and our link: theirs counts.
      rmSync(lockPath(dataDir, taken), { force: true });
      continue;
    }
    for (const old of lockNumbers(dataDir)) if (old < taken) rmSync(lockPath(dataDir, old), { force: true });
    return { release: () => writeOver(dataDir, taken, { ...mine, released: true }) };
  }
  throw new SupervisorError(`data directory ${dataDir} is contended: too many processes start on it at once`);
}

function refuseIfHeld(dataDir: string, number: number): void {
  const holder = readHolder(lockPath(dataDir, number));
  if (!holder || holder.released || processStart(holder.pid) !== holder.start) return;
  throw new SupervisorError(
    `data directory ${dataDir} is in use by process ${holder.pid}: stop it first, or choose another directory`,
  );
}

/** undefined when the file has gone, because somebody has taken a higher one. */
function readHolder(path: string): Holder | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return JSON.parse(text) as Holder;
  } catch (cause) {
    throw new SupervisorError(`lock file ${path} is damaged: remove it when no Mono-Auth runs on it`, { cause });
  }
}

function writeNew(dataDir: string, number: number, holder: Holder): boolean {
  return withDraft(dataDir, holder, (draft) => {
    try {
      linkSync(draft, lockPath(dataDir, number));
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
      throw error;
    }
  });
}

function writeOver(dataDir: string, number: number, holder: Holder): void {
  withDraft(dataDir, holder, (draft) => renameSync(draft, lockPath(dataDir, number)));
}

/** A lock file appears whole or not at all: it is written elsewhere first. */
function withDraft<T>(dataDir: string, holder: Holder, place: (draft: string) => T): T {
  const work = mkdtempSync(join(dataDir, '.lock-'));
  try {
    const draft = join(work, 'holder');
    writeFileSync(draft, `${JSON.stringify(holder)}\n`, { mode: 0o644 });
    return place(draft);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function highestLock(dataDir: string): number {
  return Math.max(0, ...lockNumbers(dataDir));
}

function lockNumbers(dataDir: string): number[] {
  return readdirSync(dataDir).flatMap((name) => {
    const match = lockName.exec(name);
    return match ? [Number(match[1])] : [];
  });
}

function lockPath(dataDir: string, number: number): string {
  return join(dataDir, `supervisor.lock.${number}`);
}
