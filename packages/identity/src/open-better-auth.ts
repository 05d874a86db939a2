import type { Tenant } from '@mono-auth/tenants';
import { betterAuth } from 'better-auth';
import { isSignedQuery } from './authorize/signed-query.ts';
import { type BetterAuthParts, betterAuthOptions } from './better-auth-options.ts';

/**
 * Better Auth of one tenant. It is loaded with this file, some 40 MiB, when the first person comes: a process that only serves
 * machines never needs it.
 */
export function openBetterAuth(tenant: Pick<Tenant, 'id' | 'issuer'>, parts: BetterAuthParts) {
  return betterAuth(betterAuthOptions(tenant, parts));
}

export { isSignedQuery };
