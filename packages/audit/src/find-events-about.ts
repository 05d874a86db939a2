import { fromBinary } from '@bufbuild/protobuf';
import { timestampMs } from '@bufbuild/protobuf/wkt';
import type { EventId } from '@mono-auth/core/ids';
import type { TenantTx } from '@mono-auth/database';
import { EventSchema } from '@mono-auth/proto/monoauth/audit/v1/audit';
import { selectEventsAbout } from './store.ts';

/** An event as it was written; fields that it left out are empty. */
export interface RecordedEvent {
  readonly id: EventId;
  readonly type: string;
  readonly occurredAtMs: number;
  /** Who did it, and on whose behalf where that is somebody else. */
  readonly actor: string;
  readonly subject: string;
  readonly objectId: string;
  readonly requestId: string;
  readonly decisionId: string;
  readonly policyVersion: number;
  readonly detail: Readonly<Record<string, string | number | boolean>>;
  /** Its place in the tenant's log; undefined while not sealed. */
  readonly leafIndex: number | undefined;
}

/** What the log of the tenant has about these objects, the oldest first. Bounded by the caller's list. */
export async function findEventsAbout(
  tx: TenantTx,
  objects: { readonly kind: string; readonly ids: readonly string[]; readonly types: readonly string[] },
): Promise<RecordedEvent[]> {
  return (await selectEventsAbout(tx, objects)).map(({ id, envelope, leafIndex }) => {
    const { type, occurredAt, actor, subject, objectId, requestId, decisionId, policyVersion, detailJson } = fromBinary(
      EventSchema,
      envelope,
    );
    return {
      ...{ id, type, actor, subject, objectId, requestId, decisionId, leafIndex },
      occurredAtMs: occurredAt ? timestampMs(occurredAt) : 0,
      policyVersion: Number(policyVersion),
      // Written by `append`: sorted members and scalar values.
      detail: detailJson === '' ? {} : (JSON.parse(detailJson) as RecordedEvent['detail']),
    };
  });
}
