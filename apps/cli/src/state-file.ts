import { chmod, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Refusal } from '@mono-auth/core/errors';

/** Read and written by the owner alone: sessions and private keys stand in these files. */
const ownerOnly = 0o600;
const ownerOnlyDirectory = 0o700;

/** @throws Refusal `invalid_request` when others may read the file, or when it is not ours. */
export async function readStateFile<T>(directory: string, name: string): Promise<T | undefined> {
  const path = join(directory, name);
  const found = await stat(path).catch(absent);
  if (!found) return undefined;
  if ((found.mode & 0o077) !== 0) {
    throw new Refusal('invalid_request', `${path}: others may read it; run chmod 600 on it, and change what it holds`);
  }
  try {
    return JSON.parse(await readFile(path, 'utf8')) as T;
  } catch (cause) {
    throw new Refusal('invalid_request', `${path}: not a state file of monoauth`, { cause });
  }
}

/** Whole or not at all, and on the disk when this resolves: a renewal must not outrun its own note. */
export async function writeStateFile(directory: string, name: string, value: object): Promise<string> {
  await mkdir(directory, { recursive: true, mode: ownerOnlyDirectory });
  const path = join(directory, name);
  const draft = `${path}.new`;
  await rm(draft, { force: true });
  // `wx`: never through a link that somebody has left there.
  const file = await open(draft, 'wx', ownerOnly);
  try {
    await file.writeFile(`${JSON.stringify(value, null, 2)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await chmod(draft, ownerOnly);
  await rename(draft, path);
  return path;
}

export async function removeStateFile(directory: string, name: string): Promise<void> {
  await rm(join(directory, name), { force: true });
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT') return undefined;
  throw new Refusal('invalid_request', `${error.path}: ${error.code}`, { cause: error });
}
