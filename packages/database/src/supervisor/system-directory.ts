import { lstatSync, mkdirSync } from 'node:fs';
import type { Account } from './account.ts';
import { canEnter } from './run-command.ts';
import { SupervisorError } from './supervisor-error.ts';

/** Both outlive a restart of the machine; the second is for systems whose /var/lib is read-only. */
const candidates = ['/var/lib/mono-auth', '/var/tmp/mono-auth'];

/**
 * Root's own place outside the checkout, used when the server's account cannot walk to the checkout.
 * Below /var/tmp anybody can make a directory of this name before us, hence the look at its owner.
 */
export async function systemDirectory(account: Account): Promise<string> {
  for (const path of candidates) {
    try {
      mkdirSync(path, { mode: 0o755, recursive: true });
    } catch {
      continue;
    }
    const found = lstatSync(path);
    if (!found.isDirectory() || found.uid !== 0 || (found.mode & 0o022) !== 0) continue;
    if (await canEnter(account, path)) return path;
  }
  throw new SupervisorError(
    `PostgreSQL must run as uid ${account.uid}, which can reach neither the data directory nor ${candidates.join(' nor ')}`,
  );
}
