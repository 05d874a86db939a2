import type { ClientId, GrantId } from '@mono-auth/core/ids';

/** What is said to the other domain. `enterprise_managed`: ID-JAG as MCP profiles it, with `resource` required. */
export const assertionProfiles = ['id_jag', 'enterprise_managed', 'identity_chaining'] as const;
export type AssertionProfile = (typeof assertionProfiles)[number];

/** Where a client may take assertions about people of this tenant, and as whom. */
export interface ResourceServerTrust {
  readonly id: GrantId;
  /** `audience` of the exchange, `aud` of the assertion. */
  readonly issuer: string;
  readonly name: string;
  readonly clientId: ClientId;
  /** `client_id` of the assertion: what the client is called there. */
  readonly remoteClientId: string;
  readonly profile: AssertionProfile;
  /** Resources of the other domain that may be named. */
  readonly resources: readonly string[];
  /** At most these are said. */
  readonly scopes: readonly string[];
  readonly createdAtMs: number;
}
