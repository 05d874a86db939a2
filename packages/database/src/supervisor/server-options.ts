import { SupervisorError } from './supervisor-error.ts';

/** The local server of one machine's one process; what it must always be comes last and cannot be overridden. */
const defaults: Record<string, string> = {
  max_connections: '100',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_line_prefix: '%m [%p] ',
};

const fixed: Record<string, string> = {
  // Only this machine, only by password: a Unix socket would need a short path that both accounts can reach.
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
};

const parameterName = /^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?$/;

/** Parameters as options for `postgres`, quoted for the shell that pg_ctl starts it with. */
export function serverOptions(settings: Record<string, string>): string {
  for (const [name, value] of Object.entries(settings)) {
    if (!parameterName.test(name) || name in fixed || name === 'port') {
      throw new SupervisorError(`"${name}" is no PostgreSQL parameter that can be set here`);
    }
    if (/[\0\n\r]/.test(value)) throw new SupervisorError(`the value of PostgreSQL parameter ${name} must be one line`);
  }
  return Object.entries({ ...defaults, ...settings, ...fixed })
    .map(([name, value]) => `-c ${name}=${shellQuoted(value)}`)
    .join(' ');
}

/** POSIX shell: within single quotes only the quote itself means anything. */
function shellQuoted(value: string): string {
  return `'${value.replaceAll("'", `'\\''`)}'`;
}
