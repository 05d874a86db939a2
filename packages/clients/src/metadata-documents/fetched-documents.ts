import { Refusal } from '@mono-auth/core/errors';
import type { Runtime } from '@mono-auth/core/runtime';
import { type GuardedOptions, getGuarded } from '@mono-auth/transport/guarded-http';
import { type MetadataDocument, readDocument } from './read-document.ts';

/** Longest document, bytes, and longest time for it, milliseconds: the draft's §6.6, and what a person waits for. */
const bytesMax = 5 * 1024;
const msMax = 5_000;
/** How long a document is good: what its server says, within these, milliseconds. */
const freshMs = { min: 60_000, default: 300_000, max: 86_400_000 } as const;
/** Documents that are held, 5 KiB each at most. The one that was fetched first makes room. */
const heldMax = 1_000;
/** Fetches at a time, in all and from one host: strangers make us fetch, and a slow host of theirs must not hold up the rest. */
const atOnceMax = 64;
const atOncePerHostMax = 2;
/** Fetches from one host within a minute: whoever invents URLs must not make us a hammer. */
const perHostMax = 20;
const minuteMs = 60_000;
/** Hosts that are counted. */
const hostsMax = 1_000;

/** The document is there and breaks a rule: what it said before counts no more. */
class BrokenDocument extends Refusal {}

interface Held {
  readonly document: MetadataDocument;
  readonly fetchedAtMs: number;
  readonly untilMs: number;
}

/** Documents as they were fetched, for as long as they are good. Errors and invalid documents are never held (§4.4). */
export class FetchedDocuments {
  readonly #runtime: Runtime;
  readonly #options: Pick<GuardedOptions, 'allowLoopback' | 'resolve'>;
  readonly #held = new Map<string, Held>();
  readonly #underWay = new Map<string, Promise<MetadataDocument>>();
  readonly #hosts = new Map<string, { sinceMs: number; fetches: number }>();

  constructor(runtime: Runtime, options: Pick<GuardedOptions, 'allowLoopback' | 'resolve'>) {
    this.#runtime = runtime;
    this.#options = options;
  }

  get allowLoopback(): boolean {
    return this.#options.allowLoopback;
  }

  /**
   * The document at `url`; who asks for one that is under way waits for it.
   * @throws Refusal `invalid_client`, which says what is wrong with the document but not why it could not be had: that would
   * tell strangers about our network. `rate_limited`.
   */
  get(url: URL): Promise<MetadataDocument> {
    const held = this.#held.get(url.href);
    if (held && held.untilMs > this.#runtime.monotonicMs()) return Promise.resolve(held.document);
    const current = this.#underWay.get(url.href);
    if (current) return current;
    const underWay = this.#load(url).finally(() => this.#underWay.delete(url.href));
    this.#underWay.set(url.href, underWay);
    return underWay;
  }

  async #load(url: URL): Promise<MetadataDocument> {
    const fetchedAtMs = this.#runtime.monotonicMs();
    try {
      this.#admit(url.host);
      const answer = await getGuarded(url.href, { ...this.#options, bytesMax, msMax }).catch((cause: unknown) => {
        throw new Refusal('invalid_client', 'client_id: its metadata document cannot be had', { cause });
      });
      const document = read(url, answer);
      this.#hold(url, { document, fetchedAtMs, untilMs: fetchedAtMs + freshMsOf(answer.cacheControl) });
      return document;
    } catch (error) {
      // RFC 5861 §4: what is not there right now is not gone, within the longest that it may be held at all. Asked for again
      // as if it had been fetched, so that an outage elsewhere costs us one attempt and not one for each request.
      const held = this.#held.get(url.href);
      if (!held || error instanceof BrokenDocument || fetchedAtMs - held.fetchedAtMs >= freshMs.max) throw error;
      this.#hold(url, { ...held, untilMs: Math.min(fetchedAtMs + freshMs.min, held.fetchedAtMs + freshMs.max) });
      return held.document;
    }
  }

  #hold({ href }: URL, held: Held): void {
    this.#held.delete(href);
    this.#held.set(href, held);
    const [first] = this.#held.keys();
    if (this.#held.size > heldMax && first !== undefined) this.#held.delete(first);
  }

  /** @throws Refusal `rate_limited`. */
  #admit(host: string): void {
    const nowMs = this.#runtime.monotonicMs();
    const counted = this.#hosts.get(host);
    const since = counted && nowMs - counted.sinceMs < minuteMs ? counted : { sinceMs: nowMs, fetches: 0 };
    const beside = [...this.#underWay.keys()].filter((href) => new URL(href).host === host).length;
    const isBusy = this.#underWay.size >= atOnceMax || beside >= atOncePerHostMax;
    if (isBusy || since.fetches >= perHostMax) {
      const retryAfterMs = since.fetches >= perHostMax ? minuteMs - (nowMs - since.sinceMs) : 1_000;
      throw new Refusal('rate_limited', 'client_id: too many metadata documents are asked for', { retryAfterMs });
    }
    this.#hosts.delete(host);
    this.#hosts.set(host, { ...since, fetches: since.fetches + 1 });
    const [first] = this.#hosts.keys();
    if (this.#hosts.size > hostsMax && first !== undefined) this.#hosts.delete(first);
  }
}

function read(
  url: URL,
  { text, contentType }: { readonly text: string; readonly contentType: string },
): MetadataDocument {
  const mediaType = contentType.split(';')[0]?.trim().toLowerCase() ?? '';
  try {
    // §4.3: JSON, or a type that is built on it (RFC 6839 §3.1).
    if (!/^application\/(?:json|[a-z0-9!#$&^_.-]+\+json)$/.test(mediaType)) {
      throw new Refusal('invalid_client_metadata', 'its content-type is not JSON');
    }
    return readDocument(url, text);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    throw new BrokenDocument('invalid_client', `client_id: its metadata document: ${error.detail}`, { cause: error });
  }
}

/** RFC 9111 §5.2.2, as a hint within our bounds. */
function freshMsOf(cacheControl: string): number {
  if (/(?:^|[\s,])no-(?:store|cache)\b/i.test(cacheControl)) return freshMs.min;
  const seconds = /(?:^|[\s,])max-age="?(\d{1,10})/i.exec(cacheControl)?.[1];
  if (seconds === undefined) return freshMs.default;
  return Math.min(Math.max(Number(seconds) * 1_000, freshMs.min), freshMs.max);
}
