/** What a client may find below an issuer. One list says what is mounted; metadata and CORS go by it. */
export type EndpointName =
  | 'token'
  | 'introspection'
  | 'revocation'
  | 'userinfo'
  | 'authorization'
  | 'pushed_authorization_request'
  | 'device_authorization'
  | 'end_session'
  | 'registration'
  | 'challenge';

export const endpointPaths: Readonly<Record<EndpointName, string>> = {
  token: '/oauth2/token',
  introspection: '/oauth2/introspect',
  revocation: '/oauth2/revoke',
  userinfo: '/oauth2/userinfo',
  authorization: '/oauth2/authorize',
  pushed_authorization_request: '/oauth2/par',
  device_authorization: '/oauth2/device_authorization',
  end_session: '/oauth2/end_session',
  registration: '/oauth2/register',
  challenge: '/oauth2/challenge',
};

/**
 * What the code of a browser may call from any origin: it holds its own credentials, so cookies never count there. People are
 * sent to the authorization and end-session endpoints, nothing reads those; introspection is for servers.
 */
export const browserEndpoints: readonly EndpointName[] = [
  'token',
  'revocation',
  'userinfo',
  'pushed_authorization_request',
  'device_authorization',
  'registration',
  'challenge',
];
