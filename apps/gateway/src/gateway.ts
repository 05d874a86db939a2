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

/** The edge: everything from outside passes through it and nothing behind it sees a header that a client forged. */
export function createGateway(deps: GatewayDeps): Hono<GatewayEnv> {
  const admit = createAdmission(deps);
  const app = new Hono<GatewayEnv>();
  app.use(
    secureHeaders({
      crossOriginResourcePolicy: 'same-origin',
      // This overrides what a page says. Under `no-referrer` a browser posts a form with `Origin: null`, which every
      // write refuses: nobody could sign in. Nothing is sent to other origins either way.
      referrerPolicy: 'same-origin',
      xFrameOptions: 'DENY',
    }),
  );
  app.use(
    bodyLimit({
      maxSize: requestBytesMax,
      onError: () => toOAuthError(new Refusal('too_large', `a request body has at most ${requestBytesMax} bytes`)),
    }),
  );
  app.all('*', async (c) => {
    const { url, method, signal, headers: incoming } = c.req.raw;
    const body = c.req.raw.body === null ? undefined : new Uint8Array(await c.req.raw.arrayBuffer());
    const host = c.req.header('host') ?? '';
    const { headers, ingress } = await admit({ method, url, headers: incoming, host, body, ip: c.env?.ip ?? '' });
    // Known by now, also of a body that came in chunks (RFC 9112 §7.1).
    if (body) headers.set('content-length', String(body.byteLength));
    const forwarded = new Request(url, { method, headers, signal, ...(body && { body }) });
    const response = await deps.forward(forwarded, ingress);
    const answer = new Response(response.body, response);
    answer.headers.set('x-request-id', ingress.requestId);
    return answer;
  });
  return app;
}
