import type { MessageInitShape } from '@bufbuild/protobuf';
import { type Timestamp, timestampFromMs } from '@bufbuild/protobuf/wkt';
import { Basis, type ExplainResponseSchema, Role, TokenState } from '@mono-auth/proto/monoauth/tokens/v1/tokens';
import { targetToProto } from '@mono-auth/revocation';
import type { Ending, ExplainedAncestor, Explanation } from './explain-token.ts';
import type { HandleRole, TokenHandle } from './token-handles.ts';

const wireBasis = { token: Basis.TOKEN, evidence: Basis.EVIDENCE } as const;
const wireState = { active: TokenState.ACTIVE, expired: TokenState.EXPIRED, revoked: TokenState.REVOKED } as const;
const wireRole: Record<HandleRole, Role> = {
  token: Role.TOKEN,
  ancestor: Role.ANCESTOR,
  subject: Role.SUBJECT,
  actor: Role.ACTOR,
  client: Role.CLIENT,
  session: Role.SESSION,
  grant: Role.GRANT,
  tenant: Role.TENANT,
  key: Role.KEY,
};

/** A field of this name; none for a time that is not known. */
function timeAs<N extends string>(name: N, ms: number | undefined): { readonly [K in N]?: Timestamp } {
  const field = ms === undefined || !Number.isFinite(ms) ? {} : { [name]: timestampFromMs(ms) };
  return field as { readonly [K in N]?: Timestamp };
}

export function explanationToProto(found: Explanation): MessageInitShape<typeof ExplainResponseSchema> {
  const { key, evidence } = found;
  return {
    ...{ jti: found.jti, issuer: found.issuer, subject: found.subject, actors: [...found.actors] },
    basis: wireBasis[found.basis],
    state: wireState[found.state],
    ...{ clientId: found.clientId, hostId: found.hostId ?? '', sessionId: found.sessionId ?? '' },
    ...{ audience: [...found.audience], scope: found.scope, jkt: found.jkt ?? '', untold: [...found.untold] },
    ...timeAs('issuedAt', found.issuedAtMs),
    ...timeAs('expiresAt', found.expiresAtMs),
    epoch: BigInt(found.epoch ?? 0),
    feedSeq: BigInt(found.feedSeq),
    ...(found.decisionId !== '' && {
      decision: {
        decisionId: found.decisionId,
        policyVersion: BigInt(found.policyVersion),
        policies: [...found.policies],
      },
    }),
    ...(key && {
      key: {
        ...{ kid: key.kid, alg: key.alg, state: key.state },
        ...timeAs('createdAt', key.createdAtMs),
        ...timeAs('endedAt', key.endedAtMs),
      },
    }),
    grants: found.grantsKnown.map(({ id, grant }) => ({
      grantId: id,
      ...(grant && {
        ...{ clientId: grant.clientId, userId: grant.userId },
        ...timeAs('createdAt', grant.createdAtMs),
        ...timeAs('expiresAt', grant.expiresAtMs),
        ...timeAs('endedAt', grant.endedAtMs),
      }),
    })),
    ancestors: found.lineage.map(ancestorToProto),
    handles: found.handles.map(handleToProto),
    endings: found.endings.map(endingToProto),
    ...(evidence && {
      evidence: {
        ...{ eventId: evidence.id, type: evidence.type, requestId: evidence.requestId },
        requestedBy: evidence.actor,
        leafIndex: BigInt(evidence.leafIndex ?? -1),
      },
    }),
  };
}

function ancestorToProto({ jti, endedBy, facts }: ExplainedAncestor) {
  return {
    ...{ jti, endedBy: BigInt(endedBy ?? 0), known: facts !== undefined },
    ...(facts && {
      ...{ subject: facts.subject, actors: [...facts.actors], clientId: facts.clientId },
      ...{ audience: [...facts.audience], scope: facts.scope, ancestors: [...facts.ancestors] },
      ...timeAs('issuedAt', facts.issuedAtMs),
      ...timeAs('expiresAt', facts.expiresAtMs),
    }),
  };
}

function handleToProto({ role, target, endedBy }: TokenHandle) {
  const handle =
    target.kind === 'key'
      ? ({ case: 'kid', value: target.id } as const)
      : ({ case: 'target', value: targetToProto(target) } as const);
  return { role: wireRole[role], handle, endedBy: BigInt(endedBy ?? 0) };
}

function endingToProto({ seq, why, handle, id, atMs, order }: Ending) {
  return {
    ...{ seq: BigInt(seq), why, id: handle, revocationId: id ?? '' },
    ...timeAs('at', atMs),
    ...{ revokedBy: order?.createdBy ?? '', reason: order?.reason ?? '' },
  };
}
