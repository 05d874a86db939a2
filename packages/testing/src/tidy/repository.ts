import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { SourceFile } from './source.ts';

const root = fileURLToPath(new URL('../../../../', import.meta.url));

/** Larger files are data, not source; the largest generated file of ours is a tenth of this. */
const sourceBytesMax = 2_000_000;

/** The tracked files and those that would be tracked by `git add`, as they are on disk now. */
export function readRepository(): SourceFile[] {
  const listed = execFileSync('git', ['ls-files', '-z', '-co', '--exclude-standard'], { cwd: root, encoding: 'utf8' });
  const paths = [...new Set(listed.split('\0'))].filter((path) => path !== '' && existsSync(join(root, path))).sort();
  return paths.map((path) => ({ path, text: readText(join(root, path)) }));
}

function readText(path: string): string {
  const stats = statSync(path);
  if (!stats.isFile() || stats.size > sourceBytesMax) return '';
  const text = readFileSync(path, 'utf8');
  return text.includes('\0') ? '' : text;
}
