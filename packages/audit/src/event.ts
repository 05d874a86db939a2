import { create, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { DecisionId, EventId, TokenId } from '@mono-auth/core/ids';
import type { Caller, Principal } from '@mono-auth/core/principal';
import { actorChain } from '@mono-auth/core/token-claims';
import type { AuditRow } from '@mono-auth/database';
import { EventSchema, Outcome } from '@mono-auth/proto/monoauth/audit/v1/audit';

/** What happened, in the words of the capability where it happened. Who, when and from where come from the call. */
export interface AuditEvent {
  /** noun.verb in the past, as in host.enrolled. */
  type: string;
  /** Default: success. */
  outcome?: 'success' | 'denied' | 'failed';
  /** Refusal reason when the outcome is not a success. */
  reason?: string;
  object: { kind: string; id: string };
  /** On whose behalf, where the call does not say it. */
  subject?: Principal;
  decisionId?: DecisionId;
  policyVersion?: number;
  /** The token that the event is about; default: the one that the call carries. */
  tokenId?: TokenId;
  /** Further facts; never a credential. */
  detail?: Record<string, string | number | boolean>;
}

/** Version of the envelope. Its fields are frozen. */
const envelopeVersion = 1;

const outcomes = { success: Outcome.SUCCESS, denied: Outcome.DENIED, failed: Outcome.FAILED } as const;

/** The row of an event; its envelope is the entry of the log. */
export function auditRow(id: EventId, occurredAtMs: number, caller: Caller, event: AuditEvent): AuditRow {
  const outcome = outcomes[event.outcome ?? 'success'];
  // RFC 8693 §4.1: the outermost `act` is the current actor, nested ones are earlier.
  const [actor = caller.principal, ...earlier] = actorChain(caller.act);
  const subject = event.subject ?? caller.principal;
  const { object, type } = event;
  const envelope = create(EventSchema, {
    envelopeVersion,
    id,
    tenantId: caller.tenantId,
    occurredAt: timestampFromMs(occurredAtMs),
    type,
    outcome,
    reason: event.reason ?? '',
    actor,
    actorChain: earlier,
    subject: subject === actor ? '' : subject,
    objectKind: object.kind,
    objectId: object.id,
    requestId: caller.requestId,
    decisionId: event.decisionId ?? '',
    policyVersion: BigInt(event.policyVersion ?? 0),
    clientId: caller.clientId ?? '',
    sessionId: caller.sessionId ?? '',
    tokenId: event.tokenId ?? caller.tokenId ?? '',
    ip: caller.ip,
    detailJson: canonicalJson(event.detail ?? {}),
  });
  return {
    tenantId: caller.tenantId,
    id,
    occurredAtMs,
    type,
    outcome,
    actor,
    objectKind: object.kind,
    objectId: object.id,
    // Without maps, and with fields written in the order of their numbers, the binary form is deterministic.
    envelope: toBinary(EventSchema, envelope),
  };
}

/** Members sorted by name; empty when there are none. */
function canonicalJson(detail: Record<string, string | number | boolean>): string {
  const names = Object.keys(detail).sort();
  return names.length === 0 ? '' : JSON.stringify(Object.fromEntries(names.map((name) => [name, detail[name]])));
}
