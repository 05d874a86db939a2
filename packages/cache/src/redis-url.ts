const allowed = 'allowed: redis://user:password@host:port/db, or rediss:// for TLS';

/** What is wrong with the URL of a Redis and what is allowed, in one line that does not repeat the secret in it. */
export function redisUrlFault(text: string): string | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^rediss?:$/.test(url.protocol) || url.hostname === '') return `is no Redis URL; ${allowed}`;
  const isDatabase = /^\/?$|^\/\d{1,4}$/.test(url.pathname);
  if (!isDatabase || url.search !== '' || url.hash !== '') {
    return `has more than a database number after the host; ${allowed}`;
  }
  try {
    decodeURIComponent(url.username + url.password);
  } catch {
    return `has a % that begins no escape; ${allowed}, with % in them as %25`;
  }
  return undefined;
}
