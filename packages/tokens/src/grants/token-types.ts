/** RFC 8693 §3, and what drafts have added to it. */
export const accessTokenType = 'urn:ietf:params:oauth:token-type:access_token';
export const refreshTokenType = 'urn:ietf:params:oauth:token-type:refresh_token';
export const idTokenType = 'urn:ietf:params:oauth:token-type:id_token';
/** ID-JAG §7.1. */
export const idJagTokenType = 'urn:ietf:params:oauth:token-type:id-jag';
/** Our access tokens are JWTs, so as a subject or an actor this names the same thing. */
export const jwtTokenType = 'urn:ietf:params:oauth:token-type:jwt';
/** Identity chaining §2.3: a JWT authorization grant is asked for as a JWT. */
export const chainedGrantTokenType = jwtTokenType;
/** Transaction tokens §5. */
export const transactionTokenType = 'urn:ietf:params:oauth:token-type:txn_token';
export const selfSignedType = 'urn:ietf:params:oauth:token-type:self_signed';
