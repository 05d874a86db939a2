import type { Stated } from '@mono-auth/minting';
import type { TokenResponse } from './grant.ts';

/** RFC 8693 §2.2.1: what is no access token has the type `N_A`; there is never a refresh token beside it. */
export function statementResponse({ token, claims }: Stated, issuedTokenType: string): TokenResponse {
  return {
    access_token: token,
    issued_token_type: issuedTokenType,
    token_type: 'N_A',
    expires_in: claims.exp - claims.iat,
    ...(claims.scope !== undefined && { scope: claims.scope }),
  };
}
