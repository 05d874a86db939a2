/** What a peer is told by `BENCH_PEER`: the same client, service and scope for everybody. */
export interface PeerTask {
  readonly clientId: string;
  readonly clientSecret: string;
  readonly target: string;
  readonly scope: string;
  /** For a peer that keeps something. */
  readonly databaseUrl: string;
}

/** The one line that a peer writes when it serves. */
export interface PeerAnswer {
  readonly origin: string;
  readonly tokenPath: string;
  readonly jwksPath: string;
  readonly issuer: string;
  /** Where the peer makes them itself. */
  readonly client: { readonly id: string; readonly secret: string };
}

export function readTask(): PeerTask {
  return JSON.parse(process.env.BENCH_PEER ?? '') as PeerTask;
}

/** How long a token of a peer lives, seconds: longer than a whole run. */
export const tokenTtlSeconds = 3_600;
