import { chmodSync, existsSync, lchownSync, mkdirSync, mkdtempSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Account, isRoot, nobody, serverAccount } from './account.ts';
import { canEnter } from './run-command.ts';
import { SupervisorError } from './supervisor-error.ts';
import { systemDirectory } from './system-directory.ts';
import { writeWhole } from './write-whole.ts';

/** Where the server's files are and whom they belong to. */
export interface Placement {
  readonly account: Account | undefined;
  /** 0700, owned by the account; holds the cluster and the server's log. */
  readonly serverDir: string;
  /** PostgreSQL's data directory (PGDATA); it exists only when it is whole. */
  readonly clusterDir: string;
}

/**
 * The files stand in the data directory, unless the server's account cannot walk there (a checkout under /root):
 * then in a directory of the system, which `location.json` in the data directory names.
 */
export async function placeServer(dataDir: string): Promise<Placement> {
  const location = join(dataDir, 'location.json');
  let base = dataDir;
  if (existsSync(location)) base = followLocation(dataDir, location);
  else if (isRoot() && !existsSync(join(dataDir, 'server')) && !(await openTo(nobody(), dataDir))) {
    base = mkdtempSync(join(await systemDirectory(nobody()), 'postgres-'));
    chmodSync(base, 0o755);
    writeWhole(join(base, 'origin'), `${dataDir}\n`);
    writeWhole(location, `${JSON.stringify({ directory: base })}\n`);
  }

  const serverDir = join(base, 'server');
  const account = serverAccount(serverDir);
  mkdirSync(serverDir, { recursive: true, mode: 0o700 });
  if (account) lchownSync(serverDir, account.uid, account.gid);
  if (!(await canEnter(account, serverDir))) {
    throw new SupervisorError(
      `PostgreSQL's files are in ${serverDir}, which uid ${account?.uid} cannot reach any more: give it the way back`,
    );
  }
  return { account, serverDir, clusterDir: join(serverDir, 'cluster') };
}

/**
 * The data directory itself is ours: an account that can walk to it is let through, and still cannot list it.
 * What stands above it is not ours to change.
 */
async function openTo(account: Account, dataDir: string): Promise<boolean> {
  if (await canEnter(account, dataDir)) return true;
  if (!(await canEnter(account, dirname(dataDir)))) return false;
  chmodSync(dataDir, statSync(dataDir).mode | 0o011);
  return canEnter(account, dataDir);
}

/**
 * A copied data directory must not share the files of the one it was copied from; a moved one takes them along.
 * @throws SupervisorError when the files belong to another data directory or have gone
 */
function followLocation(dataDir: string, location: string): string {
  const { directory } = JSON.parse(readFileSync(location, 'utf8')) as { directory: string };
  const originFile = join(directory, 'origin');
  if (!existsSync(originFile)) {
    throw new SupervisorError(`PostgreSQL's files in ${directory} have gone: remove ${location} to start with none`);
  }
  const origin = readFileSync(originFile, 'utf8').trim();
  if (origin === dataDir) return directory;
  if (existsSync(join(origin, 'location.json'))) {
    throw new SupervisorError(
      `${dataDir} is a copy of ${origin}, whose PostgreSQL files are in ${directory}: remove ${location} to start with none`,
    );
  }
  writeWhole(originFile, `${dataDir}\n`);
  return directory;
}
