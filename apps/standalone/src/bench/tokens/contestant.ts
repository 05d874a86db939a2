import type { LoadRequest, LoadTask } from './load-task.ts';

/** What one round of a row sends, besides how long and over how many connections. */
export type Load = Pick<LoadTask, 'requests' | 'assertions'>;

/** One row of the table. */
export interface Contestant {
  readonly name: string;
  readonly server: Served;
  /**
   * Makes the load of a round, outside of the measured time: a subject token that is fresh, assertions that nobody has seen.
   * @param expected how many requests the round will take at most.
   */
  prepare(expected: number): Promise<Load>;
  /** Every request is sent once before anything is measured: what is measured is not what a first request costs. */
  readonly firstLap?: true;
  /** The access token of an answer. */
  tokenOf(body: string): string;
  /** Who may have signed it, each with where its keys are. */
  readonly issuers: Issuers;
}

/** A process that is measured: whose processor time and memory count. */
export interface Served {
  readonly url: URL;
  readonly pid: number;
}

/** Issuer (RFC 8414 §2) → its `jwks_uri`. */
export type Issuers = ReadonlyMap<string, URL>;

export const grants = {
  clientCredentials: 'client_credentials',
  tokenExchange: 'urn:ietf:params:oauth:grant-type:token-exchange',
} as const;
export const accessTokenType = 'urn:ietf:params:oauth:token-type:access_token';

/** Everybody asks for tokens for this service, with this scope. */
export const target = 'https://files.bench.example';
export const scope = 'files:read';

export const askForOwnToken = { grant_type: grants.clientCredentials, resource: target, scope };

/** RFC 8693 §2.1: somebody's token for one that is good at the service. */
export function askToExchange(subjectToken: string): Record<string, string> {
  const subject = { subject_token: subjectToken, subject_token_type: accessTokenType };
  return { grant_type: grants.tokenExchange, ...subject, resource: target, scope };
}

/** RFC 6749 §2.3.1; the ids and secrets here hold nothing that its encoding would change. */
export function basic({ id, secret }: { readonly id: string; readonly secret: string }): Record<string, string> {
  return { authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}` };
}

export function formRequest(
  path: string,
  fields: Readonly<Record<string, string>>,
  headers: Readonly<Record<string, string>> = {},
): LoadRequest {
  return { path, headers, body: new URLSearchParams(fields).toString() };
}

/** RFC 6749 §5.1. */
export function tokenOfForm(body: string): string {
  return (JSON.parse(body) as { access_token: string }).access_token;
}
