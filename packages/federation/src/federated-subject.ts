import type { AgentId, ClientId, GrantId, UserId } from '@mono-auth/core/ids';

/** Whom a subject is here. */
export type LinkedPrincipal =
  | { readonly kind: 'user'; readonly id: UserId }
  | { readonly kind: 'agent'; readonly id: AgentId }
  | { readonly kind: 'client'; readonly id: ClientId };

/** A name as its issuer gives it: unique within issuer and tenant there (ID-JAG §3.1), and never an e-mail address of ours. */
export interface SubjectName {
  readonly issuerId: GrantId;
  /** `sub`. */
  readonly subject: string;
  /** `tenant`; empty where the assertion has none. */
  readonly subjectTenant: string;
}

/** Whom a subject of a trusted issuer is in this tenant. */
export interface FederatedSubject extends SubjectName {
  /** In `grants` of every token made for it. */
  readonly id: GrantId;
  readonly principal: LinkedPrincipal;
  readonly createdAtMs: number;
}
