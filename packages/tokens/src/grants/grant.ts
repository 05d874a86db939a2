import type { GrantDeps } from '../deps.ts';
import type { FormRequest, GrantSession } from '../grant-session.ts';
import type { AuthorizationCode } from '../people.ts';

/** RFC 6749 §5.1 with RFC 8693 §2.2.1, RFC 9449 §5 and OpenID Connect Core §3.1.3.3. */
export interface TokenResponse {
  readonly access_token: string;
  readonly token_type: 'Bearer' | 'DPoP';
  readonly expires_in: number;
  readonly scope: string;
  readonly issued_token_type?: string;
  readonly refresh_token?: string;
  readonly id_token?: string;
}

export interface Grant {
  readonly grantType: string;
  /** Absent: it changes no row, so that it is decided read-only and its evidence shares a group commit. */
  readonly changesRows?: true;
  /** Reads what identity keeps, before a transaction begins; the client is not known yet. */
  lookUp?(deps: GrantDeps, request: FormRequest): Promise<AuthorizationCode | undefined>;
  /** Checks in the order of its specification; throws Refusal. One that changes rows checks everything first. */
  handle(session: GrantSession, found?: AuthorizationCode): Promise<TokenResponse>;
}
