import { type Client, livingResources } from '@mono-auth/clients';
import { jwtSyntax } from '@mono-auth/core/encoding';
import { asRefusal, Refusal } from '@mono-auth/core/errors';
import type { Tenant } from '@mono-auth/tenants';
import { soleAudience, type VerifiedClaims } from './access-token.ts';
import { authenticateCaller } from './authenticate-caller.ts';
import type { RefreshTokenFacts, TokenDeps, VerifierDeps } from './deps.ts';
import { required } from './form.ts';
import type { FormRequest } from './grant-session.ts';
import { verifyAccessToken } from './verify-access-token.ts';

/** RFC 7662 §2.2. What is not active says nothing else, whatever the reason. */
export type Introspection =
  | { readonly active: false }
  | ({ readonly active: true; token_type: 'Bearer' | 'DPoP' } & VerifiedClaims)
  | ({ readonly active: true } & Omit<RefreshTokenFacts, 'grantId'>);

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
    return await verifyAccessToken(deps, tenant, token, { holder: 'unknown' });
  } catch (error) {
    const refusal = asRefusal(error);
    if (refusal.reason === 'not_authenticated') return undefined;
    throw refusal;
  }
}

/**
 * RFC 7662 §2: the caller authenticates, and sees the tokens it may see. `token_type_hint` is not needed to find a token.
 * @throws Refusal `invalid_client`, also for a public client: it has nothing to authenticate with.
 */
export async function introspectToken(
  deps: TokenDeps,
  request: FormRequest,
): Promise<{ readonly client: Client; readonly introspection: Introspection }> {
  const token = required(request.form, 'token');
  const { client, tenant } = await authenticateCaller(deps, request);
  if (client.manifest?.authMethod === 'none') {
    throw new Refusal('invalid_client', 'client authentication failed', { cause: 'a public client' });
  }
  return { client, introspection: await introspect(deps, tenant, client, token) };
}

async function introspect(
  deps: TokenDeps,
  tenant: Pick<Tenant, 'id' | 'slug' | 'status'>,
  client: Client,
  token: string,
): Promise<Introspection> {
  if (!jwtSyntax.test(token)) return introspectRefreshToken(deps, tenant, client, token);
  const claims = await readActiveToken(deps, tenant, token);
  if (!claims || !(await maySee(deps, tenant, client, claims))) return { active: false };
  return { active: true, token_type: claims.cnf?.jkt === undefined ? 'Bearer' : 'DPoP', ...claims };
}

/** A refresh token is its client's own affair: nobody else is told of it. */
async function introspectRefreshToken(
  { refreshTokens }: TokenDeps,
  tenant: Pick<Tenant, 'id' | 'status'>,
  client: Client,
  token: string,
): Promise<Introspection> {
  const found = tenant.status === 'active' ? await refreshTokens?.read(tenant.id, token) : undefined;
  if (found?.client_id !== client.id) return { active: false };
  const { grantId: _, ...facts } = found;
  return { active: true, ...facts };
}

/** A service sees what was sent to it, a client what was issued to it; RFC 7662 §4 warns of telling anybody more. */
async function maySee(
  { database }: Pick<TokenDeps, 'database'>,
  tenant: Pick<Tenant, 'id'>,
  client: Client,
  claims: VerifiedClaims,
): Promise<boolean> {
  if (client.scopes.includes(introspectScope) || claims.client_id === client.id) return true;
  const audience = soleAudience(claims);
  if (audience === undefined) return false;
  if (audience === client.resource) return true;
  const resource = await database.forTenant(tenant.id, (tx) => livingResources.findResource(tx, audience));
  return resource?.clientId === client.id;
}
