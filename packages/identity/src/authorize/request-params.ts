import { Refusal } from '@mono-auth/core/errors';

/** The parameters of an authorization request as they were sent, each once, `resource` in its order (RFC 8707 §2). */
export interface RequestParams {
  readonly single: ReadonlyMap<string, string>;
  readonly resources: readonly string[];
  /** A parameter that was sent twice, whose first value alone is kept (RFC 6749 §3.1 forbids it). */
  readonly repeated: string | undefined;
}

/** Longest request, characters: four resources, a scope, a state and a nonce at their bounds stay below. */
const requestCharsMax = 6 * 1024;
/** Most resources that one request may name. */
const resourcesMax = 8;

/** What says who asks and where the answer goes. */
const addressing: ReadonlySet<string> = new Set(['client_id', 'redirect_uri']);

/**
 * An empty value counts as none (RFC 6749 §3.1).
 * @throws Refusal `invalid_request` when the request is too long, or names two clients or redirect URIs: who asks, or where
 * the answer goes, cannot be told then.
 */
export function readParams(query: URLSearchParams): RequestParams {
  if (query.toString().length > requestCharsMax) {
    throw new Refusal('invalid_request', `the request is longer than ${requestCharsMax} characters`);
  }
  const single = new Map<string, string>();
  const resources: string[] = [];
  const seen = new Set<string>();
  let repeated: string | undefined;
  for (const [name, value] of query) {
    if (name === 'resource') {
      if (value !== '') resources.push(value);
      continue;
    }
    if (seen.has(name)) {
      if (addressing.has(name)) throw new Refusal('invalid_request', `${name}: is there twice`);
      repeated ??= name;
    } else if (value !== '') single.set(name, value);
    seen.add(name);
  }
  if (resources.length > resourcesMax) {
    throw new Refusal('invalid_request', `resource: at most ${resourcesMax} in one request`);
  }
  return { single, resources: [...new Set(resources)], repeated };
}
