import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { ServiceImpl } from '@connectrpc/connect';
import { notFound, Refusal } from '@mono-auth/core/errors';
import { parseId } from '@mono-auth/core/ids';
import { pageItemsDefault } from '@mono-auth/core/limits';
import type { RevocationService, Target } from '@mono-auth/proto/monoauth/revocation/v1/revocation';
import { callOf } from '@mono-auth/transport';
import type { Casualty, Revocation, RevocationTarget } from './revocation.ts';
import { previewRevocation, type RevocationDeps, revoke } from './revoke-target.ts';
import { findRevocation, listRevocations } from './store.ts';
import { targetToProto, toReceipt } from './to-proto.ts';
import { readReceipt } from './wait-for-receipt.ts';

export function revocationService(deps: RevocationDeps): ServiceImpl<typeof RevocationService> {
  const { database, runtime } = deps;
  return {
    async revoke({ target, reason, waitMs, idempotencyKey }, context) {
      const { revocation, receipt } = await revoke(deps, callOf(runtime, context), {
        target: readTarget(target),
        reason,
        waitMs,
        idempotencyKey: idempotencyKey || undefined,
        signal: context.signal,
      });
      return { revocation: toRevocation(revocation), receipt: toReceipt(receipt) };
    },

    async preview(request, context) {
      const { caller } = callOf(runtime, context);
      const target = readTarget(request.target);
      const casualties = await database.forTenant(caller.tenantId, (tx) =>
        previewRevocation(deps.participants, tx, target),
      );
      return { casualties: casualties.map(toCasualties) };
    },

    async listRevocations(request, context) {
      const { caller } = callOf(runtime, context);
      const limit = request.pageSize || pageItemsDefault;
      const before = request.pageToken === '' ? undefined : parseId('rev', request.pageToken, 'page_token');
      const rows = await database.forTenant(caller.tenantId, (tx) => listRevocations(tx, { before, limit }));
      return { revocations: rows.map(toRevocation), nextPageToken: rows.length < limit ? '' : (rows.at(-1)?.id ?? '') };
    },

    async getReceipt(request, context) {
      const { caller } = callOf(runtime, context);
      const id = parseId('rev', request.revocationId, 'revocation_id');
      const receipt = await database.forTenant(caller.tenantId, async (tx) => {
        const revocation = await findRevocation(tx, id);
        if (!revocation) throw notFound('revocation');
        return readReceipt(deps, tx, revocation);
      });
      return { receipt: toReceipt(receipt) };
    },
  } satisfies ServiceImpl<typeof RevocationService>;
}

function readTarget(target: Target | undefined): RevocationTarget {
  const { case: kind, value } = target?.target ?? { case: undefined, value: undefined };
  switch (kind) {
    case 'tokenId':
      return { kind: 'token', id: parseId('tok', value, 'target.token_id') };
    case 'sessionId':
      return { kind: 'session', id: parseId('ses', value, 'target.session_id') };
    case 'hostId':
      return { kind: 'host', id: parseId('hst', value, 'target.host_id') };
    case 'agentId':
      return { kind: 'agent', id: parseId('agt', value, 'target.agent_id') };
    case 'clientId':
      return { kind: 'client', id: parseId('cli', value, 'target.client_id') };
    case 'userId':
      return { kind: 'user', id: parseId('usr', value, 'target.user_id') };
    case 'grantId':
      return { kind: 'grant', id: parseId('gra', value, 'target.grant_id') };
    case 'tenant':
      return { kind: 'tenant' };
    default:
      throw new Refusal('invalid_request', 'target: a token, session, host, agent, client, user, grant or the tenant');
  }
}

function toCasualties({ kind, count }: Casualty) {
  return { kind, count: BigInt(count) };
}

function toRevocation({ id, target, reason, feedSeq, createdAtMs, createdBy, casualties }: Revocation) {
  return {
    id,
    target: targetToProto(target),
    reason,
    feedSeq: BigInt(feedSeq),
    createdAt: timestampFromMs(createdAtMs),
    createdBy,
    casualties: casualties.map(toCasualties),
  };
}
