import { redisUrlFault } from '@mono-auth/cache';
import { databaseUrlFault } from '@mono-auth/database';
import { readKek } from '@mono-auth/keys';
import { baseUrlFault } from '@mono-auth/tenants/base-url';
import * as z from 'zod';

/** A value that stops the start: one line that says which variable, why, and what is allowed. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/** A text that a worker cannot do without, and whose rule stands where the thing itself does. */
const required = (fault: (text: string) => string | undefined) =>
  z
    .string()
    .default('')
    .superRefine((text, context) => {
      const message = text === '' ? fault(text)?.replace(/^[^;]+/, 'is not set') : fault(text);
      if (message) context.addIssue({ code: 'custom', message });
    });

const optional = (fault: (text: string) => string | undefined) =>
  z
    .string()
    .superRefine((text, context) => {
      const message = text === '' ? undefined : fault(text);
      if (message) context.addIssue({ code: 'custom', message });
    })
    .transform((text) => (text === '' ? undefined : text))
    .optional();

const schema = z.object({
  MONO_DATABASE_URL: required(databaseUrlFault),
  MONO_REDIS_URL: optional(redisUrlFault),
  MONO_BASE_URL: required(baseUrlFault),
});

export interface WorkerConfig {
  readonly databaseUrl: string;
  readonly redisUrl: string | undefined;
  /** What the issuers of the tenants start with. */
  readonly baseUrl: string;
  /** Key-encryption key, 32 bytes. */
  readonly kek: Uint8Array;
}

/**
 * Reads the configuration from the environment alone. The key-encryption key must be given: a worker never makes one.
 * @throws ConfigError on the first bad value; the value itself, which may be a secret, is not repeated.
 */
export function readConfig(env: Readonly<Record<string, string | undefined>>): WorkerConfig {
  const result = schema.safeParse(env);
  if (!result.success) {
    const issue = result.error.issues[0];
    throw new ConfigError(`${String(issue?.path[0])}: ${issue?.message}`);
  }
  const { MONO_DATABASE_URL, MONO_REDIS_URL, MONO_BASE_URL } = result.data;
  return { databaseUrl: MONO_DATABASE_URL, redisUrl: MONO_REDIS_URL, baseUrl: MONO_BASE_URL, kek: kekOf(env) };
}

function kekOf(env: Readonly<Record<string, string | undefined>>): Uint8Array {
  try {
    return readKek(env);
  } catch (error) {
    throw new ConfigError((error as Error).message);
  }
}
