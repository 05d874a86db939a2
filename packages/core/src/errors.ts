/**
 * The one closed table of refusals. A reason is stable: clients switch on it.
 * Columns: Connect code · OAuth error · HTTP status · CLI exit code · safe to retry.
 * Encoders that turn a row into bytes live in `transport` alone.
 */
export const refusals = {
  invalid_request: { connect: 'invalid_argument', oauth: 'invalid_request', http: 400, exit: 2, retry: false },
  invalid_scope: { connect: 'invalid_argument', oauth: 'invalid_scope', http: 400, exit: 2, retry: false },
  unsupported_grant_type: {
    connect: 'invalid_argument',
    oauth: 'unsupported_grant_type',
    http: 400,
    exit: 2,
    retry: false,
  },
  unauthorized_client: {
    connect: 'permission_denied',
    oauth: 'unauthorized_client',
    http: 400,
    exit: 5,
    retry: false,
  },
  not_authenticated: { connect: 'unauthenticated', oauth: 'invalid_token', http: 401, exit: 4, retry: false },
  invalid_client: { connect: 'unauthenticated', oauth: 'invalid_client', http: 401, exit: 4, retry: false },
  denied: { connect: 'permission_denied', oauth: 'access_denied', http: 403, exit: 5, retry: false },
  insufficient_scope: { connect: 'permission_denied', oauth: 'insufficient_scope', http: 403, exit: 5, retry: false },
  not_found: { connect: 'not_found', oauth: 'invalid_request', http: 404, exit: 3, retry: false },
  unimplemented: { connect: 'unimplemented', oauth: 'invalid_request', http: 404, exit: 2, retry: false },
  invalid_grant: { connect: 'failed_precondition', oauth: 'invalid_grant', http: 400, exit: 1, retry: false },
  // RFC 9470 §3: with `max_age` or `acr_values`, which the client takes to its identity provider.
  insufficient_user_authentication: {
    connect: 'failed_precondition',
    oauth: 'insufficient_user_authentication',
    http: 400,
    exit: 4,
    retry: false,
  },
  invalid_target: { connect: 'invalid_argument', oauth: 'invalid_target', http: 400, exit: 2, retry: false },
  invalid_dpop_proof: {
    connect: 'unauthenticated',
    oauth: 'invalid_dpop_proof',
    http: 400,
    exit: 4,
    retry: false,
  },
  use_dpop_nonce: { connect: 'unauthenticated', oauth: 'use_dpop_nonce', http: 400, exit: 4, retry: false },
  // Attestation-based client authentication §7.4; the second with a challenge in its header.
  invalid_client_attestation: {
    connect: 'unauthenticated',
    oauth: 'invalid_client_attestation',
    http: 400,
    exit: 4,
    retry: false,
  },
  use_attestation_challenge: {
    connect: 'unauthenticated',
    oauth: 'use_attestation_challenge',
    http: 400,
    exit: 4,
    retry: false,
  },
  use_fresh_attestation: {
    connect: 'unauthenticated',
    oauth: 'use_fresh_attestation',
    http: 400,
    exit: 4,
    retry: false,
  },
  authorization_pending: {
    connect: 'failed_precondition',
    oauth: 'authorization_pending',
    http: 400,
    exit: 6,
    retry: false,
  },
  slow_down: { connect: 'resource_exhausted', oauth: 'slow_down', http: 400, exit: 9, retry: false },
  expired_token: { connect: 'failed_precondition', oauth: 'expired_token', http: 400, exit: 1, retry: false },
  authorization_denied: { connect: 'permission_denied', oauth: 'access_denied', http: 400, exit: 5, retry: false },
  unsupported_token_type: {
    connect: 'invalid_argument',
    oauth: 'unsupported_token_type',
    http: 400,
    exit: 2,
    retry: false,
  },
  unsupported_response_type: {
    connect: 'invalid_argument',
    oauth: 'unsupported_response_type',
    http: 400,
    exit: 2,
    retry: false,
  },
  request_not_supported: {
    connect: 'invalid_argument',
    oauth: 'request_not_supported',
    http: 400,
    exit: 2,
    retry: false,
  },
  request_uri_not_supported: {
    connect: 'invalid_argument',
    oauth: 'request_uri_not_supported',
    http: 400,
    exit: 2,
    retry: false,
  },
  invalid_request_uri: {
    connect: 'invalid_argument',
    oauth: 'invalid_request_uri',
    http: 400,
    exit: 2,
    retry: false,
  },
  login_required: { connect: 'failed_precondition', oauth: 'login_required', http: 400, exit: 4, retry: false },
  consent_required: { connect: 'failed_precondition', oauth: 'consent_required', http: 400, exit: 6, retry: false },
  invalid_redirect_uri: {
    connect: 'invalid_argument',
    oauth: 'invalid_redirect_uri',
    http: 400,
    exit: 2,
    retry: false,
  },
  invalid_client_metadata: {
    connect: 'invalid_argument',
    oauth: 'invalid_client_metadata',
    http: 400,
    exit: 2,
    retry: false,
  },
  unapproved_software_statement: {
    connect: 'invalid_argument',
    oauth: 'unapproved_software_statement',
    http: 400,
    exit: 2,
    retry: false,
  },
  invite_used: { connect: 'failed_precondition', oauth: 'invalid_grant', http: 409, exit: 7, retry: false },
  already_exists: { connect: 'already_exists', oauth: 'invalid_request', http: 409, exit: 7, retry: false },
  stale_version: { connect: 'aborted', oauth: 'invalid_request', http: 409, exit: 7, retry: false },
  pending_approval: {
    connect: 'failed_precondition',
    oauth: 'authorization_pending',
    http: 409,
    exit: 6,
    retry: false,
  },
  too_large: { connect: 'resource_exhausted', oauth: 'invalid_request', http: 413, exit: 2, retry: false },
  budget_exhausted: { connect: 'resource_exhausted', oauth: 'slow_down', http: 429, exit: 9, retry: true },
  rate_limited: { connect: 'resource_exhausted', oauth: 'slow_down', http: 429, exit: 9, retry: true },
  deadline_exceeded: {
    connect: 'deadline_exceeded',
    oauth: 'temporarily_unavailable',
    http: 504,
    exit: 9,
    retry: true,
  },
  audit_unavailable: { connect: 'unavailable', oauth: 'temporarily_unavailable', http: 503, exit: 9, retry: true },
  feed_stale: { connect: 'unavailable', oauth: 'temporarily_unavailable', http: 503, exit: 9, retry: true },
  unavailable: { connect: 'unavailable', oauth: 'temporarily_unavailable', http: 503, exit: 9, retry: true },
  // Another proof over another nonce will do: RFC 9449 §8 has the OAuth error.
  use_new_nonce: { connect: 'aborted', oauth: 'use_dpop_nonce', http: 400, exit: 9, retry: true },
  reset_required: { connect: 'out_of_range', oauth: 'invalid_request', http: 410, exit: 9, retry: false },
  verification_failed: { connect: 'data_loss', oauth: 'invalid_request', http: 422, exit: 8, retry: false },
  internal: { connect: 'internal', oauth: 'server_error', http: 500, exit: 1, retry: false },
} as const satisfies Record<string, RefusalRow>;

