import { createContextKey, type HandlerContext } from '@connectrpc/connect';
import type { ResponseSink } from './response-sink.ts';

/**
 * How the messages of a stream stand on the wire. Connect streaming, gRPC and gRPC-Web share one frame (flags, length,
 * message), in binary or in JSON; `sse` is an event of an event stream.
 */
export type Framing = 'proto' | 'json' | 'sse';

/** A stream into which a handler writes finished frames, so that one frame can go to every stream that wants it. */
export interface RawStream {
  readonly framing: Framing;
  /** Bytes that the peer's connection has not taken yet. */
  readonly bufferedBytes: number;
  /** The bytes are not copied: they must never change. After the end it does nothing. */
  write(frame: Uint8Array): void;
  /** Resolves once there is room again, or the stream has ended. */
  drained(): Promise<void>;
  /** Ends it at once, without its last word, and gives up what is buffered. */
  drop(): void;
}

/** Opens the raw stream of this call: its headers go out. */
export type OpenRawStream = () => RawStream;

export const rawStreamKey = createContextKey<OpenRawStream | undefined>(undefined, { description: 'raw stream' });

/**
 * For a server-streaming handler that writes its frames itself: it opens the stream, yields nothing, and ends (or
 * throws) when the stream does; the framework then says the last word of the protocol.
 * @returns undefined where the server cannot be written to: the handler yields messages then.
 */
export function openRawStream(context: Pick<HandlerContext, 'values'>): RawStream | undefined {
  return context.values.get(rawStreamKey)?.();
}

/** The framing and the answer's content type for a request's; undefined for those that only the framework writes. */
export function rawFormatOf(contentType: string | null): { framing: Framing; contentType: string } | undefined {
  const type = contentType?.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  const [, protocol, codec = 'proto'] =
    /^application\/(connect(?=\+)|grpc|grpc-web)(?:\+(proto|json))?$/.exec(type) ?? [];
  if (protocol === undefined || (codec !== 'proto' && codec !== 'json')) return undefined;
  return { framing: codec, contentType: `application/${protocol}+${codec}` };
}

export function rawStreamOn(sink: ResponseSink, framing: Framing): RawStream {
  return {
    framing,
    get bufferedBytes() {
      return sink.bufferedBytes;
    },
    write: (frame) => sink.write(frame),
    drained: () => sink.drained(),
    drop: () => sink.drop(),
  };
}
