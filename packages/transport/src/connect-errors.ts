import { create } from '@bufbuild/protobuf';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError, type ContextValues, createContextKey, type Interceptor } from '@connectrpc/connect';
import { asRefusal, type Reason, Refusal } from '@mono-auth/core/errors';
import { ErrorInfoSchema, RetryInfoSchema } from '@mono-auth/proto/google/rpc/error_details';
import { asksForProof, attestationChallengeHeader, dpopChallenge } from './challenge.ts';

/** `error_info.domain` of every refusal. */
const domain = 'monoauth';
const codes: Record<string, Code> = {
  invalid_argument: Code.InvalidArgument,
  unauthenticated: Code.Unauthenticated,
  permission_denied: Code.PermissionDenied,
  not_found: Code.NotFound,
  unimplemented: Code.Unimplemented,
  failed_precondition: Code.FailedPrecondition,
  already_exists: Code.AlreadyExists,
  aborted: Code.Aborted,
  resource_exhausted: Code.ResourceExhausted,
  deadline_exceeded: Code.DeadlineExceeded,
  unavailable: Code.Unavailable,
  out_of_range: Code.OutOfRange,
  data_loss: Code.DataLoss,
  internal: Code.Internal,
};

/** What the RPC framework itself refuses (parsing, validation, limits, deadlines), by its own code. */
const frameworkReasons: Partial<Record<Code, Reason>> = {
  [Code.InvalidArgument]: 'invalid_request',
  [Code.ResourceExhausted]: 'too_large',
  [Code.DeadlineExceeded]: 'deadline_exceeded',
  [Code.Unimplemented]: 'unimplemented',
};

/** Encodes a refusal for every Connect protocol: code, public detail, ErrorInfo and, where retrying helps, RetryInfo. */
export function toConnectError(refusal: Refusal, extra: ConnectError['details'] = []): ConnectError {
  const { row } = refusal;
  const error = new ConnectError(refusal.detail, codes[row.connect] as Code, undefined, undefined, refusal);
  // RFC 9449 §7.1 and §9, over any wire: what kind of token is asked for, and with which nonce.
  if (asksForProof(refusal)) error.metadata.set('www-authenticate', dpopChallenge(refusal));
  if (refusal.dpopNonce !== undefined) error.metadata.set('dpop-nonce', refusal.dpopNonce);
  const { attestationChallenge } = refusal;
  if (attestationChallenge !== undefined) error.metadata.set(attestationChallengeHeader, attestationChallenge);
  error.details.push({
    desc: ErrorInfoSchema,
    value: create(ErrorInfoSchema, { reason: refusal.reason, domain, metadata: { retryable: String(row.retry) } }),
  });
  if (row.retry) {
    error.details.push({
      desc: RetryInfoSchema,
      value: create(RetryInfoSchema, { retryDelay: durationFromMs(refusal.retryAfterMs ?? retryAfterMsDefault) }),
    });
  }
  error.details.push(...extra);
  return error;
}

/** How long a refused caller waits when the refusal does not say: long enough for a fail-over probe to have run. */
const retryAfterMsDefault = 1000;

/** The stable reason inside an error that came over a Connect protocol; undefined when it is not one of ours. */
export function reasonOf(error: ConnectError): string | undefined {
  return error.findDetails(ErrorInfoSchema).find((info) => info.domain === domain)?.reason;
}

/** Whatever a handler has thrown, as a refusal on the wire. */
export function encodeFailure(error: unknown, log: (refusal: Refusal) => void): ConnectError {
  if (error instanceof ConnectError && !(error.cause instanceof Refusal)) {
    const reason = frameworkReasons[error.code];
    if (reason) return toConnectError(new Refusal(reason, error.rawMessage), error.details);
    if (error.code === Code.Canceled) return error;
  }
  const refusal = asRefusal(error instanceof ConnectError ? (error.cause ?? error) : error);
  log(refusal);
  return toConnectError(refusal);
}

/**
 * Turns everything thrown by a handler into a refusal on the wire. The stream is wrapped as well: an error raised
 * while a server stream is being read never passes through `await next()`.
 */
export function createRefusalInterceptor(log: (refusal: Refusal) => void): Interceptor {
  return (next) => async (request) => {
    const fail = (error: unknown) => {
      const encoded = encodeFailure(error, log);
      request.contextValues.set(failureKey, encoded);
      return encoded;
    };
    try {
      const response = await next(request);
      return response.stream ? { ...response, message: encodeInside(response.message, fail) } : response;
    } catch (error) {
      throw fail(error);
    }
  };
}

async function* encodeInside<T>(messages: AsyncIterable<T>, fail: (error: unknown) => Error): AsyncIterable<T> {
  try {
    yield* messages;
  } catch (error) {
    throw fail(error);
  }
}

const failureKey = createContextKey<ConnectError | undefined>(undefined, { description: 'failure' });

/** Why a call failed, for an answer that the framework does not encode. */
export function failureOf(values: ContextValues): Refusal | undefined {
  const error = values.get(failureKey);
  if (!error) return undefined;
  const dpopNonce = error.metadata.get('dpop-nonce');
  const reason = (reasonOf(error) as Reason | undefined) ?? 'internal';
  return new Refusal(reason, error.rawMessage, dpopNonce === null ? {} : { dpopNonce });
}
