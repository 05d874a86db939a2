import { toJson } from '@bufbuild/protobuf';
import { timestampMs } from '@bufbuild/protobuf/wkt';
import { Refusal } from '@mono-auth/core/errors';
import { parseId } from '@mono-auth/core/ids';
import {
  EnforcementState,
  type Receipt,
  ReceiptSchema,
  type Revocation,
  RevocationSchema,
  RevocationService,
} from '@mono-auth/proto/monoauth/revocation/v1/revocation';
import { TenantService } from '@mono-auth/proto/monoauth/tenants/v1/tenants';
import type { CliContext } from '../context.ts';
import { type OutputFlags, print, table, wordOf } from '../output.ts';
import { withClient } from '../rpc.ts';

export interface RevokeFlags extends OutputFlags {
  readonly reason: string;
  readonly wait: boolean;
}

export type RevokeKind = 'token' | 'session' | 'host' | 'agent' | 'client' | 'user' | 'grant' | 'tenant';

/** The longest that the server waits for everybody, milliseconds (monoauth.revocation.v1.RevokeRequest.wait_ms). */
const waitMsMax = 25_000;

export default async function revoke(
  this: CliContext,
  flags: RevokeFlags,
  kind: RevokeKind,
  id: string,
): Promise<void> {
  const target = await targetOf(this, kind, id);
  const waitMs = flags.wait ? waitMsMax : 0;
  const { revocation, receipt } = await withClient(this, RevocationService, (client) =>
    client.revoke({ target: { target }, reason: flags.reason, waitMs, idempotencyKey: this.runtime.uuid() }),
  );
  if (!revocation || !receipt) throw new Refusal('unavailable', 'revoke: the answer has no receipt');
  const document = { revocation: toJson(RevocationSchema, revocation), receipt: toJson(ReceiptSchema, receipt) };
  print(this, flags, document, linesOf(revocation, receipt));
  if (flags.wait && receipt.enforced < receipt.registered) {
    throw new Refusal(
      'unavailable',
      `revoked, but enforced at ${receipt.enforced} of ${receipt.registered} only so far`,
    );
  }
}

async function targetOf(context: CliContext, kind: RevokeKind, id: string) {
  if (kind === 'token') return { case: 'tokenId' as const, value: parseId('tok', id, 'ID') };
  if (kind === 'session') return { case: 'sessionId' as const, value: parseId('ses', id, 'ID') };
  if (kind === 'host') return { case: 'hostId' as const, value: parseId('hst', id, 'ID') };
  if (kind === 'agent') return { case: 'agentId' as const, value: parseId('agt', id, 'ID') };
  if (kind === 'client') return { case: 'clientId' as const, value: parseId('cli', id, 'ID') };
  if (kind === 'user') return { case: 'userId' as const, value: parseId('usr', id, 'ID') };
  if (kind === 'grant') return { case: 'grantId' as const, value: parseId('gra', id, 'ID') };
  // The tenant is always one's own; naming it says that everybody in it is meant.
  const { tenant } = await withClient(context, TenantService, (client) => client.getTenant({}));
  if (tenant?.id !== id && tenant?.slug !== id) {
    throw new Refusal('invalid_request', `ID: your own tenant is ${tenant?.slug}, ${tenant?.id}`);
  }
  return { case: 'tenant' as const, value: true };
}

function linesOf(revocation: Revocation, receipt: Receipt): string[] {
  const points = receipt.points.map(({ name, state, at }) => [
    name,
    wordOf(EnforcementState, state, 'ENFORCEMENT_STATE_'),
    at ? new Date(timestampMs(at)).toISOString() : '',
  ]);
  const until = receipt.jwksOnlyUntil;
  return [
    `revoked     ${revocation.id} at entry ${revocation.feedSeq}`,
    ...revocation.casualties.map(({ kind, count }) => `            ${count} ${kind}`),
    `enforced at ${receipt.enforced} of ${receipt.registered}`,
    ...(points.length > 0 ? table(['SUBSCRIBER', 'STATE', 'AT'], points) : []),
    ...(until ? [`verifiers that only use the JWKS: until ${new Date(timestampMs(until)).toISOString()}`] : []),
  ];
}
