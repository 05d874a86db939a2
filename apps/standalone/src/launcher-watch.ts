/**
 * Calls `stop` once: on SIGTERM, SIGINT, SIGHUP, or when the launcher that started us is gone. The launcher
 * (infra/start.mjs) holds our stdin open and never writes; its end is the only trace a `kill -9` of it leaves.
 */
export function onStopRequest(stop: (why: string) => void): void {
  let stopping = false;
  const once = (why: string) => {
    if (stopping) return;
    stopping = true;
    stop(why);
  };
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => once(signal));
  if (process.env.MONO_LAUNCHER === '1') {
    process.stdin.on('end', () => once('the launcher is gone'));
    process.stdin.on('error', () => once('the launcher is gone'));
    process.stdin.resume();
  }
}
