import type { GrantId } from '@mono-auth/core/ids';
import type { Call } from '@mono-auth/core/principal';
import type { TenantTx } from '@mono-auth/database';
import type { Casualty, RevocationParticipant } from '@mono-auth/revocation';
import { endIssuer } from './remove-issuer.ts';
import { endTrust } from './remove-resource-server.ts';
import { countLiving, selectTrustKind, type TrustKind } from './store/handles.ts';
import { endLink } from './unlink-subject.ts';

const ends: Record<TrustKind, (tx: TenantTx, call: Call, id: GrantId) => Promise<{ readonly ended: Casualty[] }>> = {
  trusted_issuer: (tx, call, id) => endIssuer(tx, call, { id, reason: 'revoked' }),
  federated_subject: endLink,
  resource_server: endTrust,
};

/**
 * What a revocation does to trust across domains: an issuer is removed with its links, a link or the trust in another server
 * ends. Its entry of the feed is that of the revocation. Links of a person, an agent or a client outlive them: whoever has
 * ended gets nothing by a link.
 */
export function federationParticipant(): RevocationParticipant {
  return {
    kind: 'federation',
    async preview(tx, target) {
      return target.kind === 'grant' ? casualties(await countLiving(tx, target.id)) : [];
    },
    async apply(tx, call, target) {
      if (target.kind !== 'grant') return [];
      const kind = await selectTrustKind(tx, target.id);
      return kind ? (await ends[kind](tx, call, target.id)).ended : [];
    },
  };
}

/** Whether the id is of something here, ended or not: grants and consents go by such ids too. */
export async function isTrust(tx: TenantTx, id: GrantId): Promise<boolean> {
  return (await selectTrustKind(tx, id)) !== undefined;
}

function casualties(counted: Record<TrustKind, number>): Casualty[] {
  return Object.entries(counted).flatMap(([kind, count]) => (count > 0 ? [{ kind, count }] : []));
}
