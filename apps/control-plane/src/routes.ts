import type { ConnectRouter } from '@connectrpc/connect';
import { append, auditService, recordDenial } from '@mono-auth/audit';
import { clientService } from '@mono-auth/clients';
import { registrationEndpoint } from '@mono-auth/clients/registration';
import { notFound } from '@mono-auth/core/errors';
import type { Caller } from '@mono-auth/core/principal';
import { platformSlug } from '@mono-auth/core/tenant-slug';
import { delegationService } from '@mono-auth/delegation';
import { federationService } from '@mono-auth/federation';
import { feedService, feedSseRoute } from '@mono-auth/feed';
import { machineService } from '@mono-auth/machines';
import { policyService } from '@mono-auth/policy';
import { AuditService } from '@mono-auth/proto/monoauth/audit/v1/audit';
import { ClientService } from '@mono-auth/proto/monoauth/clients/v1/clients';
import { DelegationService } from '@mono-auth/proto/monoauth/delegation/v1/delegation';
import { FederationService } from '@mono-auth/proto/monoauth/federation/v1/federation';
import { FeedService } from '@mono-auth/proto/monoauth/feed/v1/feed';
import { MachineService } from '@mono-auth/proto/monoauth/machines/v1/machines';
import { PolicyService } from '@mono-auth/proto/monoauth/policy/v1/policy';
import { RevocationService } from '@mono-auth/proto/monoauth/revocation/v1/revocation';
import { TenantService } from '@mono-auth/proto/monoauth/tenants/v1/tenants';
import { TokenService } from '@mono-auth/proto/monoauth/tokens/v1/tokens';
import { revocationService, tenantEnding } from '@mono-auth/revocation';
import { type ProvisionDeps, tenantService } from '@mono-auth/tenants';
import { isLoopback } from '@mono-auth/tenants/base-url';
import { answerTokenRequest, discoveryRoutes, tokenRoutes, tokenService } from '@mono-auth/tokens';
import {
  type AccessEffects,
  createRpcServer,
  type Http2Exchange,
  type Ingress,
  type RpcServer,
  toOAuthError,
} from '@mono-auth/transport';
import { directUnary } from '@mono-auth/transport/direct-unary';
import { Hono } from 'hono';
import type { Parts } from './compose.ts';
import { logRoutes } from './log-routes.ts';
import { type ClientPreparation, openClientPreparation, prepareClients, prepareRpcClient } from './prepare-clients.ts';
import { resourceMetadataRoutes, withResourceMetadata } from './resource-metadata.ts';
import { roleDoors } from './role-doors.ts';

interface Routes {
  fetch(request: Request, ingress: Ingress): Promise<Response>;
  /** Undefined when the path names no RPC: over HTTP/2 there is nothing else. */
  http2(exchange: Http2Exchange, ingress: Ingress): Promise<void> | undefined;
}

/** `/t/{slug}/rpc/monoauth.…` and, where the token alone names the tenant, `/monoauth.…`. */
const rpcPath = /^(?:\/t\/[^/]+\/rpc)?(\/monoauth\.[a-z]+\.v\d+\.[A-Za-z]+\/[A-Za-z]+)$/;

/** The endpoint that is asked most: a request that is nothing special goes straight to it. */
const tokenPath = /^\/t\/([a-z0-9-]+)\/oauth2\/token$/;

/** One of a program: a browser's has an origin, and wants to hear of it. */
function isPlainPost({ method, headers }: Request): boolean {
  return method === 'POST' && !headers.has('origin');
}

/** Everything the control plane answers: one line for each capability. */
export function createRoutes(
  parts: Parts,
  provisioning: ProvisionDeps,
  authenticate: AccessEffects['authenticate'],
): Routes {
  const { database, runtime } = parts;
  const preparation = openClientPreparation(parts);
  const tokens = { ...parts.tokens, prepareClient: prepareRpcClient(preparation) };
  const tokenMethods = tokenService(tokens);
  const rpc = createRpcServer({
    authenticate,
    record: (denial) => recordDenial(database, runtime, denial),
    isPlatform: (caller: Caller) => caller.tenantSlug === platformSlug,
    onRefusal: parts.onRefusal,
    direct: [directUnary(TokenService.method.exchange, tokenMethods.exchange)],
    routes: (router: ConnectRouter) => {
      router.service(
        TenantService,
        tenantService({ ...provisioning, runtime, rotation: { ...parts, ending: tenantEnding(parts.revocation) } }),
      );
      router.service(MachineService, machineService(parts));
      router.service(ClientService, clientService(parts));
      router.service(TokenService, tokenMethods);
      router.service(DelegationService, delegationService(parts));
      router.service(FeedService, feedService({ ...parts, recordEvent: append }));
      router.service(RevocationService, revocationService(parts.revocation));
      router.service(FederationService, federationService({ ...parts, allowLoopback: isOnLoopback(parts.baseUrl) }));
      router.service(PolicyService, policyService({ ...parts, ...roleDoors }));
      router.service(AuditService, auditService(parts));
    },
  });
  const http = createHttp(parts, rpc, { authenticate, preparation });
  const tokenSlugOf = (url: string) => tokenPath.exec(new URL(url).pathname)?.[1];
  const rpcPathOf = (url: string) => rpcPath.exec(new URL(url).pathname)?.[1] ?? '';
  return {
    async fetch(request, ingress) {
      const slug = isPlainPost(request) && !ingress.refusal ? tokenSlugOf(request.url) : undefined;
      if (slug !== undefined) return answerTokenRequest(tokens, slug, request);
      const answered = rpc.fetch(request, rpcPathOf(request.url), ingress);
      const other = () => (ingress.refusal ? toOAuthError(ingress.refusal) : http.fetch(request));
      return withResourceMetadata(parts.baseUrl, request, await (answered ?? other()));
    },
    http2: (exchange, ingress) => rpc.http2(exchange, rpcPathOf(exchange.url), ingress),
  };
}

/** Neighbours on this machine are asked by an installation that is there itself, and by no other. */
function isOnLoopback(baseUrl: string): boolean {
  return isLoopback(new URL(baseUrl).hostname);
}

/** The OAuth endpoints, the hosted pages and the discovery documents. */
function createHttp(
  parts: Parts,
  rpc: RpcServer,
  { authenticate, preparation }: Pick<AccessEffects, 'authenticate'> & { readonly preparation: ClientPreparation },
): Hono {
  const app = new Hono();
  app.route('/', discoveryRoutes(parts.tokens));
  app.route('/', resourceMetadataRoutes(parts));
  const followFeed = feedSseRoute({ rpc, ingressOf: parts.ingressOf });
  app.get('/t/:slug/feed', (c) => followFeed(c.req.raw));
  app.use('/t/:slug/oauth2/*', prepareClients(preparation));
  const register = registrationEndpoint({ ...parts, originOf: parts.ingressOf });
  app.all('/t/:slug/oauth2/register/:clientId?', (c) => register(c.req.raw, c.req.param()));
  app.route('/t/:slug', tokenRoutes(parts.tokens));
  app.route('/t/:slug', logRoutes(parts, authenticate));
  app.route('/t/:slug', parts.identity.routes());
  app.notFound(() => toOAuthError(notFound('page')));
  app.onError((error) => toOAuthError(error));
  return app;
}
