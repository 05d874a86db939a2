import { Code, ConnectError } from '@connectrpc/connect';
import { type Reason, Refusal, refusals } from '@mono-auth/core/errors';
import { ErrorInfoSchema, RetryInfoSchema } from '@mono-auth/proto/google/rpc/error_details';

/** `error_info.domain` of every refusal of the control plane. */
const domain = 'monoauth';

/**
 * What an error of a Connect code means when it carries no reason: something between us and the control plane answered.
 * https://connectrpc.com/docs/protocol#error-codes
 */
const reasonsByCode: Partial<Record<Code, Reason>> = {
  [Code.InvalidArgument]: 'invalid_request',
  [Code.Unauthenticated]: 'not_authenticated',
  [Code.PermissionDenied]: 'denied',
  [Code.NotFound]: 'not_found',
  [Code.Unimplemented]: 'unimplemented',
  [Code.ResourceExhausted]: 'rate_limited',
  [Code.DeadlineExceeded]: 'deadline_exceeded',
  [Code.Unavailable]: 'unavailable',
  [Code.OutOfRange]: 'reset_required',
};

/** OAuth error codes (RFC 6749 §5.2, RFC 8693 §2.2.2, RFC 8628 §3.5) as reasons, for servers that name no reason. */
const reasonsByOAuthError: Readonly<Record<string, Reason>> = {
  invalid_request: 'invalid_request',
  invalid_scope: 'invalid_scope',
  unsupported_grant_type: 'unsupported_grant_type',
  unauthorized_client: 'unauthorized_client',
  invalid_token: 'not_authenticated',
  invalid_client: 'invalid_client',
  invalid_grant: 'invalid_grant',
  invalid_target: 'invalid_target',
  access_denied: 'denied',
  insufficient_scope: 'insufficient_scope',
  authorization_pending: 'pending_approval',
  slow_down: 'rate_limited',
  temporarily_unavailable: 'unavailable',
  server_error: 'internal',
};

function isReason(text: unknown): text is Reason {
  return typeof text === 'string' && Object.hasOwn(refusals, text);
}

/** Turns whatever a call threw back into the refusal that the server meant. */
export function refusalOf(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  if (error instanceof ConnectError) return refusalOfRpc(error);
  // fetch rejects with a TypeError when nobody answered, and with the signal's reason when it was aborted.
  if (error instanceof TypeError) return new Refusal('unavailable', 'the server cannot be reached', { cause: error });
  if (error instanceof Error && error.name === 'TimeoutError') {
    return new Refusal('deadline_exceeded', 'the server did not answer in time', { cause: error });
  }
  return new Refusal('internal', 'internal error', { cause: error });
}

function refusalOfRpc(error: ConnectError): Refusal {
  const reason = error.findDetails(ErrorInfoSchema).find((info) => info.domain === domain)?.reason;
  if (isReason(reason)) {
    const delay = error.findDetails(RetryInfoSchema)[0]?.retryDelay;
    const retryAfterMs = delay && Number(delay.seconds) * 1000 + Math.floor(delay.nanos / 1e6);
    return new Refusal(reason, error.rawMessage, {
      cause: error,
      ...(retryAfterMs !== undefined && { retryAfterMs }),
    });
  }
  // Connect wraps what fetch threw; a connection that was refused or broken comes as Unknown or Internal then.
  if (error.cause instanceof Error && !(error.cause instanceof ConnectError)) {
    return new Refusal('unavailable', 'the server cannot be reached', { cause: error });
  }
  return new Refusal(reasonsByCode[error.code] ?? 'internal', error.rawMessage, { cause: error });
}

/** The refusal in an error answer of an OAuth endpoint (RFC 6749 §5.2); `reason` is our own addition to it. */
export function refusalOfOAuth(status: number, body: unknown): Refusal {
  const { reason, error, error_description } = (typeof body === 'object' && body !== null ? body : {}) as Record<
    string,
    unknown
  >;
  const detail = typeof error_description === 'string' ? error_description : `the server answered ${status}`;
  if (isReason(reason)) return new Refusal(reason, detail);
  const known = typeof error === 'string' ? reasonsByOAuthError[error] : undefined;
  return new Refusal(known ?? reasonOfStatus(status), detail);
}

function reasonOfStatus(status: number): Reason {
  if (status === 429) return 'rate_limited';
  if (status >= 500) return 'unavailable';
  const reasons: Readonly<Record<number, Reason>> = { 401: 'not_authenticated', 403: 'denied', 404: 'not_found' };
  return reasons[status] ?? 'invalid_request';
}
