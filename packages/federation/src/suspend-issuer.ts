import { append } from '@mono-auth/audit';
import { notFound } from '@mono-auth/core/errors';
import type { GrantId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import type { TenantTx } from '@mono-auth/database';
import type { Feed } from '@mono-auth/feed';
import { cutOff } from './cut-off.ts';
import { lockIssuer, updateIssuerStatus } from './store/issuers.ts';
import type { TrustedIssuer } from './trusted-issuer.ts';

/** The issuer that is about to change. @throws Refusal `not_found`, also for one that was removed. */
export async function requireIssuer(tx: TenantTx, id: GrantId): Promise<TrustedIssuer> {
  const issuer = await lockIssuer(tx, id);
  if (!issuer || issuer.status === 'removed') throw notFound('issuer');
  return issuer;
}

/**
 * Takes no assertion of the issuer until it is resumed, and ends what was issued from them: one transaction with its
 * evidence and its entry in the feed. A repetition changes nothing.
 * @throws Refusal `not_found`.
 */
export async function suspendIssuer(
  tx: TenantTx,
  call: Call,
  feed: Pick<Feed, 'append'>,
  { id, reason }: { readonly id: GrantId; readonly reason: string },
): Promise<TrustedIssuer> {
  const issuer = await requireIssuer(tx, id);
  if (issuer.status === 'suspended') return issuer;
  await updateIssuerStatus(tx, id, 'suspended');
  await append(tx, call, { type: 'issuer.suspended', object: { kind: 'issuer', id }, detail: { reason } });
  await cutOff(feed, tx, call, id, `issuer suspended: ${reason}`);
  return { ...issuer, status: 'suspended' };
}
