import { Refusal } from '@mono-auth/core/errors';
import { parseScope } from '@mono-auth/core/token-claims';

/** Ceilings that hold over every client and grant of a tenant. They are read at each mint: lowering one holds from then on. */
export interface SecurityPolicy {
  readonly accessTokenTtlSecondsMax: number;
  readonly refreshTokenTtlSecondsMax: number;
  readonly clientSecretTtlSecondsMax: number;
  /** Empty: every grant that is served. */
  readonly grantTypes: string[];
  /** Scope values that any client may have; empty: no ceiling. */
  readonly scopes: string[];
  /** Every token is bound to a key of its client (RFC 9449). */
  readonly dpopRequired: boolean;
  /** RFC 7591 and 7592, with an initial access token. */
  readonly dynamicRegistration: boolean;
  readonly metadataDocumentClients: MetadataDocumentClients;
  /** Authorization requests only by RFC 9126. */
  readonly pushedRequestsRequired: boolean;
  /** Assertions across domains, which are drafts: jwt-bearer grants, ID-JAG, identity chaining, transaction tokens. */
  readonly idJag: boolean;
  /** Clients whose instances an attester vouches for, which is a draft. */
  readonly clientAttestation: boolean;
}

/** `review`: each waits as a draft for its approval. `allowed`: public apps, with a person's consent. */
export type MetadataDocumentClients = 'disabled' | 'review' | 'allowed';

const daySeconds = 86_400;

/** What holds for a tenant that has said nothing: an hour, and what RFC 9700 §4.14.2 calls a reasonable time. */
const defaults: SecurityPolicy = {
  accessTokenTtlSecondsMax: 3_600,
  refreshTokenTtlSecondsMax: 30 * daySeconds,
  clientSecretTtlSecondsMax: 365 * daySeconds,
  grantTypes: [],
  scopes: [],
  dpopRequired: false,
  dynamicRegistration: false,
  metadataDocumentClients: 'allowed',
  pushedRequestsRequired: false,
  idJag: false,
  clientAttestation: false,
};

/** A policy and what a change of it is based on. */
export interface VersionedPolicy {
  readonly policy: SecurityPolicy;
  /** 0 before the first change. */
  readonly version: number;
}

/** A policy as its row has it: what an earlier release did not know has its default. */
export function policyOf(row: { policy: Partial<SecurityPolicy>; version: number } | undefined): VersionedPolicy {
  return { policy: { ...defaults, ...row?.policy }, version: row?.version ?? 0 };
}

/** Shortest and longest that each ceiling may be, seconds: as the API says. */
const bounds = {
  accessTokenTtlSecondsMax: [60, daySeconds],
  refreshTokenTtlSecondsMax: [300, 365 * daySeconds],
  clientSecretTtlSecondsMax: [3_600, 365 * daySeconds],
} as const satisfies Partial<Record<keyof SecurityPolicy, readonly [number, number]>>;

const grantTypePattern = /^[\x21-\x7e]{1,120}$/;

/** @throws Refusal `invalid_request` naming the field. @returns the policy, each value of a list once. */
export function readPolicy(policy: SecurityPolicy): SecurityPolicy {
  for (const [name, [min, max]] of Object.entries(bounds) as [keyof typeof bounds, readonly [number, number]][]) {
    const seconds = policy[name];
    if (!Number.isSafeInteger(seconds) || seconds < min || seconds > max) {
      throw refuse(fieldOf(name), `${min} to ${max} seconds`);
    }
  }
  if (!policy.grantTypes.every((grant) => grantTypePattern.test(grant)))
    throw refuse('grant_types', 'not a grant type');
  if (!policy.scopes.every((scope) => !scope.includes(' ') && parseScope(scope)?.length === 1)) {
    throw refuse('scopes', 'not a scope value');
  }
  return { ...policy, grantTypes: [...new Set(policy.grantTypes)], scopes: [...new Set(policy.scopes)] };
}

function fieldOf(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function refuse(field: string, why: string): Refusal {
  return new Refusal('invalid_request', `policy.${field}: ${why}`);
}
