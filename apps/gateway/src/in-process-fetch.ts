import { newId } from '@mono-auth/core/ids';
import type { Runtime } from '@mono-auth/core/runtime';
import type { Fetch } from '@mono-auth/sdk';
import type { Ingress } from '@mono-auth/transport';
import type { RoutedTenant } from './admit-request.ts';

/** Answers requests behind the edge: the control plane. The answer is the caller's, who adds headers to it. */
export type Forward = (request: Request, ingress: Ingress) => Promise<Response>;

/**
 * The gateway's own requests in one tenant, as a fetch. What `forward` answers knows nothing of a client that leaves, so
 * an aborted request is given up here, its body too.
 */
export function inProcessFetch(
  { forward, runtime }: { readonly forward: Forward; readonly runtime: Runtime },
  { id, slug }: RoutedTenant,
): Fetch {
  return async (input, init) => {
    const request = new Request(input, init);
    const { signal } = request;
    const left = Promise.withResolvers<never>();
    const leave = () => left.reject(signal.reason);
    if (signal.aborted) throw signal.reason;
    signal.addEventListener('abort', leave, { once: true });
    const ingress = { requestId: newId(runtime, 'req'), ip: '', tenant: { id, slug }, refusal: undefined };
    try {
      const answer = await Promise.race([forward(request, ingress), left.promise]);
      const body = answer.body?.pipeThrough(new TransformStream<Uint8Array, Uint8Array>(), { signal }) ?? null;
      return new Response(body, answer);
    } finally {
      signal.removeEventListener('abort', leave);
    }
  };
}
