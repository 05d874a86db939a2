import { lookup } from 'node:dns/promises';
import http from 'node:http';
import https from 'node:https';
import { isIP } from 'node:net';
import { textOf } from '@mono-auth/core/encoding';
import { isLoopbackAddress, isSpecialUse } from './special-addresses.ts';

export interface GuardedOptions {
  /** Longest time from the question about the host's address to the end of the answer, milliseconds. */
  readonly msMax: number;
  /** For an installation that is itself on loopback: then, and only then, its neighbours there may be asked, by http too. */
  readonly allowLoopback: boolean;
  /** Addresses of a host name; the system's resolver by default. */
  readonly resolve?: (hostname: string) => Promise<readonly string[]>;
}

/** A text and what its server says about it; headers that it does not send are empty. */
export interface GuardedAnswer {
  readonly text: string;
  readonly contentType: string;
  readonly cacheControl: string;
}

/** What is sent, and what becomes of the answer; `reject` ends it. */
interface Exchange<T> {
  readonly method: 'GET' | 'POST';
  readonly headers: http.OutgoingHttpHeaders;
  readonly body?: string;
  readonly read: (response: http.IncomingMessage, resolve: (value: T) => void, reject: (why: Error) => void) => void;
}

/**
 * Gets a text from a URL that somebody else has named to us. It must not become a way into our network, so: https, no
 * redirects, no special-use address (RFC 6890) among those of the host, the connection made to the address that was looked
 * at (a name server that answers twice differently gains nothing), and bounds of size and time.
 * @throws Error whose message says what was wrong with the URL or the answer.
 */
export function getGuarded(
  uri: string,
  { bytesMax, ...options }: GuardedOptions & { readonly bytesMax: number },
): Promise<GuardedAnswer> {
  return exchange(uri, options, {
    method: 'GET',
    headers: { accept: 'application/json' },
    read(response, resolve, reject) {
      const chunks: Uint8Array[] = [];
      let size = 0;
      // Also 3xx: a redirect would lead past everything that was looked at.
      if (response.statusCode !== 200) return reject(new Error(`it answers ${response.statusCode}`));
      response.on('data', (chunk: Uint8Array) => {
        size += chunk.length;
        chunks.push(chunk);
        if (size > bytesMax) reject(new Error(`it is longer than ${bytesMax} bytes`));
      });
      response.on('close', () => reject(new Error('it breaks off')));
      response.on('end', () => {
        const { 'content-type': contentType = '', 'cache-control': cacheControl = '' } = response.headers;
        try {
          resolve({ text: textOf(Buffer.concat(chunks)), contentType, cacheControl });
        } catch {
          reject(new Error('it is no UTF-8'));
        }
      });
    },
  });
}

/**
 * Posts a form to such a URL. The answer's body is never read.
 * @returns the status; a redirect is one like any other.
 * @throws Error as `getGuarded` does.
 */
export function postGuarded(uri: string, form: URLSearchParams, options: GuardedOptions): Promise<number> {
  const body = form.toString();
  return exchange(uri, options, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', 'content-length': Buffer.byteLength(body) },
    body,
    read: (response, resolve) => resolve(response.statusCode ?? 0),
  });
}

async function exchange<T>(uri: string, options: GuardedOptions, asked: Exchange<T>): Promise<T> {
  const url = readUrl(uri, options);
  const signal = AbortSignal.timeout(options.msMax);
  const late = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(new Error('it does not answer in time')), { once: true });
  });
  return Promise.race([late, pinnedAddress(url, options).then((address) => send(url, address, signal, asked))]);
}

function readUrl(uri: string, { allowLoopback }: GuardedOptions): URL {
  const url = URL.parse(uri);
  if (url === null) throw new Error('not an https URL');
  if (url.username !== '' || url.password !== '' || url.hash !== '') throw new Error('has a user or a fragment');
  if (url.protocol === 'https:' || (allowLoopback && url.protocol === 'http:')) return url;
  throw new Error('not an https URL');
}

/** One address of the host; all of them must be public, or all be neighbours, so that it does not matter which is taken. */
async function pinnedAddress({ hostname, protocol }: URL, options: GuardedOptions): Promise<string> {
  const { resolve = resolveBySystem, allowLoopback } = options;
  const addresses = await resolve(bare(hostname)).catch((cause: unknown) => {
    throw new Error('its host has no address', { cause });
  });
  const [first] = addresses;
  if (first === undefined) throw new Error('its host has no address');
  if (allowLoopback && addresses.every(isLoopbackAddress)) return first;
  if (addresses.some(isSpecialUse)) throw new Error('its host has an address that is not public');
  if (protocol !== 'https:') throw new Error('not an https URL');
  return first;
}

async function resolveBySystem(hostname: string): Promise<string[]> {
  const found = await lookup(hostname, { all: true });
  return found.map(({ address }) => address);
}

function send<T>(url: URL, address: string, signal: AbortSignal, asked: Exchange<T>): Promise<T> {
  const isTls = url.protocol === 'https:';
  return new Promise((resolve, reject) => {
    const sent = (isTls ? https : http).request({
      method: asked.method,
      host: address,
      port: url.port === '' ? undefined : Number(url.port),
      path: `${url.pathname}${url.search}`,
      // The certificate is still the host's: the address only says where it is.
      ...(isTls && isIP(bare(url.hostname)) === 0 && { servername: url.hostname }),
      headers: { host: url.host, ...asked.headers },
      agent: false,
      signal,
    });
    const end = (settle: () => void) => {
      settle();
      sent.destroy();
    };
    sent.on('error', (cause) => reject(new Error('it cannot be reached', { cause })));
    sent.on('response', (response) => {
      response.on('error', (cause) => reject(new Error('it breaks off', { cause })));
      asked.read(
        response,
        (value) => end(() => resolve(value)),
        (why) => end(() => reject(why)),
      );
    });
    sent.end(asked.body);
  });
}

/** An IPv6 literal without its brackets. */
function bare(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, '');
}
