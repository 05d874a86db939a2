import { Refusal } from '@mono-auth/core/errors';

/** The parameters of an authorization request as they were sent, each once, `resource` in its order (RFC 8707 §2). */
export interface RequestParams {
  readonly single: ReadonlyMap<string, string>;
  readonly resources: readonly string[];
}

/** Longest request, characters: four resources, a scope, a state and a nonce at their bounds stay below. */
const requestCharsMax = 6 * 1024;
/** Most resources that one request may name. */
const resourcesMax = 8;

/**
 * An empty value counts as none (RFC 6749 §3.1).
 * @throws Refusal `invalid_request` when a parameter is there twice, or the request too long: who asks, and where the
 * answer goes, cannot be told then.
 */
export function readParams(query: URLSearchParams): RequestParams {
  if (query.toString().length > requestCharsMax) {
    throw new Refusal('invalid_request', `the request is longer than ${requestCharsMax} characters`);
  }
  const single = new Map<string, string>();
  const resources: string[] = [];
  const seen = new Set<string>();
  for (const [name, value] of query) {
    if (name === 'resource') {
      if (value !== '') resources.push(value);
      continue;
    }
    if (seen.has(name)) throw new Refusal('invalid_request', 'a parameter is there twice');
    seen.add(name);
    if (value !== '') single.set(name, value);
  }
  if (resources.length > resourcesMax) {
    throw new Refusal('invalid_request', `resource: at most ${resourcesMax} in one request`);
  }
  return { single, resources: [...new Set(resources)] };
}
