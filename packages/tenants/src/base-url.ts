/** Why a text cannot be the base URL of an installation, which every issuer starts with; undefined when it can. */
export function baseUrlFault(text: string): string | undefined {
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol)) {
    return 'is no web address; allowed: scheme, host and port alone, as in https://id.example.com';
  }
  const { protocol, hostname, origin } = new URL(text);
  if (text !== origin) {
    return 'is more than an origin, or not in its plain form; allowed: scheme, host and port alone in small letters, as in https://id.example.com';
  }
  if (protocol === 'http:' && !isLoopback(hostname)) {
    return 'is plain http outside loopback; allowed: https://…, or http:// on localhost, 127.0.0.1 or [::1]';
  }
  return undefined;
}

/** Whether a host name or address never leaves this machine (RFC 6761 section 6.3, RFC 1122 section 3.2.1.3). */
export function isLoopback(host: string): boolean {
  return /^(?:(?:.+\.)?localhost|127(?:\.\d{1,3}){3}|\[?::1\]?)$/.test(host);
}
