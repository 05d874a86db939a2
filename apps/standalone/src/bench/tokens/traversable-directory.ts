import { chmodSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A database of root's runs under another account, which must get through to its data; else that is put elsewhere, and stays. */
const traversable = 0o711;

/** A new directory under the system's temporary one, for whoever removes it. */
export function makeDirectory(name: string): string {
  const directory = mkdtempSync(join(tmpdir(), `mono-bench-${name}-`));
  chmodSync(directory, traversable);
  return directory;
}
