/** A protected MCP server that somebody runs: it knows its resource, its issuer, and how to say so (RFC 9728). */
export interface McpServer {
  /** The resource identifier, and where the client goes. */
  readonly url: URL;
  close(): Promise<void>;
}

/** Serves the metadata of the resource and asks everybody for a token. */
export function startMcpServer(issuerOf: () => string): McpServer {
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    fetch(request) {
      const { origin, pathname } = new URL(request.url);
      if (pathname === '/.well-known/oauth-protected-resource/mcp') {
        return Response.json({
          resource: `${origin}/mcp`,
          authorization_servers: [issuerOf()],
          bearer_methods_supported: ['header'],
          scopes_supported: ['orders:read'],
        });
      }
      const metadata = `${origin}/.well-known/oauth-protected-resource/mcp`;
      const challenge = `Bearer resource_metadata="${metadata}", scope="orders:read"`;
      return new Response(null, { status: 401, headers: { 'www-authenticate': challenge } });
    },
  });
  return { url: new URL('/mcp', server.url), close: () => server.stop(true) };
}
