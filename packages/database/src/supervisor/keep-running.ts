import { systemRuntime } from '@mono-auth/core/runtime';
import type { Placement } from './placement.ts';
import { processStart } from './process-identity.ts';
import { readPostmasterFile } from './server-processes.ts';

/** One small file of /proc is read each time; whoever waits for the database waits longer for its recovery. */
const lookEveryMs = 1_000;
/** First and longest pause before a server that does not start again is tried anew. */
const retryMsMin = 1_000;
const retryMsMax = 30_000;

export interface Keeper {
  /** Looks no longer, and waits for a start under way. */
  stop(): Promise<void>;
}

/**
 * Starts the server again whenever its postmaster has ended without us: killed by somebody, or for want of memory.
 * PostgreSQL itself does the same for its other processes.
 */
export function keepRunning(
  placement: Placement,
  startAgain: () => Promise<void>,
  warn: (line: string) => void,
): Keeper {
  let identity = postmasterIdentity(placement);
  let busy: Promise<void> | undefined;
  let stopped = false;
  const stopRequested = Promise.withResolvers<void>();

  const revive = async (): Promise<void> => {
    warn('PostgreSQL has ended unexpectedly and is started again');
    for (let pauseMs = retryMsMin; !stopped; pauseMs = Math.min(pauseMs * 2, retryMsMax)) {
      try {
        await startAgain();
        identity = postmasterIdentity(placement);
        warn('PostgreSQL runs again');
        return;
      } catch (error) {
        warn((error as Error).message);
        await Promise.race([systemRuntime.sleep(pauseMs), stopRequested.promise]);
      }
    }
  };
  const timer = setInterval(() => {
    // Where we cannot see the process at all, nothing can be told from not seeing it.
    if (busy || identity === undefined || postmasterIdentity(placement) === identity) return;
    busy = revive().finally(() => {
      busy = undefined;
    });
  }, lookEveryMs);
  timer.unref();
  return {
    async stop() {
      stopped = true;
      clearInterval(timer);
      stopRequested.resolve();
      await busy;
    },
  };
}

/** Names the living postmaster; undefined when it does not run. */
function postmasterIdentity(placement: Placement): string | undefined {
  const pid = readPostmasterFile(placement.clusterDir)?.pid;
  const start = pid === undefined ? undefined : processStart(pid);
  return start && `${pid}/${start}`;
}
