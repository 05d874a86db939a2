import type { Runtime } from '@mono-auth/core/runtime';
import type { TenantTx } from '@mono-auth/database';
import type { Casualty, RevocationParticipant, RevocationTarget } from '@mono-auth/revocation';
import { type ConsentSelection, countLivingConsents, endConsents, selectConsent } from './store.ts';

/**
 * What a revocation does to consents: those from a person, and those to an agent or the agents of a host, end with it. The
 * tenant as a whole keeps them: a consent is no credential, and whatever was made by it has died.
 */
export function consentParticipant({ runtime }: { readonly runtime: Runtime }): RevocationParticipant {
  const casualty = (count: number): Casualty[] => (count > 0 ? [{ kind: 'consent', count }] : []);
  return {
    kind: 'consent',
    async preview(tx, target) {
      const selection = await selectionOf(tx, target);
      return selection ? casualty(await countLivingConsents(tx, selection, runtime.nowMs())) : [];
    },
    async apply(tx, call, target) {
      const selection = await selectionOf(tx, target);
      return selection ? casualty(await endConsents(tx, selection, call.runtime.nowMs())) : [];
    },
  };
}

/** A grant may be what a client was allowed, too: whoever knows neither says that it is not there. */
async function selectionOf(tx: TenantTx, target: RevocationTarget): Promise<ConsentSelection | undefined> {
  switch (target.kind) {
    case 'grant':
      return (await selectConsent(tx, target.id)) ? { id: target.id } : undefined;
    case 'user':
      return { userId: target.id };
    case 'agent':
      return { agentId: target.id };
    case 'host':
      return { hostId: target.id };
    default:
      return undefined;
  }
}
