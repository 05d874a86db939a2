import type { SessionId, TenantId, UserId } from '@mono-auth/core/ids';
import type { Tenant } from '@mono-auth/tenants';

/** What stands behind an authorization code (RFC 6749 §4.1.2). Reading it uses nothing up. */
export interface AuthorizationCode {
  /** As the client calls itself: its id, or the URL of its metadata document. */
  readonly clientName: string;
  readonly redirectUri: string;
  /** S256 (RFC 7636 §4.2). */
  readonly codeChallenge: string;
  readonly userId: UserId;
  readonly sessionId: SessionId;
  /** What the person allowed. */
  readonly scopes: readonly string[];
  /** RFC 8707 §2.1; empty when none was named. */
  readonly resources: readonly string[];
  readonly nonce: string | undefined;
  readonly authTimeMs: number;
  /** RFC 9449 §10: the key that alone may redeem it. */
  readonly dpopJkt: string | undefined;
  readonly expiresAtMs: number;
}

/** A session as its row has it; whether it still lives, tenant and feed say. */
export interface SessionState {
  readonly userId: UserId;
  /** Epoch of the tenant and entry of the feed with which it was made. */
  readonly epoch: number;
  readonly feedSeq: number;
  readonly expiresAtMs: number;
}

/** The codes of the authorization endpoint: function types, because the code is identity's and what is made of it is ours. */
export interface AuthorizationCodes {
  /** Undefined for a code that this tenant does not know. Not inside a transaction. */
  readAuthorizationCode(tenant: Tenant, code: string): Promise<AuthorizationCode | undefined>;
  /** Tidiness after a redemption, not the guarantee that a code works once. Not inside a transaction. */
  forgetAuthorizationCode(tenant: Tenant, code: string): Promise<void>;
}

/** What identity knows of people and their sessions. */
export interface People {
  /** Through identity's own connections: opens no transaction of ours, so it may be called inside one. */
  findSession(tenantId: TenantId, id: SessionId): Promise<SessionState | undefined>;
  /** Whether the person is here and not banned. As `findSession`. */
  isActive(tenantId: TenantId, id: UserId): Promise<boolean>;
}
