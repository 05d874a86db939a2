import { actorChain } from '@mono-auth/core/token-claims';
import { createVerifier, FeedSubscriber, MachineCredentials, PolicyHolder } from '@mono-auth/sdk';
import { guard } from '@mono-auth/sdk/middleware';
import type { JWK } from 'jose';

export interface OrdersServiceOptions {
  readonly issuer: string;
  readonly clientId: string;
  readonly privateJwk: JWK;
  /** The resource that it is: what its tokens are for. */
  readonly resource: string;
}

export interface OrdersService {
  readonly url: string;
  /** How far it has applied the feed. */
  readonly appliedSeq: number;
  stop(): Promise<void>;
}

/** Longest wait for the first proven head of the feed. */
const freshMsMax = 5_000;

/**
 * A small real service: verifies tokens with keys it holds, refuses what the feed has taken away, decides by the policy
 * snapshot it holds. No request asks the control plane anything.
 */
export async function startOrdersService(options: OrdersServiceOptions): Promise<OrdersService> {
  const { issuer, resource } = options;
  const credentials = new MachineCredentials(options);
  const tokens = credentials.tokenSource({ audience: `${issuer}/rpc` });
  const subscriber = await FeedSubscriber.start({ issuer, tokens, name: 'orders' });
  await subscriber.whenFresh(freshMsMax);
  const policy = await PolicyHolder.start({ issuer, tokens, subscriber });
  const verifier = createVerifier({ issuer, audience: resource, revocations: subscriber });

  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    async fetch(request) {
      const guarded = await guard(request, { verifier });
      if (guarded instanceof Response) return guarded;
      const { context, claims } = guarded;
      const action = request.method === 'GET' ? 'orders:read' : 'orders:write';
      const id = new URL(request.url).pathname.split('/').at(-1) ?? '';
      const actors = actorChain(claims.act);
      const decision = policy.decide({
        principal: context.principalId,
        action,
        resource: { type: 'order', id },
        context: { scope: context.scope, ...(actors.length > 0 && { actors }) },
      });
      if (!decision.allowed) return Response.json({ error: 'access_denied', action }, { status: 403 });
      return Response.json({
        order: id,
        for: context.principalId,
        by: actors,
        reasons: decision.reasons,
        policyVersion: decision.policyVersion,
      });
    },
  });
  return {
    url: `http://127.0.0.1:${server.port}`,
    get appliedSeq() {
      return subscriber.state.seq;
    },
    async stop() {
      await server.stop(true);
      await policy.close();
      await subscriber.close();
    },
  };
}
