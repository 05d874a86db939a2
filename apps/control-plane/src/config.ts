import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { redisUrlFault } from '@mono-auth/cache';
import { databaseUrlFault } from '@mono-auth/database';
import { baseUrlFault, isLoopback } from '@mono-auth/tenants/base-url';
import * as z from 'zod';

/** Where the server listens: host and port, port 0 for a free one. */
export interface Listen {
  readonly host: string;
  readonly port: number;
}

/** A value that stops the start: one line that says which variable, why, and what is allowed. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

type Environment = Readonly<Record<string, string | undefined>>;

const portMax = 65_535;

const listen = z.string().transform((text, context): Listen => {
  const match = /^(\[[0-9a-f:]+\]|[A-Za-z0-9.-]+):(\d{1,5})$/.exec(text);
  const port = Number(match?.[2]);
  if (match && port <= portMax) return { host: (match[1] as string).replace(/^\[|\]$/g, ''), port };
  context.addIssue({
    code: 'custom',
    message: `is not host:port; allowed: an address and a port up to ${portMax}, as in 127.0.0.1:8420 or [::1]:8420`,
  });
  return z.NEVER;
});

const prefixMax = { 4: 32, 6: 128 } as const;

function isNetwork(text: string): boolean {
  const [, address = '', prefix] = /^([0-9A-Fa-f.:]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const family = isIP(address);
  return family !== 0 && (prefix === undefined || Number(prefix) <= prefixMax[family as 4 | 6]);
}

/** A text whose rule stands where the thing itself does. */
const checked = (fault: (text: string) => string | undefined) =>
  z.string().superRefine((text, context) => {
    const message = fault(text);
    if (message) context.addIssue({ code: 'custom', message });
  });

/** NIST SP 800-63B section 3.1.1.2 asks for no more than 15; the upper bound is what Argon2id is given to hash. */
const passwordChars = { min: 12, max: 128 } as const;
const passwordAllowed = `allowed: ${passwordChars.min} to ${passwordChars.max} characters`;
/** RFC 5321 section 4.5.3.1.3: a path of 256, less its angle brackets. */
const emailCharsMax = 254;

/** Each has pools of connections of its own, and Postgres admits 100 by default. */
const processesMax = 8;

const schema = z.object({
  MONO_ROLE: z
    .enum(['standalone', 'worker'], { message: 'is not a role that runs by itself; allowed: standalone, worker' })
    .default('standalone'),
  MONO_PROCESSES: z
    .string()
    .regex(/^[1-8]$/, { message: `is no number of processes; allowed: 1 to ${processesMax}` })
    .transform(Number)
    .prefault('1'),
  MONO_LISTEN: listen.prefault('127.0.0.1:8420'),
  MONO_GRPC_LISTEN: listen.prefault('127.0.0.1:8421'),
  MONO_ADMIN_LISTEN: listen.prefault('127.0.0.1:8422'),
  MONO_BASE_URL: checked(baseUrlFault).optional(),
  MONO_DATABASE_URL: checked(databaseUrlFault).optional(),
  MONO_REDIS_URL: checked(redisUrlFault).optional(),
  MONO_CLIENT_CERT_HEADER: z
    .string()
    .regex(/^[A-Za-z][A-Za-z0-9-]{0,63}$/, {
      message: 'is not a header name; allowed: letters, digits and hyphens, 64 at most',
    })
    .transform((name) => name.toLowerCase())
    .optional(),
  MONO_TRUSTED_PROXIES: z
    .string()
    .transform((text) => text.split(',').map((part) => part.trim()))
    .refine((proxies) => proxies.every(isNetwork), {
      message: 'is not a list of networks; allowed: addresses or CIDR blocks separated by commas, as in 10.0.0.0/8,::1',
    })
    .default([]),
  MONO_DATA_DIR: z.string().default('.mono'),
  MONO_BOOTSTRAP_EMAIL: z
    .email({ message: 'is not an e-mail address; allowed: for example operator@example.com' })
    .max(emailCharsMax, { message: `is too long; allowed: at most ${emailCharsMax} characters` })
    .default('operator@mono.localhost'),
  MONO_BOOTSTRAP_PASSWORD: z
    .string()
    .min(passwordChars.min, { message: `is too short; ${passwordAllowed}` })
    .max(passwordChars.max, { message: `is too long; ${passwordAllowed}` })
    .optional(),
});

export type Config = z.output<typeof schema>;

/**
 * Reads the configuration from the environment alone.
 * @throws ConfigError on the first bad value; the value itself, which may be a secret, is not repeated.
 */
export function readConfig(env: Environment): Config {
  const given = withPasswordFile(withoutEmpty(env));
  const result = schema.safeParse(given.env);
  if (!result.success) {
    const issue = result.error.issues[0];
    const variable = String(issue?.path[0]);
    throw new ConfigError(`${given.readFrom.get(variable) ?? variable}: ${issue?.message}`);
  }
  const { MONO_BASE_URL, MONO_LISTEN } = result.data;
  if (MONO_BASE_URL === undefined && !isLoopback(MONO_LISTEN.host)) {
    throw new ConfigError(
      'MONO_BASE_URL: is not set, and MONO_LISTEN is not on loopback; allowed: the address that people and services use',
    );
  }
  requireOwnPorts(result.data);
  requireProxies(result.data);
  return result.data;
}

/** A header that nobody is trusted with would only look as if certificates counted. */
function requireProxies({ MONO_CLIENT_CERT_HEADER, MONO_TRUSTED_PROXIES }: Config): void {
  if (MONO_CLIENT_CERT_HEADER !== undefined && MONO_TRUSTED_PROXIES.length === 0) {
    throw new ConfigError(
      'MONO_TRUSTED_PROXIES: is not set, and MONO_CLIENT_CERT_HEADER is; allowed: the addresses of the proxies that write it',
    );
  }
}

/** Port 0 is another free one each time. */
function requireOwnPorts(config: Config): void {
  const taken = new Map<string, string>();
  for (const variable of ['MONO_LISTEN', 'MONO_GRPC_LISTEN', 'MONO_ADMIN_LISTEN'] as const) {
    const { host, port } = config[variable];
    const other = taken.get(`${host} ${port}`);
    if (other && port !== 0) {
      throw new ConfigError(`${variable}: is the same as ${other}; allowed: an address and port of its own`);
    }
    taken.set(`${host} ${port}`, variable);
  }
}

/** An empty variable is an absent one, as shells and compose files leave it. */
function withoutEmpty(env: Environment): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
}

/** The password by file, and which variable a fault of it is to be blamed on. */
function withPasswordFile(env: Record<string, string | undefined>): {
  env: Environment;
  readFrom: ReadonlyMap<string, string>;
} {
  const [variable, fileVariable] = ['MONO_BOOTSTRAP_PASSWORD', 'MONO_BOOTSTRAP_PASSWORD_FILE'] as const;
  const path = env[fileVariable];
  if (path === undefined) return { env, readFrom: new Map() };
  if (env[variable] !== undefined) {
    throw new ConfigError(`${variable}: is set, and ${fileVariable} too; allowed: one of them`);
  }
  try {
    const password = readFileSync(path, 'utf8').trimEnd();
    return { env: { ...env, [variable]: password }, readFrom: new Map([[variable, fileVariable]]) };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new ConfigError(`${fileVariable}: ${path} cannot be read (${code}); allowed: a file that holds the password`);
  }
}
