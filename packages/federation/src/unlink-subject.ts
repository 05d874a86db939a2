import { append } from '@mono-auth/audit';
import { notFound } from '@mono-auth/core/errors';
import type { GrantId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import type { TenantTx } from '@mono-auth/database';
import type { Feed } from '@mono-auth/feed';
import type { Casualty } from '@mono-auth/revocation';
import { cutOff } from './cut-off.ts';
import type { FederatedSubject } from './federated-subject.ts';
import { endSubject, lockSubject } from './store/subjects.ts';

/** Ends a link and what was issued for it. A repetition changes nothing. @throws Refusal `not_found`. */
export async function unlinkSubject(
  tx: TenantTx,
  call: Call,
  feed: Pick<Feed, 'append'>,
  id: GrantId,
): Promise<FederatedSubject> {
  const { subject, ended } = await endLink(tx, call, id);
  if (ended.length > 0) await cutOff(feed, tx, call, id, 'the subject was unlinked');
  return subject;
}

/** The same without the entry of the feed: its caller has one that ends its tokens. @throws Refusal `not_found`. */
export async function endLink(
  tx: TenantTx,
  call: Call,
  id: GrantId,
): Promise<{ readonly subject: FederatedSubject; readonly ended: Casualty[] }> {
  const found = await lockSubject(tx, id);
  if (!found) throw notFound('subject');
  if (!found.living) return { subject: found.subject, ended: [] };
  await endSubject(tx, id, call.runtime.nowMs());
  await append(tx, call, { type: 'subject.unlinked', object: { kind: 'federated_subject', id } });
  return { subject: found.subject, ended: [{ kind: 'federated_subject', count: 1 }] };
}
