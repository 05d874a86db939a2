import { systemRuntime } from '@mono-auth/core/runtime';
import { composeWorker } from './compose.ts';
import { readConfig } from './config.ts';
import { openLog } from './open-log.ts';
import { startFailure } from './start-failure.ts';

/**
 * A worker as a process of its own, until it is asked to stop; then it ends the jobs that run.
 * @param stopRequested resolves with why.
 * @returns the exit code: 0, or 2 when a setting is at fault, of which stderr has the one line.
 * @throws what is neither.
 */
export async function runWorkerProcess(
  env: Readonly<Record<string, string | undefined>>,
  stopRequested: Promise<string>,
): Promise<number> {
  try {
    const config = readConfig(env);
    const log = openLog();
    const worker = await composeWorker({ config, runtime: systemRuntime, log });
    log.info('working');
    log.info({ why: await stopRequested }, 'stopping');
    await worker.stop();
    return 0;
  } catch (error) {
    const line = startFailure(error);
    if (line === undefined) throw error;
    process.stderr.write(`mono-auth worker: ${line}\n`);
    return 2;
  }
}
