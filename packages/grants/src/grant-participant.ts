import { notFound } from '@mono-auth/core/errors';
import type { GrantId } from '@mono-auth/core/ids';
import type { Runtime } from '@mono-auth/core/runtime';
import type { TenantTx } from '@mono-auth/database';
import type { Casualty, RevocationParticipant, RevocationTarget } from '@mono-auth/revocation';
import { countLivingGrants, endGrants, type GrantSelection, selectGrant } from './store/grants.ts';

interface GrantParticipantDeps {
  readonly runtime: Runtime;
  /** Whether a grant that is none of ours is somebody else's: a delegation edge goes by such an id too. */
  readonly isOther: (tx: TenantTx, id: GrantId) => Promise<boolean>;
}

/** What a revocation does to grants: those of the target end, and no refresh token of theirs works again. */
export function grantParticipant({ runtime, isOther }: GrantParticipantDeps): RevocationParticipant {
  const casualty = (count: number): Casualty[] => (count > 0 ? [{ kind: 'grant', count }] : []);
  return {
    kind: 'grant',
    async preview(tx, target) {
      const selection = await selectionOf(tx, target, isOther);
      return selection ? casualty(await countLivingGrants(tx, selection, runtime.nowMs())) : [];
    },
    async apply(tx, call, target) {
      const selection = await selectionOf(tx, target, isOther);
      return selection ? casualty((await endGrants(tx, selection, call.runtime.nowMs())).length) : [];
    },
  };
}

/** @throws Refusal `not_found` for a grant that is not of this tenant. */
async function selectionOf(
  tx: TenantTx,
  target: RevocationTarget,
  isOther: GrantParticipantDeps['isOther'],
): Promise<GrantSelection | undefined> {
  switch (target.kind) {
    case 'grant':
      if (await selectGrant(tx, target.id)) return { id: target.id };
      if (await isOther(tx, target.id)) return undefined;
      throw notFound('grant');
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
