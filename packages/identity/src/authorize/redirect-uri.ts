/**
 * Whether a redirect URI is one that the client registered: character by character (RFC 9700 §2.1), but for the port of
 * a loopback address, which a native app does not choose (RFC 8252 §7.3). `localhost` is a name, not an address.
 */
export function isRegisteredRedirectUri(registered: readonly string[], requested: string): boolean {
  if (registered.includes(requested)) return true;
  const loopback = withoutLoopbackPort(requested);
  return loopback !== undefined && registered.some((uri) => withoutLoopbackPort(uri) === loopback);
}

const loopbackPattern = /^(http:\/\/(?:127\.0\.0\.1|\[::1\]))(?::\d{1,5})?(\/[^#\\]*)?$/;

function withoutLoopbackPort(uri: string): string | undefined {
  const [, host, rest = ''] = loopbackPattern.exec(uri) ?? [];
  return host === undefined ? undefined : `${host}${rest}`;
}

/** Whether what is sent there stays on the person's own device, where any program may be listening. */
export function isLoopbackRedirect(uri: string): boolean {
  return loopbackPattern.test(uri);
}

/**
 * The registered URI with an answer in its query. Its own characters stay as they are, so that the client compares what
 * it knows.
 */
export function withAnswer(redirectUri: string, answer: Readonly<Record<string, string | undefined>>): string {
  const given = Object.entries(answer).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return `${redirectUri}${redirectUri.includes('?') ? '&' : '?'}${new URLSearchParams(given)}`;
}

/**
 * The source for CSP `form-action` that lets a form of ours end at this URI: browsers hold the whole chain of redirects
 * after a form to it (https://www.w3.org/TR/CSP3/#directive-form-action).
 */
export function formActionSource(redirectUri: string): string {
  const { protocol, origin } = new URL(redirectUri);
  return protocol === 'https:' || protocol === 'http:' ? origin : protocol;
}
