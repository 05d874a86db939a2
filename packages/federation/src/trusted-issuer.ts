import type { PublicJwks } from '@mono-auth/clients';
import type { ClientId, GrantId } from '@mono-auth/core/ids';

/** What assertions of an issuer may be used for. Who is trusted for one is trusted for no other. */
export const assertionPurposes = ['id_jag', 'workload', 'identity_chaining', 'client_attestation'] as const;
export type AssertionPurpose = (typeof assertionPurposes)[number];

export type IssuerStatus = 'trusted' | 'suspended' | 'removed';

/** Where the keys of an issuer are: with us, or at an address that it publishes them at. */
export type IssuerKeys = { readonly jwks: PublicJwks } | { readonly jwksUri: string };

/** Another issuer whose assertions count here (RFC 7523 §3 item 1). */
export interface TrustedIssuer {
  /** In `grants` of every token made from its assertions. */
  readonly id: GrantId;
  /** Compared exactly with `iss`. */
  readonly issuer: string;
  readonly name: string;
  readonly status: IssuerStatus;
  readonly purposes: readonly AssertionPurpose[];
  readonly keys: IssuerKeys;
  /** Who may show its assertions; empty: every client that was approved for the grant. */
  readonly clientIds: readonly ClientId[];
  /** At most these are granted. */
  readonly scopes: readonly string[];
  /** Tokens are made for these alone. */
  readonly audiences: readonly string[];
  /** Longest life of an assertion, from `iat` to `exp`. */
  readonly assertionTtlSecondsMax: number;
  /** An assertion works once; else its client may show it again until it expires. */
  readonly oneTime: boolean;
  /** `tenant` must be in its assertions, and is part of the subject's name. */
  readonly multiTenant: boolean;
  /** The person must have signed in by one of these (`acr`); empty: in any way. */
  readonly acrValues: readonly string[];
  /** Seconds since the person signed in (`auth_time`); 0: any. */
  readonly maxAgeSeconds: number;
  /** Of what an update replaces; 1 as it was trusted first. */
  readonly version: number;
  readonly createdAtMs: number;
}
