/**
 * Headers by which a service behind the gateway learns who calls. Only the gateway may write them, so whatever a client
 * sends under these names is dropped, on every path and for every answer. Compared in lower case with `_` as `-`:
 * CGI-style servers fold the two (`X_User_Id` would arrive as `X-User-Id`).
 */
const identityHeaders = new Set([
  'x-user-id',
  'x-user',
  'x-user-email',
  'x-principal-id',
  'x-abac-filter',
  'x-tenant-role',
  'x-scope',
  'x-scopes',
  'x-roles',
  'x-permissions',
  'x-act',
  'x-forwarded-user',
  'x-remote-user',
  'remote-user',
  'x-client-verify',
  'x-client-cert',
  'txn-token',
]);
const identityPrefixes = ['x-mono-', 'x-auth-request-', 'x-identity-'];

/** How a client may name a tenant; compared with the other names, then dropped. */
const tenantHeaders = new Set(['x-tenant-id', 'x-tenant', 'x-tenant-slug']);

/** Headers that speak of the connection and end here (RFC 9110 §7.6.1). */
const hopHeaders = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade', 'te']);

export interface StrippedHeaders {
  readonly headers: Headers;
  /** Every tenant that a header named. */
  readonly tenants: readonly string[];
}

/** Copies the headers of a request without those that a client has no business to send. */
export function stripHeaders(incoming: Headers): StrippedHeaders {
  const headers = new Headers();
  const tenants: string[] = [];
  incoming.forEach((value, name) => {
    const folded = name.toLowerCase().replaceAll('_', '-');
    if (tenantHeaders.has(folded)) tenants.push(...value.split(',').map((part) => part.trim()));
    else if (!isIdentityHeader(folded) && !hopHeaders.has(folded)) headers.append(name, value);
  });
  return { headers, tenants };
}

function isIdentityHeader(folded: string): boolean {
  return identityHeaders.has(folded) || identityPrefixes.some((prefix) => folded.startsWith(prefix));
}
