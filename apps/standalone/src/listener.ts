import { ConfigError, type Listen } from '@mono-auth/control-plane';
import { Turns } from './turns.ts';

type Handle = (request: Request, ip: string) => Response | Promise<Response>;

export interface Listener {
  readonly port: number;
  /** Hands the port over to the finished server; until then it answers 503. */
  serve(fetch: Handle): void;
  /** Takes no new request, gives those under way `drainMs` to be answered, then ends every connection, streams too. */
  stop(drainMs: number): Promise<void>;
}

/** Longest silence on a connection, seconds: the feed writes every second, everything else ends sooner. */
const idleSeconds = 60;
/** An answer has been handed over when its handler is done; this is for its bytes to leave. */
const flushMs = 100;
const lookEveryMs = 20;

/**
 * Takes the port at once, so that a taken one is known before anything else is started.
 * @param shared with other processes of ours: the system gives each of them connections.
 * @throws ConfigError when it cannot be had.
 */
export function openListener(
  variable: string,
  listen: Listen,
  onError: (error: unknown) => void,
  { shared }: { readonly shared: boolean } = { shared: false },
): Listener {
  let handle = unavailable('starting');
  let answering = 0;
  const turns = new Turns();
  const server = listenOn(variable, listen, {
    idleTimeout: idleSeconds,
    reusePort: shared,
    async fetch(request, self) {
      answering++;
      try {
        const ip = self.requestIP(request)?.address ?? '';
        await turns.end();
        return await handle(request, ip);
      } finally {
        answering--;
      }
    },
    error(error) {
      onError(error);
      return new Response('internal error\n', { status: 500 });
    },
  });
  let stopped: Promise<void> | undefined;
  const stop = async (drainMs: number) => {
    // A connection that is kept open may still bring a request.
    handle = unavailable('stopping');
    const drained = server.stop(false);
    let waitedMs = 0;
    for (; answering > 0 && waitedMs < drainMs; waitedMs += lookEveryMs) await Bun.sleep(lookEveryMs);
    await Promise.race([drained, Bun.sleep(Math.min(flushMs, drainMs - waitedMs))]);
    // What is left are streams, which have no end of their own, and what took too long.
    await server.stop(true);
  };
  return {
    port: server.port as number,
    serve(fetch) {
      handle = fetch;
    },
    stop(drainMs) {
      stopped ??= stop(drainMs);
      return stopped;
    },
  };
}

/**
 * Whether nobody else listens there: a port that is shared would be shared with another installation as well.
 * @throws ConfigError
 */
export async function requireFree(variable: string, listen: Listen): Promise<void> {
  if (listen.port === 0) return;
  await listenOn(variable, listen, { fetch: async () => new Response(), reusePort: false }).stop(true);
}

function unavailable(why: string): Handle {
  const headers = { 'retry-after': '1', connection: 'close' };
  return () => new Response(`${why}\n`, { status: 503, headers });
}

function listenOn(
  variable: string,
  listen: Listen,
  options: Pick<Bun.Serve.HostnamePortServeOptions<undefined>, 'idleTimeout' | 'error' | 'reusePort'> & {
    fetch(request: Request, server: Bun.Server<undefined>): Promise<Response>;
  },
): Bun.Server<undefined> {
  try {
    return Bun.serve({ ...options, hostname: listen.host, port: listen.port });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new ConfigError(
      `${variable}: ${listen.host}:${listen.port} ${whyNot(code)}; allowed: a free address and port`,
    );
  }
}

function whyNot(code: string | undefined): string {
  if (code === 'EADDRINUSE') return 'is taken by another program';
  if (code === 'EADDRNOTAVAIL') return 'is no address of this machine';
  if (code === 'EACCES') return 'may not be used by this user';
  return `cannot be used (${code ?? 'no such address'})`;
}
