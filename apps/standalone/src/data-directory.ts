import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { ConfigError } from '@mono-auth/control-plane';
import { base64url } from '@mono-auth/core/encoding';
import type { Runtime } from '@mono-auth/core/runtime';
import { readKek } from '@mono-auth/keys';

/** Bytes of a key-encryption key (AES-256). */
const kekBytes = 32;

/** Others may walk through, which the database's account must when we are root, and list nothing. */
const directoryMode = 0o711;

/**
 * Makes the directory of everything this installation keeps. Its secrets are files that our own user alone can read.
 * @throws ConfigError when it cannot be made or written.
 */
export function openDataDirectory(path: string): string {
  const directory = resolve(path);
  try {
    mkdirSync(directory, { recursive: true, mode: directoryMode });
    accessSync(directory, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new ConfigError(`MONO_DATA_DIR: ${path} cannot be used (${code}); allowed: a directory that we may write`);
  }
  return directory;
}

/** Where the embedded database lives. */
export function embeddedDirectory(directory: string): string {
  return join(directory, 'postgres');
}

/** Where the key-encryption key lives that was not given to us. */
export function kekFileOf(directory: string): string {
  return join(directory, 'kek');
}

/**
 * The key-encryption key: MONO_KEK when it is set; else the one in the data directory, made at the first start.
 * @throws ConfigError when it cannot be read, or would be a second one for a database that is there.
 */
export function openKek(
  env: Readonly<Record<string, string | undefined>>,
  directory: string,
  runtime: Runtime,
): Uint8Array {
  const path = kekFileOf(directory);
  try {
    if (env.MONO_KEK || env.MONO_KEK_FILE) return readKek(env);
    if (!existsSync(path)) {
      if (existsSync(embeddedDirectory(directory))) {
        throw new Error(
          `MONO_KEK: is not set, and ${directory} has a database; allowed: the key that it was set up with`,
        );
      }
      keepSecret(path, base64url(runtime.randomBytes(kekBytes)));
    }
    return readKek({ MONO_KEK_FILE: path });
  } catch (error) {
    // The file is ours: whoever did not name it knows the directory.
    const blamed = env.MONO_KEK_FILE ? 'MONO_KEK_FILE' : 'MONO_DATA_DIR';
    throw new ConfigError((error as Error).message.replace(/^MONO_KEK_FILE/, blamed));
  }
}

/**
 * Keeps `text` in a file that our own user alone can read, unless there is one already. The file appears whole, on the
 * disk, or not at all; of several starts at once one has its text kept.
 * @returns the text that is kept.
 */
export function keepSecret(path: string, text: string): string {
  const work = mkdtempSync(join(dirname(path), '.keep-'));
  try {
    const draft = join(work, 'file');
    const file = openSync(draft, 'wx', 0o600);
    writeSync(file, `${text}\n`);
    fsyncSync(file);
    closeSync(file);
    linkSync(draft, path);
    syncDirectory(dirname(path));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return readFileSync(path, 'utf8').trimEnd();
}

/** A new name is safe only when its directory is. */
function syncDirectory(path: string): void {
  const directory = openSync(path, 'r');
  fsyncSync(directory);
  closeSync(directory);
}
