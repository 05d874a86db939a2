/** Where the bytes of one streamed answer go, whatever carries them. */
export interface ResponseSink {
  /** Aborted when the peer has gone, or the answer has ended. */
  readonly signal: AbortSignal;
  readonly headSent: boolean;
  readonly bufferedBytes: number;
  head(status: number, header: Headers): void;
  /** After the end it does nothing. */
  write(bytes: Uint8Array): void;
  /** Resolves once there is room again, or the answer has ended. */
  drained(): Promise<void>;
  end(trailer?: Headers): void;
  /** Ends the connection or stream itself, and gives up what is buffered. */
  drop(): void;
}

/** Buffered bytes up to which there is room: a few batches of entries, so that a reader is never kept waiting. */
export const roomBytes = 64 * 1024;

/** What servers log for a client that left before the answer; it never reaches one. */
const clientClosedRequest = 499;

/** An answer over fetch: HTTP/1.1, without trailers. */
export class FetchSink implements ResponseSink {
  /** Resolves with the head. */
  readonly response: Promise<Response>;
  readonly #answered = Promise.withResolvers<Response>();
  readonly #left = new AbortController();
  #stream: ReadableStreamDefaultController<Uint8Array> | undefined;
  #waiting: (() => void)[] = [];
  headSent = false;

  constructor(signal: AbortSignal) {
    this.response = this.#answered.promise;
    if (signal.aborted) this.#close();
    else signal.addEventListener('abort', () => this.#close(), { once: true });
  }

  get signal(): AbortSignal {
    return this.#left.signal;
  }

  get bufferedBytes(): number {
    return this.#stream ? roomBytes - (this.#stream.desiredSize ?? roomBytes) : 0;
  }

  head(status: number, headers: Headers): void {
    this.headSent = true;
    const body = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#stream = controller;
        },
        pull: () => this.#release(),
        cancel: () => this.#close(),
      },
      new ByteLengthQueuingStrategy({ highWaterMark: roomBytes }),
    );
    this.#answered.resolve(new Response(body, { status, headers }));
  }

  write(bytes: Uint8Array): void {
    this.#stream?.enqueue(bytes);
  }

  async drained(): Promise<void> {
    while (this.#stream && this.bufferedBytes >= roomBytes) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  end(): void {
    const stream = this.#stream;
    this.#close();
    stream?.close();
  }

  drop(): void {
    const stream = this.#stream;
    this.#close();
    stream?.error(new Error('the stream was dropped'));
  }

  /** Nothing is written from here on. */
  #close(): void {
    this.#stream = undefined;
    // Nobody reads it; whoever waits for an answer gets one.
    this.#answered.resolve(new Response(null, { status: clientClosedRequest }));
    this.#left.abort();
    this.#release();
  }

  #release(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
