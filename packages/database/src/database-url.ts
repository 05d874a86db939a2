/** What MONO_DATABASE_URL may be, in the words of a message. */
const allowedForm = 'allowed: a URL postgres://user:password@host:port/database';
const allowedServer = 'allowed: a Postgres 15 or later that can be reached';

/** Why a text is no URL of a Postgres database, without repeating it (it may hold a password); undefined when it is one. */
export function databaseUrlFault(text: string): string | undefined {
  if (!URL.canParse(text) || !/^postgres(?:ql)?:$/.test(new URL(text).protocol)) {
    return `is no Postgres URL; ${allowedForm}`;
  }
  const { username, password, pathname } = new URL(text);
  try {
    decodeURIComponent(username + password + pathname);
  } catch {
    return `has a % that begins no escape; ${allowedForm}, with % in them as %25`;
  }
  return undefined;
}

/** What Postgres and the network say (https://www.postgresql.org/docs/18/errcodes-appendix.html, errno(3), getaddrinfo(3)). */
const byCode: Readonly<Record<string, string>> = {
  '28P01': 'refuses the user and password; allowed: a login of that database',
  '28000': 'refuses the login; allowed: a login that may connect from here',
  '3D000': 'has no such database; allowed: one that exists',
  '53300': `has no connection left; ${allowedServer}`,
  '57P03': `is starting up or shutting down; ${allowedServer}`,
  ECONNREFUSED: `does not answer: nothing listens there; ${allowedServer}`,
  EHOSTUNREACH: `cannot be reached: there is no way to the host; ${allowedServer}`,
  ENETUNREACH: `cannot be reached: there is no way to the network; ${allowedServer}`,
  ENOTFOUND: `is not known: there is no such host; ${allowedServer}`,
  EAI_AGAIN: `is not known: its name could not be looked up; ${allowedServer}`,
  ETIMEDOUT: `does not answer in time; ${allowedServer}`,
  ECONNRESET: `ends the connection: it may be no Postgres; ${allowedServer}`,
};

/** What pg says in words alone. */
const byMessage: readonly [RegExp, keyof typeof byCode][] = [
  [/timeout expired|timeout exceeded when trying to connect/, 'ETIMEDOUT'],
  [/Connection terminated|unexpected message|parsing|Received unexpected/i, 'ECONNRESET'],
];

/** Why the server of a database could not be used, to follow its name; found under what wraps it; undefined when it is another one. */
export function whyUnreachable(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const code = 'code' in error ? error.code : undefined;
  if (typeof code === 'string' && Object.hasOwn(byCode, code)) return byCode[code];
  for (const [pattern, known] of byMessage) if (pattern.test(error.message)) return byCode[known];
  // A name with several addresses fails once for each of them.
  if (error instanceof AggregateError) return whyUnreachable(error.errors[0]) ?? whyUnreachable(error.cause);
  return whyUnreachable(error.cause);
}
