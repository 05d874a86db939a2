import { readFileSync, statSync } from 'node:fs';
import { SupervisorError } from './supervisor-error.ts';

/** Whom the server runs as when that is not whom we run as. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

export function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/**
 * PostgreSQL refuses to run as root. Data that is there already keeps its owner; new data goes to `nobody`,
 * which every system has (a user of our own would be a change of the system that outlives us).
 *
 * @param serverDir where the server's files are, or will be
 * @returns undefined for an ordinary user, who runs the server as himself
 */
export function serverAccount(serverDir: string): Account | undefined {
  if (!isRoot()) return undefined;
  const owner = statSync(serverDir, { throwIfNoEntry: false });
  return owner && owner.uid !== 0 ? { uid: owner.uid, gid: owner.gid } : nobody();
}

export function nobody(): Account {
  const fields = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
    .find((entry) => entry[0] === 'nobody');
  const [uid, gid] = [Number(fields?.[2]), Number(fields?.[3])];
  // Some systems write nobody as -2: an id is the unsigned 32-bit reading of it.
  if (!Number.isInteger(uid) || !Number.isInteger(gid)) {
    throw new SupervisorError(
      'running as root needs the account "nobody" in /etc/passwd for PostgreSQL, or an ordinary user',
    );
  }
  return { uid: uid >>> 0, gid: gid >>> 0 };
}
