import type { Principal } from '@mono-auth/core/principal';
import type { Person } from '@mono-auth/identity';

/** Which claims a scope opens (OIDC Core §5.4), as far as we have them. */
export const claimsOfScope = {
  profile: ['name', 'picture', 'updated_at'],
  email: ['email', 'email_verified'],
} as const;

/** The UserInfo response (OIDC Core §5.3.2): `sub` always, the rest by scope; what is not known is left out. */
export function userClaims(
  sub: Principal,
  { name, email, emailVerified, picture, updatedAtMs }: Person,
  scope: readonly string[],
): Record<string, unknown> {
  const profile = { name, ...(picture && { picture }), updated_at: Math.floor(updatedAtMs / 1000) };
  return {
    sub,
    ...(scope.includes('profile') && profile),
    ...(scope.includes('email') && { email, email_verified: emailVerified }),
  };
}
