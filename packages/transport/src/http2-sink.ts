import { constants, type Http2ServerResponse } from 'node:http2';
import { type ResponseSink, roomBytes } from './response-sink.ts';

/** An answer over HTTP/2, with trailers: gRPC needs them. */
export class Http2Sink implements ResponseSink {
  readonly #response: Http2ServerResponse;
  readonly #extra: Readonly<Record<string, string>>;
  readonly #left = new AbortController();
  #waiting: (() => void)[] = [];
  headSent = false;

  constructor(response: Http2ServerResponse, extra: Readonly<Record<string, string>>) {
    this.#response = response;
    this.#extra = extra;
    const { stream } = response;
    stream.on('drain', () => this.#release());
    stream.once('close', () => this.#close());
    // A peer that resets its stream is a peer that has gone; `close` follows.
    stream.on('error', () => {});
  }

  get signal(): AbortSignal {
    return this.#left.signal;
  }

  get bufferedBytes(): number {
    return this.#left.signal.aborted ? 0 : this.#response.stream.writableLength;
  }

  head(status: number, header: Headers): void {
    this.headSent = true;
    if (this.#left.signal.aborted) return;
    this.#response.writeHead(status, { ...Object.fromEntries(header), ...this.#extra });
  }

  write(bytes: Uint8Array): void {
    if (!this.#left.signal.aborted) this.#response.write(bytes);
  }

  async drained(): Promise<void> {
    while (!this.#left.signal.aborted && this.bufferedBytes >= roomBytes) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  end(trailer?: Headers): void {
    if (this.#left.signal.aborted) return;
    if (trailer) this.#response.addTrailers(Object.fromEntries(trailer));
    this.#response.end();
  }

  drop(): void {
    this.#close();
    // RFC 9113 §7: the peer behaves so that it costs too much.
    this.#response.stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
  }

  #close(): void {
    this.#left.abort();
    this.#release();
  }

  #release(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
