import type { DecisionId, SessionId } from '@mono-auth/core/ids';
import type { Actor, Principal, TenantRole } from '@mono-auth/core/principal';
import type { AccessTokenClaims } from '@mono-auth/core/token-claims';

/** What a grant wants minted, everything in it already proven and decided. */
export interface MintRequest {
  readonly subject: Principal;
  readonly clientId: string;
  readonly audience: string;
  /** Granted scope; what a parent does not hold falls away. */
  readonly scope: readonly string[];
  /** Cut to the longest lifetime of this kind of token. */
  readonly ttlSeconds: number;
  /** Epoch seconds: the end of what the token hangs on besides its parents, such as a session. */
  readonly notAfter?: number;
  readonly sessionId?: SessionId;
  readonly tenantRole?: TenantRole;
  /** RFC 8693 §4.1: the whole chain, outermost is the current actor. */
  readonly act?: Actor;
  /** Verified claims of the tokens it is made from: scope, `exp`, `fs`, `grants` and `pjti` are bounded by them. */
  readonly parents?: readonly AccessTokenClaims[];
  readonly decision?: { readonly decisionId: DecisionId; readonly policyVersion: number };
  /** Present for a token of the gateway alone, which is never a parent. */
  readonly use?: 'gateway';
  readonly cnf?: { readonly jkt: string };
}
