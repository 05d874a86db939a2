/** RFC 8693 §3: what a token is said to be. */
export const tokenTypes = {
  accessToken: 'urn:ietf:params:oauth:token-type:access_token',
  /** Our access tokens are JWTs, so this names the same thing. */
  jwt: 'urn:ietf:params:oauth:token-type:jwt',
} as const;
