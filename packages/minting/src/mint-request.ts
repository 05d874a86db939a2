import type { DecisionId, GrantId, SessionId } from '@mono-auth/core/ids';
import type { Actor, Principal, TenantRole } from '@mono-auth/core/principal';
import type { AccessTokenClaims, Confirmation } from '@mono-auth/core/token-claims';

/** What an ID token says besides what the access token beside it says. */
export interface IdTokenRequest {
  /** The client as it knows itself: its id, or the URL of its metadata document. */
  readonly audience: string;
  readonly authTimeMs: number;
  /** Of the authorization request; absent after a refresh (OpenID Connect Core §12.2). */
  readonly nonce?: string;
  /** The session in which the person allowed it (OpenID Connect Front- and Back-Channel Logout, `sid`). */
  readonly sessionId?: SessionId;
}

/** What a grant wants minted, everything in it already proven and decided. */
export interface MintRequest {
  readonly subject: Principal;
  readonly clientId: string;
  readonly audience: string;
  /** Granted scope; what a parent does not hold falls away. */
  readonly scope: readonly string[];
  /** Cut to the default lifetime of this kind of token, or to the hard maximum where `ttlChosen`. */
  readonly ttlSeconds: number;
  /** The approved manifest of the client names this lifetime, within what tenant and resource allow. */
  readonly ttlChosen?: true;
  /** Epoch seconds: the end of what the token hangs on besides its parents, such as a session. */
  readonly notAfter?: number;
  readonly sessionId?: SessionId;
  readonly tenantRole?: TenantRole;
  /** RFC 9470 §6.1: how and when the person signed in, as far as somebody vouches for it whom the tenant trusts for that. */
  readonly authentication?: { readonly acr?: string | undefined; readonly authTimeSeconds?: number | undefined };
  /** RFC 8693 §4.1: the whole chain, outermost is the current actor. */
  readonly act?: Actor;
  /** RFC 8693 §4.4: who alone may act for the subject. Only where nothing else is its parent. */
  readonly mayAct?: Principal;
  /** RFC 8693 §1.1: made from `parents` and still without an actor, because the policy of the tenant lets the client do so. */
  readonly impersonation?: true;
  /**
   * Verified claims of the tokens it is made from, the subject's first: scope, `exp`, `fs`, `sid` and every handle are
   * bounded by them.
   */
  readonly parents?: readonly AccessTokenClaims[];
  /** Grants that it is made from besides those of its parents: it dies with any of them. */
  readonly grants?: readonly GrantId[];
  readonly decision?: {
    readonly decisionId: DecisionId;
    readonly policyVersion: number;
    /** Names of the policies that decided, for the evidence. */
    readonly policies?: readonly string[];
  };
  /** Present for a token of the gateway alone, which is never a parent. */
  readonly use?: 'gateway';
  readonly cnf?: Confirmation;
  /** Present when an ID token goes with it (OpenID Connect Core §3.1.3.3). */
  readonly idToken?: IdTokenRequest;
}
