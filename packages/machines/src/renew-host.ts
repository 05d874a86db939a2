import { append } from '@mono-auth/audit';
import { hostClients } from '@mono-auth/clients';
import { notFound, Refusal } from '@mono-auth/core/errors';
import type { HostId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import type { TenantTx } from '@mono-auth/database';
import type { Feed } from '@mono-auth/feed';
import type { Signer } from '@mono-auth/keys';
import { readTenant, type TenantRecord } from '@mono-auth/tenants';
import type { Host, Renewal } from './host.ts';
import type { HostKey } from './host-key.ts';
import { signJoinState } from './join-state.ts';
import { quarantineHost } from './quarantine-host.ts';
import { lockHost, updateGeneration } from './store/hosts.ts';

export interface RenewHostInput {
  readonly hostId: HostId;
  /** What the join state says, our signature and the holder's proof of its key verified. */
  readonly generation: number;
  readonly incarnation: number;
  readonly requestId: string;
  /** Proven as well when it is another than the key of the join state. */
  readonly nextKey: HostKey;
  readonly issuer: string;
  readonly joinSigner: Signer;
}

/** A clone is an outcome and no exception: the quarantine has to be committed before the call is refused. */
export type RenewOutcome =
  | { readonly kind: 'renewed'; readonly host: Host; readonly joinState: string }
  | { readonly kind: 'clone' };

/**
 * Advances a host's generation by what it presents: the current generation advances; the previous one with the same
 * request and key gets the same answer (it was lost on the way); anything else that is old is a copy of the host.
 * @throws Refusal `not_found`; `denied` when host or tenant is not active; `verification_failed` when our own signature
 * vouches for more than the database knows.
 */
export async function renewHost(
  tx: TenantTx,
  call: Call,
  feed: Pick<Feed, 'append'>,
  input: RenewHostInput,
): Promise<RenewOutcome> {
  const tenant = await readTenant(tx);
  const host = await lockHost(tx, input.hostId);
  if (!host) throw notFound('host');
  if (tenant.status !== 'active') throw new Refusal('denied', 'the tenant is not active');
  if (host.status !== 'active') throw new Refusal('denied', `the host is ${host.status}`);
  if (input.generation > host.generation || input.incarnation > tenant.incarnation) {
    // Only a database that was rolled back can be behind what we have signed (architecture section 6).
    throw new Refusal('verification_failed', 'the join state is ahead of the database');
  }
  if (input.generation === host.generation) return advance(tx, call, tenant, host, input);
  const last = host.lastRenewal;
  const isRetry =
    input.generation === host.generation - 1 &&
    last?.requestId === input.requestId &&
    last.nextJkt === input.nextKey.jkt;
  if (isRetry) return { kind: 'renewed', host, joinState: last.answer };
  await quarantineHost(tx, call, feed, host, 'an old generation was presented again');
  return { kind: 'clone' };
}

async function advance(
  tx: TenantTx,
  call: Call,
  tenant: TenantRecord,
  host: Host,
  { requestId, nextKey, issuer, joinSigner }: RenewHostInput,
): Promise<RenewOutcome> {
  const nowMs = call.runtime.nowMs();
  // The current key given again stays as it is, under the kid that it has.
  const key = nextKey.jkt === host.jkt ? { publicJwk: host.publicJwk } : { publicJwk: nextKey.jwk, jkt: nextKey.jkt };
  const renewed: Host = { ...host, ...key, generation: host.generation + 1, renewedAtMs: nowMs };
  const joinState = await signJoinState(joinSigner, { ...tenant, issuer }, renewed, nowMs);
  const renewal: Renewal = { requestId, nextJkt: nextKey.jkt, answer: joinState };
  await updateGeneration(tx, renewed, renewal);
  if (renewed.jkt !== host.jkt) await hostClients.replaceClientKey(tx, host.clientId, renewed.publicJwk);
  await append(tx, call, {
    type: 'host.renewed',
    object: { kind: 'host', id: host.id },
    detail: { generation: renewed.generation, jkt: renewed.jkt },
  });
  return { kind: 'renewed', host: { ...renewed, lastRenewal: renewal }, joinState };
}
