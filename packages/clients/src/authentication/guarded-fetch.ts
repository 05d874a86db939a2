import { lookup } from 'node:dns/promises';
import http from 'node:http';
import https from 'node:https';
import { textOf } from '@mono-auth/core/encoding';
import { Refusal } from '@mono-auth/core/errors';
import { isLoopbackAddress, isSpecialUse } from './special-addresses.ts';

export interface GuardedFetchOptions {
  readonly bytesMax: number;
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

/** Gets a text as `fetchGuardedAnswer` does, where its server has nothing to say about it. */
export async function fetchGuarded(uri: string, options: GuardedFetchOptions): Promise<string> {
  return (await fetchGuardedAnswer(uri, options)).text;
}

/**
 * Gets a text that somebody else has named to us. It must not become a way into our network, so: https, no redirects, no
 * special-use address (RFC 6890) among those of the host, the connection made to the address that was looked at (a name
 * server that answers twice differently gains nothing), and bounds of size and time.
 * @throws Refusal `invalid_request`, whose detail says what was wrong with the answer or the URL.
 */
export async function fetchGuardedAnswer(uri: string, options: GuardedFetchOptions): Promise<GuardedAnswer> {
  const url = readUrl(uri, options);
  const signal = AbortSignal.timeout(options.msMax);
  const address = await within(signal, pinAddress(url, options));
  const { bytes, headers } = await request(url, address, options.bytesMax, signal);
  const { 'content-type': contentType = '', 'cache-control': cacheControl = '' } = headers;
  return { text: textOf(bytes), contentType, cacheControl };
}

interface RawAnswer {
  readonly bytes: Uint8Array;
  readonly headers: http.IncomingHttpHeaders;
}

function readUrl(uri: string, { allowLoopback }: GuardedFetchOptions): URL {
  const url = URL.parse(uri);
  if (url === null) throw refuse('not an https URL');
  if (url.username !== '' || url.password !== '' || url.hash !== '') throw refuse('has a user or a fragment');
  const isLocal = url.hostname === 'localhost' || isLoopbackAddress(bare(url.hostname));
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLocal && allowLoopback)) {
    throw refuse('not an https URL');
  }
  return url;
}

/** One address of the host; all of them must be public, so that it does not matter which one is taken. */
async function pinAddress({ hostname }: URL, options: GuardedFetchOptions): Promise<string> {
  const { resolve = resolveBySystem, allowLoopback } = options;
  const addresses = await resolve(bare(hostname)).catch((cause: unknown) => {
    throw refuse('its host has no address', cause);
  });
  const [first] = addresses;
  if (first === undefined) throw refuse('its host has no address');
  for (const address of addresses) {
    if (isSpecialUse(address) && !(allowLoopback && isLoopbackAddress(address))) {
      throw refuse('its host has an address that is not public');
    }
  }
  return first;
}

async function resolveBySystem(hostname: string): Promise<string[]> {
  const found = await lookup(hostname, { all: true });
  return found.map(({ address }) => address);
}

function request(url: URL, address: string, bytesMax: number, signal: AbortSignal): Promise<RawAnswer> {
  const isTls = url.protocol === 'https:';
  return new Promise((resolve, reject) => {
    const sent = (isTls ? https : http).request({
      host: address,
      port: url.port === '' ? undefined : Number(url.port),
      path: `${url.pathname}${url.search}`,
      // The certificate is still the host's: the address only says where it is.
      ...(isTls && { servername: bare(url.hostname) }),
      headers: { host: url.host, accept: 'application/json' },
      agent: false,
      signal,
    });
    sent.on('error', (cause) => reject(refuse('it cannot be reached', cause)));
    sent.on('response', (response) => {
      const chunks: Uint8Array[] = [];
      let size = 0;
      // Also 3xx: a redirect would lead past everything that was looked at.
      if (response.statusCode !== 200) return void sent.destroy(refuse(`it answers ${response.statusCode}`));
      response.on('data', (chunk: Uint8Array) => {
        size += chunk.length;
        chunks.push(chunk);
        if (size > bytesMax) sent.destroy(refuse(`it is longer than ${bytesMax} bytes`));
      });
      response.on('error', (cause) => reject(refuse('it breaks off', cause)));
      response.on('close', () => reject(refuse('it breaks off')));
      response.on('end', () =>
        size > bytesMax ? undefined : resolve({ bytes: Buffer.concat(chunks), headers: response.headers }),
      );
    });
    sent.end();
  });
}

function within<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  const late = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(refuse('it does not answer in time')), { once: true });
  });
  return Promise.race([work, late]);
}

/** An IPv6 literal without its brackets. */
function bare(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, '');
}

function refuse(why: string, cause?: unknown): Refusal {
  return new Refusal('invalid_request', `the document at the client's URL: ${why}`, { cause });
}
