import { create } from '@bufbuild/protobuf';
import { timestampFromMs, timestampMs } from '@bufbuild/protobuf/wkt';
import type { ServiceImpl } from '@connectrpc/connect';
import { parseId } from '@mono-auth/core/ids';
import { pageItemsDefault } from '@mono-auth/core/limits';
import type { Runtime } from '@mono-auth/core/runtime';
import type { Database } from '@mono-auth/database';
import type { Feed } from '@mono-auth/feed';
import { AgentConsentSchema, type DelegationService } from '@mono-auth/proto/monoauth/delegation/v1/delegation';
import { callOf } from '@mono-auth/transport';
import { type AgentConsent, callingPerson } from './agent-consent.ts';
import { allowAgent } from './allow-agent.ts';
import { endAgentConsent } from './end-agent-consent.ts';
import { selectUserConsents } from './store.ts';

export interface DelegationDeps {
  readonly database: Database;
  readonly runtime: Runtime;
  readonly feed: Pick<Feed, 'append'>;
}

export function delegationService({ database, runtime, feed }: DelegationDeps) {
  return {
    async allowAgent({ agentId, scopes, audiences, expiresAt, idempotencyKey }, context) {
      const call = callOf(runtime, context);
      const input = {
        agentId: parseId('agt', agentId, 'agent_id'),
        ...{ scopes, audiences },
        expiresAtMs: expiresAt ? timestampMs(expiresAt) : 0,
        idempotencyKey: idempotencyKey || undefined,
      };
      const consent = await database.forTenant(call.caller.tenantId, (tx) => allowAgent(tx, call, input));
      return { consent: consentToProto(consent) };
    },
    async listAgentConsents(request, context) {
      const call = callOf(runtime, context);
      const userId = callingPerson(call);
      const after = request.pageToken ? parseId('gra', request.pageToken, 'page_token') : undefined;
      const size = request.pageSize || pageItemsDefault;
      // One more than is shown says whether there is a next page.
      const found = await database.forTenant(call.caller.tenantId, (tx) =>
        selectUserConsents(tx, userId, after, size + 1),
      );
      const shown = found.slice(0, size);
      const nextPageToken = found.length > size ? (shown.at(-1)?.id ?? '') : '';
      return { consents: shown.map(consentToProto), nextPageToken };
    },
    async endAgentConsent(request, context) {
      const call = callOf(runtime, context);
      const id = parseId('gra', request.id, 'id');
      const consent = await database.forTenant(call.caller.tenantId, (tx) => endAgentConsent(feed, tx, call, id));
      return { consent: consentToProto(consent) };
    },
  } satisfies ServiceImpl<typeof DelegationService>;
}

function consentToProto({ id, agentId, scopes, audiences, createdAtMs, expiresAtMs, endedAtMs }: AgentConsent) {
  return create(AgentConsentSchema, {
    ...{ id, agentId, scopes: [...scopes], audiences: [...audiences] },
    createdAt: timestampFromMs(createdAtMs),
    expiresAt: timestampFromMs(expiresAtMs),
    ...(endedAtMs !== undefined && { endedAt: timestampFromMs(endedAtMs) }),
  });
}
