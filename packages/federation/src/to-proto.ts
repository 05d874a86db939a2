import { create, type JsonObject } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { Refusal } from '@mono-auth/core/errors';
import { parseId } from '@mono-auth/core/ids';
import {
  FederatedSubjectSchema,
  type LinkSubjectRequest,
  ResourceServerTrustSchema,
  TrustedIssuerSchema,
  type TrustIssuerRequest,
  type UpdateIssuerRequest,
  AssertionProfile as WireProfile,
  AssertionPurpose as WirePurpose,
  IssuerStatus as WireStatus,
} from '@mono-auth/proto/monoauth/federation/v1/federation';
import type { FederatedSubject, LinkedPrincipal } from './federated-subject.ts';
import type { BoundsInput } from './issuer-bounds.ts';
import { type AssertionProfile, assertionProfiles, type ResourceServerTrust } from './resource-server-trust.ts';
import { type AssertionPurpose, assertionPurposes, type IssuerStatus, type TrustedIssuer } from './trusted-issuer.ts';

const wirePurpose: Record<AssertionPurpose, WirePurpose> = {
  id_jag: WirePurpose.ID_JAG,
  workload: WirePurpose.WORKLOAD,
  identity_chaining: WirePurpose.IDENTITY_CHAINING,
  client_attestation: WirePurpose.CLIENT_ATTESTATION,
};
const wireStatus: Record<IssuerStatus, WireStatus> = {
  trusted: WireStatus.TRUSTED,
  suspended: WireStatus.SUSPENDED,
  removed: WireStatus.REMOVED,
};
const wireProfile: Record<AssertionProfile, WireProfile> = {
  id_jag: WireProfile.ID_JAG,
  enterprise_managed: WireProfile.ENTERPRISE_MANAGED,
  identity_chaining: WireProfile.IDENTITY_CHAINING,
};

export function issuerToProto({ keys, ...issuer }: TrustedIssuer) {
  return create(TrustedIssuerSchema, {
    id: issuer.id,
    issuer: issuer.issuer,
    name: issuer.name,
    status: wireStatus[issuer.status],
    purposes: issuer.purposes.map((purpose) => wirePurpose[purpose]),
    ...('jwks' in keys ? { jwks: { keys: keys.jwks.keys as JsonObject[] } } : { jwksUri: keys.jwksUri }),
    clientIds: [...issuer.clientIds],
    scopes: [...issuer.scopes],
    audiences: [...issuer.audiences],
    assertionTtlSecondsMax: issuer.assertionTtlSecondsMax,
    oneTime: issuer.oneTime,
    multiTenant: issuer.multiTenant,
    acrValues: [...issuer.acrValues],
    maxAgeSeconds: issuer.maxAgeSeconds,
    version: BigInt(issuer.version),
    createdAt: timestampFromMs(issuer.createdAtMs),
  });
}

export function subjectToProto({ id, issuerId, subject, subjectTenant, principal, createdAtMs }: FederatedSubject) {
  return create(FederatedSubjectSchema, {
    ...{ id, issuerId, subject, subjectTenant },
    principal: { case: `${principal.kind}Id`, value: principal.id },
    createdAt: timestampFromMs(createdAtMs),
  });
}

export function resourceServerToProto({ profile, resources, scopes, createdAtMs, ...trust }: ResourceServerTrust) {
  return create(ResourceServerTrustSchema, {
    ...trust,
    profile: wireProfile[profile],
    resources: [...resources],
    scopes: [...scopes],
    createdAt: timestampFromMs(createdAtMs),
  });
}

/** @throws Refusal `invalid_request`. */
export function boundsFromProto(request: TrustIssuerRequest | UpdateIssuerRequest): BoundsInput {
  const { name, scopes, audiences, assertionTtlSecondsMax, oneTime, acrValues, maxAgeSeconds, jwks } = request;
  return {
    ...{ name, scopes, audiences, assertionTtlSecondsMax, oneTime, acrValues, maxAgeSeconds, jwks },
    purposes: request.purposes.map(purposeFromProto),
    jwksUri: request.jwksUri || undefined,
    clientIds: request.clientIds.map((id) => parseId('cli', id, 'client_ids')),
  };
}

function purposeFromProto(wire: WirePurpose): AssertionPurpose {
  const purpose = assertionPurposes.find((one) => wirePurpose[one] === wire);
  if (!purpose)
    throw new Refusal('invalid_request', 'purposes: ID_JAG, WORKLOAD, IDENTITY_CHAINING or CLIENT_ATTESTATION');
  return purpose;
}

/** @throws Refusal `invalid_request`. */
export function profileFromProto(wire: WireProfile): AssertionProfile {
  const profile = assertionProfiles.find((one) => wireProfile[one] === wire);
  if (!profile) throw new Refusal('invalid_request', 'profile: ID_JAG, ENTERPRISE_MANAGED or IDENTITY_CHAINING');
  return profile;
}

/** @throws Refusal `invalid_request`. */
export function principalFromProto({ principal }: Pick<LinkSubjectRequest, 'principal'>): LinkedPrincipal {
  switch (principal.case) {
    case 'userId':
      return { kind: 'user', id: parseId('usr', principal.value, 'user_id') };
    case 'agentId':
      return { kind: 'agent', id: parseId('agt', principal.value, 'agent_id') };
    case 'clientId':
      return { kind: 'client', id: parseId('cli', principal.value, 'client_id') };
    default:
      throw new Refusal('invalid_request', 'principal: user_id, agent_id or client_id');
  }
}
