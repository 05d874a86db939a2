import type { Client } from '@mono-auth/clients';
import { Refusal } from '@mono-auth/core/errors';

/**
 * RFC 6749 §4.4, RFC 8693 §5: what a client gets for itself, or for having been trusted with a token, needs a client that has
 * authenticated. A public one has only said its name.
 * @throws Refusal `unauthorized_client`.
 */
export function requireConfidential({ manifest }: Client): void {
  if (manifest?.authMethod === 'none')
    throw new Refusal('unauthorized_client', 'a public client cannot use this grant');
}
