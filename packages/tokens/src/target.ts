import { Refusal } from '@mono-auth/core/errors';
import type { Form } from './form.ts';

/**
 * The service that the token is for, from `resource` (RFC 8707 §2) and `audience` (RFC 8693 §2.1). Both name the same
 * thing here, and one token has one audience: whoever needs two services asks twice (RFC 8707 §3 recommends so).
 * @throws Refusal `invalid_target`.
 */
export function readTarget(form: Form): string | undefined {
  const resources = form.all('resource');
  if (!resources.every(isAbsoluteUri)) {
    throw new Refusal('invalid_target', 'resource: an absolute URI without fragment');
  }
  const targets = new Set([...resources, ...form.all('audience')]);
  if (targets.size > 1) throw new Refusal('invalid_target', 'one token has one audience: ask for one at a time');
  return [...targets][0];
}

function isAbsoluteUri(text: string): boolean {
  return URL.canParse(text) && !text.includes('#');
}
