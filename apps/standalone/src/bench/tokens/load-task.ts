/** A request for a token: always a POST, of a form where its headers do not say otherwise. */
export interface LoadRequest {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Of the body; default `utf8`. */
  readonly encoding?: 'utf8' | 'base64';
}

/** A private key as a JSON Web Key (RFC 7517). */
export type PrivateJwk = JsonWebKey & { readonly kid: string };

/** How the generator makes requests that may be sent once each: by signing an assertion for every one before the round. */
export interface AssertionTask {
  readonly clientId: string;
  readonly audience: string;
  readonly privateJwk: PrivateJwk;
  /** How many are signed; the round ends when they are used up. */
  readonly count: number;
}

/** One line of the generator's stdin: one round. */
export interface LoadTask {
  readonly host: string;
  readonly port: number;
  readonly connections: number;
  readonly roundMs: number;
  /** Sent in turn, over and over; or a file that holds them as JSON. */
  readonly requests: readonly LoadRequest[] | string;
  /** Each request once: the round ends with the last of them. */
  readonly once?: true;
  /** Adds an assertion to the form of each request, and sends none twice. */
  readonly assertions?: AssertionTask;
}

/** One line of the generator's stdout. */
export interface LoadResult {
  readonly answered: number;
  readonly elapsedMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Answers that are not 2xx, and connections that broke. */
  readonly failures: number;
  readonly firstFailure: string | undefined;
  /** The body of a good answer. */
  readonly sample: string;
}
