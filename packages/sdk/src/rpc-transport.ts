import type { Interceptor, Transport } from '@connectrpc/connect';
import type { UniversalClientFn } from '@connectrpc/connect/protocol';
import { createTransport } from '@connectrpc/connect/protocol-connect';
import { concatBytes } from '@mono-auth/core/encoding';
import { requestBytesMax, responseBytesMax, unaryDeadlineMsMax } from '@mono-auth/core/limits';

/**
 * Hands out an access token, asked for anew at every call. `renew` says that the last one was refused: revoked, or of an
 * epoch that is over. A source that keeps tokens must fetch another then.
 */
export type TokenSource = (request?: { readonly renew: boolean }) => Promise<string>;

/** The fetch of this platform, or one that goes through a proxy, a test or another network. */
export type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

export interface RpcTransportOptions {
  /** `{base}/t/{slug}`, no trailing slash. */
  readonly issuer: string;
  /** Tokens with audience `{issuer}/rpc`. Absent for the calls that need none (challenge, redeem, renew). */
  readonly tokens?: TokenSource | undefined;
  readonly fetch?: Fetch | undefined;
}

/** A Connect transport to the tenant's services at `{issuer}/rpc`, over fetch alone: the same on Bun and on Node. */
export function createRpcTransport({ issuer, tokens, fetch = globalThis.fetch }: RpcTransportOptions): Transport {
  const authenticate: Interceptor = (next) => async (request) => {
    if (tokens) request.header.set('authorization', `Bearer ${await tokens()}`);
    return next(request);
  };
  return createTransport({
    httpClient: httpClientOf(fetch),
    baseUrl: `${issuer}/rpc`,
    useBinaryFormat: true,
    interceptors: [authenticate],
    acceptCompression: [],
    sendCompression: null,
    compressMinBytes: requestBytesMax,
    readMaxBytes: responseBytesMax,
    writeMaxBytes: requestBytesMax,
    defaultTimeoutMs: unaryDeadlineMsMax,
  });
}

/** Sends the request whole: fetch cannot stream a body over HTTP/1.1 everywhere, and no RPC of ours streams one. */
function httpClientOf(fetch: Fetch): UniversalClientFn {
  return async ({ url, method, header: sent, body, signal }) => {
    const response = await fetch(url, {
      method,
      headers: sent,
      body: body ? await readWhole(body) : null,
      ...(signal && { signal }),
      // A token goes where it was meant to go, or nowhere.
      redirect: 'error',
    });
    // fetch asks for compression and undoes it by itself, but leaves the headers that speak of the compressed bytes.
    const header = new Headers(response.headers);
    if (header.has('content-encoding')) header.delete('content-length');
    header.delete('content-encoding');
    return { status: response.status, header, body: chunksOf(response.body), trailer: new Headers() };
  };
}

async function readWhole(body: AsyncIterable<Uint8Array>): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return concatBytes(...chunks);
}

async function* chunksOf(body: ReadableStream<Uint8Array> | null): AsyncIterable<Uint8Array> {
  if (!body) return;
  const reader = body.getReader();
  try {
    for (let read = await reader.read(); !read.done; read = await reader.read()) yield read.value;
  } finally {
    // Whoever stops reading early closes the connection; a body that already failed cannot be cancelled.
    await reader.cancel().catch(() => undefined);
  }
}
