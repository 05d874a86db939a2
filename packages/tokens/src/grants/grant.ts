import type { GrantSession } from '../grant-session.ts';

/** RFC 6749 §5.1 with RFC 8693 §2.2.1. */
export interface TokenResponse {
  readonly access_token: string;
  readonly token_type: 'Bearer';
  readonly expires_in: number;
  readonly scope: string;
  readonly issued_token_type?: string;
}

export interface Grant {
  readonly grantType: string;
  /** Checks in the order of its specification; throws Refusal. */
  handle(session: GrantSession): Promise<TokenResponse>;
}
