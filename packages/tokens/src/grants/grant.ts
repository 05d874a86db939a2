import type { Client } from '@mono-auth/clients';
import type { GrantDeps } from '../deps.ts';
import type { FormRequest, GrantSession, Unproven } from '../grant-session.ts';
import type { AuthorizationCode } from '../people.ts';

/** RFC 6749 §5.1 with RFC 8693 §2.2.1, RFC 9449 §5 and OpenID Connect Core §3.1.3.3. */
export interface TokenResponse {
  readonly access_token: string;
  /** `N_A`: it is no access token (RFC 8693 §2.2.1). */
  readonly token_type: 'Bearer' | 'DPoP' | 'N_A';
  readonly expires_in: number;
  readonly scope?: string;
  readonly issued_token_type?: string;
  readonly refresh_token?: string;
  readonly id_token?: string;
}

export interface Grant {
  readonly grantType: string;
  /** It belongs to drafts: there only where the tenant's policy has `id_jag`. */
  readonly isDraft?: true;
  /** Absent: it changes no row, so that it is decided read-only and its evidence shares a group commit. */
  readonly changesRows?: true;
  /** Reads what identity keeps, before a transaction begins; the client is not known yet. */
  lookUp?(deps: GrantDeps, request: FormRequest): Promise<AuthorizationCode | undefined>;
  /**
   * Who asks, where the request names no client and its grant proves one by itself (RFC 7523 §2.1).
   * @returns undefined when it does not: the client then has to authenticate.
   */
  identify?(unproven: Unproven): Promise<Client | undefined>;
  /** The grant that a client needs in its manifest, where that is not this one. */
  neededGrant?(client: Client): string;
  /** Checks in the order of its specification; throws Refusal. One that changes rows checks everything first. */
  handle(session: GrantSession, found?: AuthorizationCode): Promise<TokenResponse>;
}
