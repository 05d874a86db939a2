import { livingResources, type Resource } from '@mono-auth/clients';
import { Refusal } from '@mono-auth/core/errors';
import { rpcAudienceOf } from '@mono-auth/core/tenant-slug';
import type { GrantSession } from './grant-session.ts';

/** The one audience of a token, with what is registered of it. */
export interface Audience {
  readonly identifier: string;
  /** Undefined for the issuer's own faces, and for what the client was approved for although nobody registered it. */
  readonly resource: Resource | undefined;
}

/**
 * A client's tokens, keys and codes work in its own environment alone. The management API belongs to production, hosts and
 * services; so does what nobody has registered.
 * @throws Refusal `invalid_target` (RFC 8707 §2).
 */
export async function requireEnvironment(session: GrantSession, identifier: string): Promise<Audience> {
  const { deps, tx, tenant, client, instance } = session;
  // Whoever is vouched for goes nowhere that the attester is not trusted with.
  if (instance && !instance.attester.audiences.includes(identifier)) throw unreachable();
  const isOfMachines = client.kind === 'host' || client.kind === 'service';
  if (identifier === rpcAudienceOf(deps.baseUrl, tenant.slug) || identifier === tenant.issuer) {
    if (client.environment !== 'production' && !isOfMachines) throw unreachable();
    return { identifier, resource: undefined };
  }
  const resource = await livingResources.findResource(tx, identifier);
  if (!resource && (await livingResources.findRegistered(tx, identifier))) throw unreachable();
  if ((resource?.environment ?? 'production') !== client.environment) throw unreachable();
  return { identifier, resource };
}

/**
 * The audience of a token that a person allowed: the one asked for, which must be among those allowed; else the first of
 * these; else the default of the client's environment; else the only one that the client has; else the management API.
 * @throws Refusal `invalid_target`.
 */
export async function chooseAudience(
  session: GrantSession,
  asked: string | undefined,
  allowed: readonly string[],
): Promise<Audience> {
  const usual = allowed[0] ?? (await usualAudience(session));
  // RFC 8707 §2.2: within what was granted.
  if (asked !== undefined && asked !== usual && !allowed.includes(asked)) {
    throw new Refusal('invalid_target', 'resource: not among those that were allowed');
  }
  const identifier = asked ?? usual;
  const { client, deps, tenant } = session;
  const audience = await requireEnvironment(session, identifier);
  if (identifier === rpcAudienceOf(deps.baseUrl, tenant.slug) || client.audiences.includes(identifier)) return audience;
  // Approval may have narrowed since the person allowed it; who lists nothing was approved for the default alone.
  if (client.audiences.length > 0 || !audience.resource?.isDefault) throw unreachable();
  return audience;
}

async function usualAudience({ deps, tx, tenant, client }: GrantSession): Promise<string> {
  const byDefault = await livingResources.findDefaultResource(tx, client.environment);
  const { audiences } = client;
  if (byDefault && (audiences.length === 0 || audiences.includes(byDefault.identifier))) return byDefault.identifier;
  if (audiences.length === 1) return audiences[0] as string;
  return rpcAudienceOf(deps.baseUrl, tenant.slug);
}

function unreachable(): Refusal {
  return new Refusal('invalid_target', 'resource: not one that this client may reach');
}
