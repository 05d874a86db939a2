import { Refusal } from './errors.ts';

/** The tenant whose users are the operators of the installation. */
export const platformSlug = 'platform';

const slugPattern = /^[a-z](?:[a-z0-9]|-(?=[a-z0-9])){1,38}$/;

/**
 * Reads a tenant slug from outside: 2 to 39 characters, a-z 0-9 and single hyphens, starting with a letter.
 * @throws Refusal `invalid_request`.
 */
export function parseSlug(text: unknown, field: string): string {
  if (typeof text === 'string' && slugPattern.test(text)) return text;
  throw new Refusal(
    'invalid_request',
    `${field}: a slug has 2 to 39 of a-z, 0-9 and single hyphens and starts with a letter`,
  );
}

/** The issuer of a tenant, byte-stable and without a trailing slash. */
export function issuerOf(baseUrl: string, slug: string): string {
  return `${baseUrl}/t/${slug}`;
}

/** The origin of a tenant's log, which is also the name of its key (C2SP signed notes know no scheme). */
export function logOriginOf(baseUrl: string, slug: string): string {
  return `${new URL(baseUrl).host}/t/${slug}/log`;
}

/** The audience of the management API (the RPC face) of a tenant. */
export function rpcAudienceOf(baseUrl: string, slug: string): string {
  return `${issuerOf(baseUrl, slug)}/rpc`;
}
