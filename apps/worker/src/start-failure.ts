import { whyUnreachable } from '@mono-auth/database';
import { ConfigError } from './config.ts';

/** The same answers of Postgres, where they mean more to a worker: its logins follow from the key, its schema is made elsewhere. */
const byCode: Readonly<Record<string, string>> = {
  '28P01': 'MONO_KEK: the database refuses the logins that follow from it; allowed: the key that it was set up with',
  '42P01': 'MONO_DATABASE_URL: the schema is missing; run the migrations first',
};

/** The one line for a start that failed by its settings; undefined when that is not why. */
export function startFailure(error: unknown): string | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof ConfigError || /^MONO_(?:KEK|REDIS_URL)/.test(cause.message)) return cause.message;
    const code = 'code' in cause ? cause.code : undefined;
    if (typeof code === 'string' && Object.hasOwn(byCode, code)) return byCode[code];
  }
  const why = whyUnreachable(error);
  return why && `MONO_DATABASE_URL: the server ${why}`;
}
