import { cors } from 'hono/cors';

/** How long a browser may go without asking again whether it may call, seconds. */
const preflightMaxAgeSeconds = 600;

const attestationHeaders = ['oauth-client-attestation', 'oauth-client-attestation-pop'];

/** For the code of a browser, which holds its own credentials: any origin, and never a cookie (WHATWG Fetch §3.3). */
export const browserAccess = cors({
  origin: '*',
  allowMethods: ['GET', 'POST'],
  allowHeaders: ['authorization', 'content-type', 'dpop', 'if-none-match', ...attestationHeaders],
  exposeHeaders: ['dpop-nonce', 'www-authenticate', 'retry-after', 'etag', 'oauth-client-attestation-challenge'],
  maxAge: preflightMaxAgeSeconds,
});
