import { accessTokenType, idTokenType, jwtTokenType, refreshTokenType } from '../token-types.ts';

/** RFC 8693 §3: what a token is said to be. */
export const tokenTypes = {
  accessToken: accessTokenType,
  jwt: jwtTokenType,
  idToken: idTokenType,
  refreshToken: refreshTokenType,
} as const;

export type TokenType = (typeof tokenTypes)[keyof typeof tokenTypes];

const known: ReadonlySet<string> = new Set(Object.values(tokenTypes));

export function isTokenType(text: string): text is TokenType {
  return known.has(text);
}

/** Why a token of a known type is the subject or the actor of no access token. */
const notExchangeable: Readonly<Partial<Record<TokenType, string>>> = {
  [tokenTypes.idToken]: 'an ID token says who signed in and allows nothing, so no access token is made from it',
  [tokenTypes.refreshToken]:
    'a refresh token is redeemed with grant_type=refresh_token, and no access token is made from it here',
};

/** Undefined for a type that carries authority of its own: an access token, under either name. */
export function whyNotExchangeable(type: TokenType): string | undefined {
  return notExchangeable[type];
}
