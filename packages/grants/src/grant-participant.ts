import { notFound } from '@mono-auth/core/errors';
import type { Runtime } from '@mono-auth/core/runtime';
import type { TenantTx } from '@mono-auth/database';
import type { Casualty, RevocationParticipant, RevocationTarget } from '@mono-auth/revocation';
import { countLivingGrants, endGrants, type GrantSelection, selectGrant } from './store/grants.ts';

/** What a revocation does to grants: those of the target end, and no refresh token of theirs works again. */
export function grantParticipant({ runtime }: { readonly runtime: Runtime }): RevocationParticipant {
  const casualty = (count: number): Casualty[] => (count > 0 ? [{ kind: 'grant', count }] : []);
  return {
    kind: 'grant',
    async preview(tx, target) {
      const selection = await selectionOf(tx, target);
      return selection ? casualty(await countLivingGrants(tx, selection, runtime.nowMs())) : [];
    },
    async apply(tx, call, target) {
      const selection = await selectionOf(tx, target);
      return selection ? casualty((await endGrants(tx, selection, call.runtime.nowMs())).length) : [];
    },
  };
}

/** @throws Refusal `not_found` for a grant that is not of this tenant. */
async function selectionOf(tx: TenantTx, target: RevocationTarget): Promise<GrantSelection | undefined> {
  switch (target.kind) {
    case 'grant':
      if (!(await selectGrant(tx, target.id))) throw notFound('grant');
      return { id: target.id };
    case 'user':
      return { userId: target.id };
    case 'client':
      return { clientId: target.id };
    case 'session':
      return { sessionId: target.id };
    case 'tenant':
      return {};
    default:
      return undefined;
  }
}
