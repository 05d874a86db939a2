import {
  existsSync,
  lchownSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Account } from './account.ts';
import type { Binaries } from './binaries.ts';
import type { Placement } from './placement.ts';
import { runCommand } from './run-command.ts';
import { SupervisorError } from './supervisor-error.ts';

export const superuser = 'mono_admin';

/** initdb takes about 1 s; on a slow disk with sync it may take many times that. */
const initTimeoutMs = 120_000;

/**
 * Makes the cluster when there is none. It is made under another name and gets its own by the last step, one rename:
 * a cluster that can be seen is whole, and an initdb that outlived its interrupted supervisor writes where nobody looks.
 */
export async function createCluster(
  placement: Placement,
  binaries: Binaries,
  superuserPassword: string,
  sync: boolean,
): Promise<void> {
  const { serverDir, clusterDir, account } = placement;
  if (existsSync(clusterDir)) return refuseOtherVersion(clusterDir, binaries);

  for (const name of readdirSync(serverDir)) {
    if (name.startsWith('init-')) rmSync(join(serverDir, name), { recursive: true, force: true });
  }
  const work = mkdtempSync(join(serverDir, 'init-'));
  own(work, account);
  const passwordFile = join(work, 'password');
  writeFileSync(passwordFile, `${superuserPassword}\n`, { mode: 0o600, flag: 'wx' });
  own(passwordFile, account);

  const args = [
    `--pgdata=${join(work, 'cluster')}`,
    `--username=${superuser}`,
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    // PostgreSQL's own collation: the same order on every system, whatever its C library (libc's changes corrupt indexes).
    '--locale=C',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--data-checksums',
    ...(sync ? [] : ['--no-sync']),
  ];
  const { code, output } = await runCommand(account, binaries.initdb, args, initTimeoutMs);
  if (code !== 0) {
    rmSync(work, { recursive: true, force: true });
    throw new SupervisorError(`initdb in ${serverDir} failed: ${lastLine(output)}`);
  }
  renameSync(join(work, 'cluster'), clusterDir);
  rmSync(work, { recursive: true, force: true });
}

function refuseOtherVersion(clusterDir: string, binaries: Binaries): void {
  const version = readFileSync(join(clusterDir, 'PG_VERSION'), 'utf8').trim();
  if (version === binaries.majorVersion) return;
  throw new SupervisorError(
    `${clusterDir} was made by PostgreSQL ${version}, the one here is ${binaries.majorVersion}`,
  );
}

function own(path: string, account: Account | undefined): void {
  if (account) lchownSync(path, account.uid, account.gid);
}

export function lastLine(output: string): string {
  return output.trim().split('\n').at(-1) ?? '';
}
