import pino, { type Logger } from 'pino';

/** Values that never reach a log line, whatever object they hide in. */
const redacted = [
  '*.password',
  '*.token',
  '*.authorization',
  '*.cookie',
  'req.headers.authorization',
  'req.headers.cookie',
];

/** Causes told of one error: a chain that is longer says nothing more, or has no end. */
const causesMax = 5;

/** The log of a process: JSON lines on stderr. A reader that has gone takes our words, not our process. */
export function openLog(): Logger {
  const destination = pino.destination({ fd: 2, sync: true });
  destination.on('error', () => {});
  return pino({ level: 'info', redact: redacted, serializers: { err: (error: unknown) => told(error) } }, destination);
}

/** What an error says. Nothing else that hangs on it is told: with errors of `pg` that is a whole connection, keys and all. */
function told(error: unknown, causesLeft = causesMax): unknown {
  if (!(error instanceof Error)) return String(error);
  const { name: type, message, stack, cause } = error;
  return {
    ...{ type, message, stack },
    ...('code' in error && { code: String(error.code) }),
    ...(error instanceof AggregateError && { errors: error.errors.slice(0, causesMax).map((each) => told(each, 0)) }),
    ...(cause !== undefined && causesLeft > 0 && { cause: told(cause, causesLeft - 1) }),
  };
}
