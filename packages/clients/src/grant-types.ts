/** Grants as a client names them (RFC 7591 §2, RFC 8693 §2.1, RFC 8628 §3.4, RFC 7523 §2.1). */
export const grantType = {
  code: 'authorization_code',
  refreshToken: 'refresh_token',
  clientCredentials: 'client_credentials',
  tokenExchange: 'urn:ietf:params:oauth:grant-type:token-exchange',
  jwtBearer: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
  deviceCode: 'urn:ietf:params:oauth:grant-type:device_code',
} as const;
