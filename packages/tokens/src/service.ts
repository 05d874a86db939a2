import type { JsonObject } from '@bufbuild/protobuf';
import type { ServiceImpl } from '@connectrpc/connect';
import type { ExchangeRequest, TokenService } from '@mono-auth/proto/monoauth/tokens/v1/tokens';
import { callOf, ingressOf } from '@mono-auth/transport';
import type { DirectContext } from '@mono-auth/transport/direct-unary';
import type { BearerDeps, ExplainDeps } from './deps.ts';
import { nextNonce } from './dpop/next-nonce.ts';
import { type ExchangeDeps, type ExchangeParameters, exchangeToken } from './exchange-token.ts';
import { explainToken } from './explain/explain-token.ts';
import { explanationToProto } from './explain/to-proto.ts';
import { readActiveToken } from './introspect-token.ts';
import { noStore } from './no-store.ts';

export function tokenService(deps: BearerDeps & ExchangeDeps & ExplainDeps) {
  return {
    async exchange(message: ExchangeRequest, context: DirectContext) {
      const exchanged = await exchangeToken(deps, ingressOf(context), context.requestHeader, parametersOf(message));
      const headers = { ...noStore, ...(await nextNonce(deps, exchanged.request)) };
      for (const [name, value] of Object.entries(headers)) context.responseHeader.set(name, value);
      const { access_token, issued_token_type = '', token_type, expires_in, scope = '' } = exchanged.answer;
      return {
        accessToken: access_token,
        issuedTokenType: issued_token_type,
        tokenType: token_type,
        expiresIn: expires_in,
        scope,
      };
    },

    async introspect(request, context) {
      const { caller } = callOf(deps.runtime, context);
      const tenant = await deps.tenants.byId(caller.tenantId);
      const claims = tenant && (await readActiveToken(deps, tenant, request.token));
      // A Struct is JSON; the claims came out of JSON and are plain values.
      return claims ? { active: true, claims: { ...claims } as unknown as JsonObject } : { active: false };
    },

    async explain({ of }, context) {
      const { caller } = callOf(deps.runtime, context);
      // The contract's validation has let nothing else through.
      const asked = of.case === 'token' ? { token: of.value } : { jti: of.value ?? '' };
      return explanationToProto(await explainToken(deps, caller, asked));
    },
  } satisfies ServiceImpl<typeof TokenService>;
}

/** The message as the form that it stands for. */
function parametersOf(message: ExchangeRequest): ExchangeParameters {
  return [
    ['subject_token', message.subjectToken],
    ['subject_token_type', message.subjectTokenType],
    ['actor_token', message.actorToken],
    ['actor_token_type', message.actorTokenType],
    ['resource', message.resource],
    ['audience', message.audience],
    ['scope', message.scope],
    ['requested_token_type', message.requestedTokenType],
    ['client_id', message.clientId],
    ['client_secret', message.clientSecret],
    ['client_assertion_type', message.clientAssertionType],
    ['client_assertion', message.clientAssertion],
    ['impersonate', message.impersonate ? 'true' : ''],
    ['request_context', message.requestContext],
    ['request_details', message.requestDetails],
  ];
}
