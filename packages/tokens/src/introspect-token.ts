import type { Client } from '@mono-auth/clients';
import { asRefusal } from '@mono-auth/core/errors';
import { readTenant, type Tenant } from '@mono-auth/tenants';
import { soleAudience, type VerifiedClaims } from './access-token.ts';
import { authenticate } from './authenticate-in-transaction.ts';
import type { GrantDeps, VerifierDeps } from './deps.ts';
import { required } from './form.ts';
import type { FormRequest } from './grant-session.ts';
import { verifyAccessToken } from './verify-access-token.ts';

/** RFC 7662 §2.2. What is not active says nothing else, whatever the reason. */
export type Introspection =
  | { readonly active: false }
  | ({ readonly active: true; token_type: 'Bearer' } & VerifiedClaims);

/** Lets a client see tokens that are not meant for it. */
const introspectScope = 'tokens:introspect';

/**
 * The claims of a token that is good now; undefined for one that is expired, revoked, malformed or of another tenant.
 * Not inside a transaction.
 */
export async function readActiveToken(
  deps: VerifierDeps,
  tenant: Pick<Tenant, 'id' | 'slug' | 'status'>,
  token: string,
): Promise<VerifiedClaims | undefined> {
  if (tenant.status !== 'active') return undefined;
  try {
    return await verifyAccessToken(deps, tenant, token);
  } catch (error) {
    const refusal = asRefusal(error);
    if (refusal.reason === 'not_authenticated') return undefined;
    throw refusal;
  }
}

/** RFC 7662 §2: the caller authenticates, and sees the tokens it may see. */
export async function introspectToken(deps: GrantDeps, request: FormRequest): Promise<Introspection> {
  const token = required(request.form, 'token');
  const { client, tenant } = await deps.database.forTenant(request.tenant.id, async (tx) => ({
    tenant: await readTenant(tx),
    client: (await authenticate(deps, tx, request)).client,
  }));
  const claims = await readActiveToken(deps, tenant, token);
  return claims && maySee(client, claims) ? toIntrospection(claims) : { active: false };
}

function toIntrospection(claims: VerifiedClaims): Introspection {
  return { active: true, token_type: 'Bearer', ...claims };
}

/** A service sees what was sent to it; RFC 7662 §4 warns of telling anybody more. */
function maySee(client: Client, claims: VerifiedClaims): boolean {
  if (client.scopes.includes(introspectScope)) return true;
  return client.resource !== undefined && soleAudience(claims) === client.resource;
}
