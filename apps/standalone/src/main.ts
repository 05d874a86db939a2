import { ConfigError, readConfig } from '@mono-auth/control-plane';
import { openLog, runWorkerProcess } from '@mono-auth/worker';
import type { Logger } from 'pino';
import { onStopRequest } from './launcher-watch.ts';
import { siblingVariable } from './processes/sibling-environment.ts';
import { runSibling } from './processes/start-sibling.ts';
import { type Standalone, startStandalone } from './start-standalone.ts';

/** A stop that takes longer than draining and a database's last checkpoint hangs: whoever waits would kill us. */
const stopMsMax = 15_000;

/** Why a stop was asked for, and whether that was wished. */
interface StopRequest {
  readonly why: string;
  readonly exitCode: number;
}

async function main(): Promise<number> {
  const log = openLog();
  // A closed terminal takes our words, not our stop.
  process.stdout.on('error', () => {});
  const stop = Promise.withResolvers<StopRequest>();
  const interrupted = new AbortController();
  stop.promise.then((request) => {
    interrupted.abort(request);
    endAfter(stopMsMax, log);
  });
  onStopRequest((why) => stop.resolve({ why, exitCode: 0 }));
  // After a defect nobody waits for, our state is unknown: told, and ended in order, instead of living on by half.
  for (const event of ['unhandledRejection', 'uncaughtException'] as const) {
    process.on(event, (err: unknown) => {
      log.fatal({ err }, event);
      stop.resolve({ why: event, exitCode: 1 });
    });
  }

  const config = readConfig(process.env);
  if (config.MONO_ROLE === 'worker') {
    const worked = await runWorkerProcess(
      process.env,
      stop.promise.then(({ why }) => why),
    );
    return worked || exitCodeOf(interrupted.signal);
  }
  const sibling = process.env[siblingVariable];
  if (sibling) return runSibling({ config, env: process.env, number: Number(sibling), log }, stop.promise);
  let server: Standalone;
  try {
    server = await startStandalone({ config, env: process.env, log, signal: interrupted.signal });
  } catch (error) {
    if (error === interrupted.signal.reason) return exitCodeOf(interrupted.signal);
    throw error;
  }
  announce(server, config.MONO_BOOTSTRAP_PASSWORD !== undefined);
  const { why, exitCode } = await stop.promise;
  log.info({ why }, 'stopping');
  await server.stop();
  return exitCode;
}

function exitCodeOf(signal: AbortSignal): number {
  return signal.aborted ? (signal.reason as StopRequest).exitCode : 0;
}

function endAfter(delayMs: number, log: Logger): void {
  setTimeout(() => {
    log.fatal('the stop took too long');
    process.exit(1);
  }, delayMs).unref();
}

/** What the person who starts us needs to know, on stdout; the log goes to stderr. */
function announce({ baseUrl, firstOperator }: Standalone, chosen: boolean): void {
  process.stdout.write(`Mono-Auth serves on ${baseUrl}\n`);
  if (!firstOperator) return;
  const { signInPath, email } = firstOperator;
  const password = chosen ? 'with the password you chose' : `with the password ${firstOperator.password}`;
  process.stdout.write(`Sign in at ${baseUrl}${signInPath} as ${email} ${password} (shown once)\n`);
}

try {
  process.exit(await main());
} catch (error) {
  // A setting is for the person who set it, in one line; anything else is ours, and needs its trace.
  const known = error instanceof ConfigError;
  process.stderr.write(
    known ? `mono-auth: ${error.message}\n` : `mono-auth: the start failed: ${Bun.inspect(error)}\n`,
  );
  process.exit(known ? 2 : 1);
}
