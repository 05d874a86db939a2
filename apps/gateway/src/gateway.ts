import { Refusal } from '@mono-auth/core/errors';
import { requestBytesMax } from '@mono-auth/core/limits';
import { toOAuthError } from '@mono-auth/transport';
import { Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { secureHeaders } from 'hono/secure-headers';
import { type AdmissionDeps, createAdmission } from './admit-request.ts';
import type { Forward } from './in-process-fetch.ts';

export interface GatewayDeps extends AdmissionDeps {
  /** The control plane: in process, or over HTTP. Gets requests that carry no identity header of a client's. */
  readonly forward: Forward;
}

export interface GatewayEnv {
  Bindings: { /** Address of the peer. */ ip: string };
}

const guard = secureHeaders({
  crossOriginResourcePolicy: 'same-origin',
  // This overrides what a page says. Under `no-referrer` a browser posts a form with `Origin: null`, which every write
  // refuses: nobody could sign in. Nothing is sent to other origins either way.
  referrerPolicy: 'same-origin',
  xFrameOptions: 'DENY',
});

/** The edge: everything from outside passes through it and nothing behind it sees a header that a client forged. */
export interface Gateway {
  fetch(request: Request, env: GatewayEnv['Bindings']): Response | Promise<Response>;
}

export function createGateway(deps: GatewayDeps): Gateway {
  const pass = createPassage(deps);
  const app = new Hono<GatewayEnv>();
  app.use(guard);
  app.use(
    bodyLimit({
      maxSize: requestBytesMax,
      onError: () => toOAuthError(new Refusal('too_large', `a request body has at most ${requestBytesMax} bytes`)),
    }),
  );
  app.all('*', (c) => pass(c.req.raw, c.env?.ip ?? ''));
  const protectedHeaders = guardHeaders();
  return {
    fetch(request, env) {
      // What its length says to be small needs no limit while it is read, and a program no other headers than these.
      return isShortPost(request) ? passShort(pass, protectedHeaders, request, env.ip) : app.fetch(request, env);
    },
  };
}

type Passage = (request: Request, ip: string) => Promise<Response>;

function createPassage(deps: GatewayDeps): Passage {
  const admit = createAdmission(deps);
  return async (request, ip) => {
    const { url, method, signal, headers: incoming } = request;
    const body = request.body === null ? undefined : new Uint8Array(await request.arrayBuffer());
    const host = incoming.get('host') ?? '';
    const { headers, ingress } = await admit({ method, url, headers: incoming, host, body, ip });
    // Known by now, also of a body that came in chunks (RFC 9112 §7.1).
    if (body) headers.set('content-length', String(body.byteLength));
    const forwarded = new Request(url, { method, headers, signal, ...(body && { body }) });
    const response = await deps.forward(forwarded, ingress);
    response.headers.set('x-request-id', ingress.requestId);
    return response;
  };
}

function isShortPost({ method, headers }: Request): boolean {
  const length = Number(headers.get('content-length') ?? Number.NaN);
  return method === 'POST' && length <= requestBytesMax && !headers.has('transfer-encoding');
}

/** The same as through Hono, whose two middlewares leave nothing to do but these headers. */
async function passShort(
  pass: Passage,
  protectedHeaders: Promise<readonly (readonly [string, string])[]>,
  request: Request,
  ip: string,
): Promise<Response> {
  const answer = await pass(request, ip);
  for (const [name, value] of await protectedHeaders) answer.headers.set(name, value);
  return answer;
}

/** The headers that `secureHeaders` gives to every answer, as it gives them to this one. */
async function guardHeaders(): Promise<[string, string][]> {
  const probe = new Hono().use(guard).all('*', (c) => c.body(null));
  const { headers } = await probe.request('/');
  return [...headers];
}
