import { fromBinary } from '@bufbuild/protobuf';
import type { ServiceImpl } from '@connectrpc/connect';
import { parseId } from '@mono-auth/core/ids';
import { pageItemsDefault } from '@mono-auth/core/limits';
import { note } from '@mono-auth/log-engine';
import { type AuditService, EventSchema } from '@mono-auth/proto/monoauth/audit/v1/audit';
import { callOf } from '@mono-auth/transport';
import { exportBundle } from './export-bundle.ts';
import { checkpointKey } from './log-key.ts';
import { proveConsistency, proveInclusion, requireTree } from './prove-event.ts';
import type { LogDeps } from './seal-tenant.ts';
import { listEvents, type StoredEvent } from './store.ts';

export function auditService(deps: Omit<LogDeps, 'originOf'>): ServiceImpl<typeof AuditService> {
  const { database, keys, runtime } = deps;
  return {
    async listEvents(request, context) {
      const { caller } = callOf(runtime, context);
      const limit = request.pageSize || pageItemsDefault;
      const before = request.pageToken === '' ? undefined : parseId('evt', request.pageToken, 'page_token');
      const events = await database.forTenant(caller.tenantId, (tx) =>
        listEvents(tx, { before, type: request.type, limit }),
      );
      return { events: events.map(toListed), nextPageToken: events.length < limit ? '' : (events.at(-1)?.id ?? '') };
    },

    async getCheckpoint(_request, context) {
      const { caller } = callOf(runtime, context);
      const tree = await database.forTenant(caller.tenantId, requireTree);
      const key = await checkpointKey(keys, caller.tenantId, tree);
      return { note: tree.note, size: BigInt(tree.size), vkey: note.formatVerifierKey(key) };
    },

    async proveInclusion(request, context) {
      const { caller } = callOf(runtime, context);
      const id = parseId('evt', request.eventId, 'event_id');
      const proven = await database.forTenant(caller.tenantId, (tx) => proveInclusion(tx, id));
      return { ...proven, leafIndex: BigInt(proven.leafIndex) };
    },

    async proveConsistency(request, context) {
      const { caller } = callOf(runtime, context);
      const proven = await database.forTenant(caller.tenantId, (tx) => proveConsistency(tx, Number(request.fromSize)));
      return { ...proven, toSize: BigInt(proven.toSize) };
    },

    async *exportBundle(request, context) {
      const { caller } = callOf(runtime, context);
      const range = { from: Number(request.fromIndex), to: Number(request.toIndex) };
      for await (const chunk of exportBundle(deps, caller.tenantId, range)) {
        // Nobody reads any more.
        if (context.signal.aborted) return;
        yield { chunk };
      }
    },
  } satisfies ServiceImpl<typeof AuditService>;
}

function toListed({ envelope, leafIndex }: StoredEvent) {
  return { event: fromBinary(EventSchema, envelope), leafIndex: BigInt(leafIndex ?? -1) };
}
