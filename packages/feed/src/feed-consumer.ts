import type { WatchResponse } from '@mono-auth/proto/monoauth/feed/v1/feed';
import type { RawStream } from '@mono-auth/transport';
import type { EncodedBatch } from './encoded-batch.ts';

/** Who reads one stream of the feed. */
export interface FeedConsumer {
  /** Bytes handed over and not yet taken. */
  readonly bufferedBytes: number;
  deliver(batch: EncodedBatch): void;
  /** Resolves once there is room again, or the consumer has left. */
  drained(): Promise<void>;
  /** Lets go of one that does not keep up: it resumes from its cursor. */
  drop(): void;
}

/** A consumer at the other end of a raw stream: every one of them is written the same bytes. */
export function rawConsumer(stream: RawStream): FeedConsumer {
  return {
    get bufferedBytes() {
      return stream.bufferedBytes;
    },
    deliver: (batch) => stream.write(batch.frame(stream.framing)),
    drained: () => stream.drained(),
    drop: () => stream.drop(),
  };
}

/** A consumer that takes messages one by one: the framework encodes them for each stream. */
export class MessageQueue implements FeedConsumer {
  readonly #batches: EncodedBatch[] = [];
  #taken = Promise.withResolvers<void>();
  #arrived = Promise.withResolvers<void>();
  bufferedBytes = 0;

  deliver(batch: EncodedBatch): void {
    this.#batches.push(batch);
    this.bufferedBytes += batch.frame('proto').length;
    this.#arrived.resolve();
  }

  async drained(): Promise<void> {
    while (this.#batches.length > 0) await this.#taken.promise;
  }

  drop(): void {
    this.#batches.length = 0;
    this.#taken.resolve();
  }

  /** The messages until `ended`; throws what it rejects with, after the last of them. */
  async *messages(ended: Promise<void>): AsyncGenerator<WatchResponse, void, void> {
    let over = false;
    const stop = () => {
      over = true;
      this.#arrived.resolve();
    };
    ended.then(stop, stop);
    for (;;) {
      const batch = this.#batches.shift();
      if (batch) {
        this.bufferedBytes -= batch.frame('proto').length;
        yield batch.message;
        continue;
      }
      this.#taken.resolve();
      this.#taken = Promise.withResolvers();
      if (over) return ended;
      await this.#arrived.promise;
      this.#arrived = Promise.withResolvers();
    }
  }
}
