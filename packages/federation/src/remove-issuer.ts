import { append } from '@mono-auth/audit';
import { notFound } from '@mono-auth/core/errors';
import type { GrantId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import type { TenantTx } from '@mono-auth/database';
import type { Feed } from '@mono-auth/feed';
import type { Casualty } from '@mono-auth/revocation';
import { cutOff } from './cut-off.ts';
import { lockIssuer, updateIssuerStatus } from './store/issuers.ts';
import { endSubjectsOf } from './store/subjects.ts';
import type { TrustedIssuer } from './trusted-issuer.ts';

/**
 * Ends the trust for good, with its links and with everything that was issued from its assertions. The name may be trusted
 * again, as somebody new: its former subjects are linked to nobody. A repetition changes nothing.
 * @throws Refusal `not_found`.
 */
export async function removeIssuer(
  tx: TenantTx,
  call: Call,
  feed: Pick<Feed, 'append'>,
  order: { readonly id: GrantId; readonly reason: string },
): Promise<TrustedIssuer> {
  const { issuer, ended } = await endIssuer(tx, call, order);
  if (ended.length > 0) await cutOff(feed, tx, call, order.id, `issuer removed: ${order.reason}`);
  return issuer;
}

/** The same without the entry of the feed: its caller has one that ends its tokens. @throws Refusal `not_found`. */
export async function endIssuer(
  tx: TenantTx,
  call: Call,
  { id, reason }: { readonly id: GrantId; readonly reason: string },
): Promise<{ readonly issuer: TrustedIssuer; readonly ended: Casualty[] }> {
  const issuer = await lockIssuer(tx, id);
  if (!issuer) throw notFound('issuer');
  if (issuer.status === 'removed') return { issuer, ended: [] };
  await updateIssuerStatus(tx, id, 'removed');
  const links = await endSubjectsOf(tx, id, call.runtime.nowMs());
  await append(tx, call, { type: 'issuer.removed', object: { kind: 'issuer', id }, detail: { reason } });
  const ended = [
    { kind: 'trusted_issuer', count: 1 },
    ...(links > 0 ? [{ kind: 'federated_subject', count: links }] : []),
  ];
  return { issuer: { ...issuer, status: 'removed' }, ended };
}
