import type { Logger } from 'pino';

interface SiblingsDeps {
  /** How many besides this process. */
  readonly count: number;
  readonly log: Logger;
  /** The environment of the process of this number, from 2 on. */
  environmentOf(number: number): Record<string, string | undefined>;
}

export interface Siblings {
  /** Why not all of them serve; empty when they do. */
  failures(): string[];
  /** Resolves when all serve. */
  readonly ready: Promise<void>;
  stop(): Promise<void>;
}

/** What a process says once it serves. */
export const readyMessage = 'ready';

/** Pause before a process that ended is started again, milliseconds: one that cannot start must not use up the machine. */
const pauseMs = 1_000;
/** Longest wait for a process that was asked to stop, milliseconds: its draining and some more. */
const stopMsMax = 6_000;

/** Processes that share our ports. One that ends is started again; when we end, however, so do they. */
export function startSiblings({ count, log, environmentOf }: SiblingsDeps): Siblings {
  const children = new Map<number, { process: Bun.Subprocess; ready: boolean }>();
  const allReady = Promise.withResolvers<void>();
  let stopping = false;
  const start = (number: number): void => {
    const child = Bun.spawn([process.execPath, Bun.main], {
      env: environmentOf(number),
      stdio: ['pipe', 'inherit', 'inherit'],
      ipc(message) {
        if (message !== readyMessage) return;
        const entry = children.get(number);
        if (entry) entry.ready = true;
        if ([...children.values()].every(({ ready }) => ready)) allReady.resolve();
      },
    });
    children.set(number, { process: child, ready: false });
    void child.exited.then(async (exitCode) => {
      if (stopping) return;
      log.error({ process: number, exitCode }, 'a process ended: it is started again');
      children.set(number, { process: child, ready: false });
      await Bun.sleep(pauseMs);
      if (!stopping) start(number);
    });
  };
  for (let number = 2; number <= count + 1; number++) start(number);
  if (count === 0) allReady.resolve();
  return {
    ready: allReady.promise,
    failures: () =>
      [...children].flatMap(([number, { ready }]) => (ready ? [] : [`process ${number} does not serve yet`])),
    async stop() {
      stopping = true;
      const ends = [...children.values()].map(async ({ process: child }) => {
        child.kill('SIGTERM');
        await Promise.race([child.exited, Bun.sleep(stopMsMax)]);
        child.kill('SIGKILL');
      });
      await Promise.all(ends);
    },
  };
}
