import {
  create,
  type DescMessage,
  type DescMethodUnary,
  fromBinary,
  fromJsonString,
  type MessageInitShape,
  type MessageShape,
  toBinary,
  toJsonString,
} from '@bufbuild/protobuf';
import type { HandlerContext } from '@connectrpc/connect';
import { codeToHttpStatus, errorToJsonBytes } from '@connectrpc/connect/protocol-connect';
import type { Refusal } from '@mono-auth/core/errors';
import { Scope } from '@mono-auth/proto/monoauth/access/v1/access';
import { accessOf } from './access.ts';
import { encodeFailure } from './connect-errors.ts';
import { contextValuesOf, type Ingress } from './ingress.ts';

/** What a handler may use of its context when it is called without the framework. */
export type DirectContext = Pick<HandlerContext, 'requestHeader' | 'responseHeader' | 'values'>;

/** A unary RPC that is also served by hand: the framework costs more than a signature and its verification together. */
export interface DirectUnary {
  /** As in `/monoauth.tokens.v1.TokenService/Exchange`. */
  readonly path: string;
  /** @returns undefined when the bytes are no message: the framework says so in its own words. */
  answer(body: Uint8Array, codec: Codec, context: DirectContext): Promise<Uint8Array | string> | undefined;
}

type Codec = 'json' | 'proto';

/**
 * @param method declared public: its handler proves who calls, as no interceptor does here. It has no rules of
 * buf.validate either; the handler checks its fields.
 */
export function directUnary<I extends DescMessage, O extends DescMessage>(
  method: DescMethodUnary<I, O>,
  handle: (message: MessageShape<I>, context: DirectContext) => Promise<MessageInitShape<O>>,
): DirectUnary {
  if (accessOf(method)?.scope !== Scope.PUBLIC) throw new TypeError(`${method.name}: only what is public is served so`);
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    answer(body, codec, context) {
      const message = decode(method.input, body, codec);
      return message && handle(message, context).then((answer) => encode(method.output, answer, codec));
    },
  };
}

function decode<I extends DescMessage>(schema: I, body: Uint8Array, codec: Codec): MessageShape<I> | undefined {
  try {
    if (codec === 'proto') return fromBinary(schema, body);
    return fromJsonString(schema, new TextDecoder('utf-8', { fatal: true }).decode(body), {
      ignoreUnknownFields: true,
    });
  } catch {
    return undefined;
  }
}

function encode<O extends DescMessage>(schema: O, answer: MessageInitShape<O>, codec: Codec): Uint8Array | string {
  const message = create(schema, answer);
  return codec === 'proto' ? toBinary(schema, message) : toJsonString(schema, message);
}

/**
 * The codec of a request that the hand may take: a POST of the Connect protocol for unary RPCs
 * (https://connectrpc.com/docs/protocol#unary-rpcs) with nothing special about it. Undefined: the framework's.
 */
export function directCodecOf({ method, headers }: Request, { refusal }: Ingress): Codec | undefined {
  if (method !== 'POST' || refusal) return undefined;
  if (headers.has('connect-timeout-ms') || (headers.get('content-encoding') ?? 'identity') !== 'identity') {
    return undefined;
  }
  if ((headers.get('connect-protocol-version') ?? '1') !== '1') return undefined;
  const type = headers.get('content-type');
  if (type === 'application/json') return 'json';
  return type === 'application/proto' ? 'proto' : undefined;
}

/** @returns undefined when the body is not the message of the RPC. */
export async function serveDirect(
  { answer }: DirectUnary,
  {
    body,
    codec,
    headers: requestHeader,
  }: { readonly body: Uint8Array; readonly codec: Codec; readonly headers: Headers },
  ingress: Ingress,
  onRefusal: (refusal: Refusal) => void,
): Promise<Response | undefined> {
  const responseHeader = new Headers({ 'content-type': `application/${codec}` });
  try {
    const encoded = await answer(body, codec, { requestHeader, responseHeader, values: contextValuesOf(ingress) });
    return encoded === undefined ? undefined : new Response(encoded as BodyInit, { headers: responseHeader });
  } catch (failure) {
    const error = encodeFailure(failure, onRefusal);
    const headers = new Headers(error.metadata);
    headers.set('content-type', 'application/json');
    const bytes = errorToJsonBytes(error, undefined);
    return new Response(bytes as BodyInit, { status: codeToHttpStatus(error.code), headers });
  }
}
