import { type FileHandle, open, rm } from 'node:fs/promises';
import { Refusal } from '@mono-auth/core/errors';

/**
 * Fills a new file that its owner alone can read. Never an old one, which may be evidence or somebody's trap; opened
 * before anything is asked of the server, so that an answer is not lost for want of a place; removed when it stays unfinished.
 * @throws Refusal `already_exists`, or `invalid_request` when it cannot be made.
 */
export async function fillNewFile<T>(path: string, fill: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await open(path, 'wx', 0o600).catch((cause: NodeJS.ErrnoException) => {
    throw new Refusal(cause.code === 'EEXIST' ? 'already_exists' : 'invalid_request', `${path}: ${cause.code}`, {
      cause,
    });
  });
  try {
    const filled = await fill(file);
    await file.sync();
    await file.close();
    return filled;
  } catch (error) {
    await file.close().catch(() => undefined);
    await rm(path, { force: true });
    throw error;
  }
}
