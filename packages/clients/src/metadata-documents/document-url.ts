import { isLoopbackAddress } from '@mono-auth/transport/guarded-http';

/** Longest client id that is a URL, characters: as long as any address that a client names. */
const urlCharsMax = 512;

/** Whether a client id is meant as the URL of a metadata document; ids that we make never are. */
export function isDocumentUrl(clientId: string, allowLoopback: boolean): boolean {
  return clientId.startsWith('https://') || (allowLoopback && clientId.startsWith('http://'));
}

/**
 * Reads a client id as the URL of its metadata document (draft-ietf-oauth-client-id-metadata-document-01 §3): https, with a
 * path, without dot segments, fragment and user; without a query either, which the draft only advises. Compared as text ever
 * after, so it has one spelling.
 * @param allowLoopback http on a loopback address literal as well: for an installation that is there itself.
 * @returns why not, where it is none.
 */
export function readDocumentUrl(clientId: string, allowLoopback: boolean): URL | string {
  const url = /^[\x21-\x7e]+$/.test(clientId) && clientId.length <= urlCharsMax ? URL.parse(clientId) : null;
  if (!url) return 'is not a URL';
  const isLocal = url.protocol === 'http:' && isLoopbackAddress(url.hostname.replace(/^\[|\]$/g, ''));
  if (url.protocol !== 'https:' && !(allowLoopback && isLocal)) return 'is not an https URL';
  if (clientId.includes('#')) return 'has a fragment';
  if (url.username !== '' || url.password !== '') return 'has a user part';
  if (clientId.includes('?')) return 'has a query';
  if (/[/\\](?:\.|%2e){1,2}(?:[/\\]|$)/i.test(clientId)) return 'has dot segments';
  if (url.pathname === '/') return 'has no path';
  if (url.href !== clientId) return 'is not in its plain form';
  return url;
}
