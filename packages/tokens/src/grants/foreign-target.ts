import { Refusal } from '@mono-auth/core/errors';
import { findResourceServer, type ResourceServerTrust } from '@mono-auth/federation';
import { intersectScope } from '@mono-auth/minting';
import type { GrantSession } from '../grant-session.ts';
import { readScope } from '../scope.ts';

/** Where an assertion goes, and what it says of it. */
export interface ForeignTarget {
  readonly trust: ResourceServerTrust;
  readonly resources: readonly string[];
  readonly scope: readonly string[];
}

/** Most resources of one assertion: a client that needs more asks for several. */
const resourcesMax = 8;

/**
 * The authorization server of another domain that the request names, among those that this client may go to (ID-JAG §4.3,
 * identity chaining §2.3): `audience` is its issuer; `resource` and `scope` mean something over there.
 * @param held what the subject token has; undefined where its scope speaks of this domain alone.
 * @throws Refusal `invalid_request`; `invalid_target`; `invalid_scope`.
 */
export async function readForeignTarget(
  session: GrantSession,
  chaining: boolean,
  held: readonly string[] | undefined,
): Promise<ForeignTarget> {
  const { form, tx, client } = session;
  const [issuer, ...others] = form.all('audience');
  if (issuer === undefined) throw new Refusal('invalid_request', 'audience: the issuer of an authorization server');
  if (others.length > 0) throw new Refusal('invalid_target', 'audience: one authorization server at a time');
  const trust = await findResourceServer(tx, { clientId: client.id, issuer, chaining });
  if (!trust) throw new Refusal('invalid_target', 'audience: not one that this client may go to');
  return { trust, resources: readResources(session, trust), scope: readForeignScope(session, trust, held) };
}

function readResources({ form }: GrantSession, { profile, resources }: ResourceServerTrust): readonly string[] {
  const asked = [...new Set(form.all('resource'))];
  // MCP enterprise-managed authorization §4: in the request and in the assertion.
  if (profile === 'enterprise_managed' && asked.length === 0) {
    throw new Refusal('invalid_request', 'resource: is required for this authorization server');
  }
  if (asked.length > resourcesMax || !asked.every((one) => resources.includes(one))) {
    throw new Refusal('invalid_target', 'resource: not one that this client may name there');
  }
  return asked;
}

/** RFC 8693 §2.2.1 allows less than was asked for, and the answer says so; nothing at all is a refusal. */
function readForeignScope(
  { form }: GrantSession,
  { scopes }: ResourceServerTrust,
  held: readonly string[] | undefined,
): readonly string[] {
  const asked = readScope(form);
  const granted = intersectScope(asked ?? scopes, scopes, ...(held ? [held] : []));
  if (granted.length === 0 && (asked !== undefined || held !== undefined)) {
    throw new Refusal('invalid_scope', 'scope: nothing is left that may be said there');
  }
  return granted;
}
