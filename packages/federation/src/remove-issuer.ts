import { append } from '@mono-auth/audit';
import { notFound } from '@mono-auth/core/errors';
import type { GrantId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import type { TenantTx } from '@mono-auth/database';
import type { Feed } from '@mono-auth/feed';
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
  { id, reason }: { readonly id: GrantId; readonly reason: string },
): Promise<TrustedIssuer> {
  const issuer = await lockIssuer(tx, id);
  if (!issuer) throw notFound('issuer');
  if (issuer.status === 'removed') return issuer;
  await updateIssuerStatus(tx, id, 'removed');
  await endSubjectsOf(tx, id, call.runtime.nowMs());
  await append(tx, call, { type: 'issuer.removed', object: { kind: 'issuer', id }, detail: { reason } });
  await cutOff(feed, tx, call, id, `issuer removed: ${reason}`);
  return { ...issuer, status: 'removed' };
}
