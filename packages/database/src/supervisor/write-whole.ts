import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Replaces a file by one rename: whoever reads it sees the old content or the new one, also after a crash. */
export function writeWhole(path: string, content: string): void {
  const work = mkdtempSync(join(dirname(path), '.write-'));
  try {
    writeFileSync(join(work, 'file'), content, { mode: 0o644 });
    renameSync(join(work, 'file'), path);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