export interface RefusalRow {
  /** Connect code name in snake_case (https://connectrpc.com/docs/protocol#error-codes). */
  connect: string;
  /** OAuth 2.0 error code (RFC 6749 §5.2, RFC 6750 §3.1, RFC 8693 §2.2.2, RFC 8628 §3.5, RFC 9449 §8). */
  oauth: string;
  http: number;
  exit: number;
  retry: boolean;
}

export type Reason = keyof typeof refusals;

export interface RefusalOptions {
  /** What really happened. Logged, never shown. */
  cause?: unknown;
  /** For retryable reasons: how long the caller should wait, milliseconds. */
  retryAfterMs?: number;
  /** The nonce that a DPoP proof should carry (RFC 9449 §8). */
  dpopNonce?: string;
  /** The challenge that the proof of a client's instance should carry (attestation-based client authentication §6.1). */
  attestationChallenge?: string;
  /** How the person should sign in again (RFC 9470 §3). */
  stepUp?: StepUp;
}

/** RFC 9470 §3. */
export interface StepUp {
  readonly maxAgeSeconds?: number;
  readonly acrValues?: readonly string[];
}

/** The only error that domain code throws on purpose. `detail` is public; `cause` is only logged. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly reason: Reason;
  readonly detail: string;
  readonly retryAfterMs: number | undefined;
  readonly dpopNonce: string | undefined;
  readonly attestationChallenge: string | undefined;
  readonly stepUp: StepUp | undefined;

  constructor(reason: Reason, detail: string, options: RefusalOptions = {}) {
    super(`${reason}: ${detail}`, { cause: options.cause });
    this.reason = reason;
    this.detail = detail;
    this.retryAfterMs = options.retryAfterMs;
    this.dpopNonce = options.dpopNonce;
    this.attestationChallenge = options.attestationChallenge;
    this.stepUp = options.stepUp;
  }

  get row(): RefusalRow {
    return refusals[this.reason];
  }
}

/** Another tenant's object and one that never was are answered alike (law 5). */
export function notFound(what: string): Refusal {
  return new Refusal('not_found', `${what} not found`);
}

/** Turns anything thrown into a Refusal; what is unknown becomes `internal` with its message withheld. */
export function asRefusal(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  return new Refusal('internal', 'internal error', { cause: error });
}
