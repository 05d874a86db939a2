import type { TenantRole } from './principal.ts';

/**
 * The closed list of permissions. A permission is a scope value: a token carries those it may use, an RPC declares
 * the one it needs (monoauth.access.v1), and scopes only ever intersect (law 6).
 */
export const permissions = {
  'tenants:provision': 'create tenants (platform)',
  'tenants:list': 'see every tenant of the installation (platform)',
  'tenants:resolve': 'map a slug to its tenant (platform, gateways)',
  'tenants:read': 'see the own tenant',
  'keys:rotate': 'rotate the signing keys of the tenant, and end those that are compromised',
  'tenants:manage': 'set the security policy of the own tenant',
  'invites:manage': 'create, list and revoke invites',
  'machines:read': 'see hosts and agents',
  'machines:manage': 'quarantine and remove hosts, register agents',
  'agents:allow': 'let agents act for oneself, and end that',
  'clients:read': 'see OAuth clients',
  'clients:manage': 'draft, change, suspend and retire OAuth clients, their secrets and resources',
  'clients:approve': 'put the manifest of an OAuth client in force, and let partners register',
  'federation:read': 'see trusted issuers, their subjects, and where clients may take assertions',
  'federation:manage': 'trust issuers and authorization servers of other domains, and link their subjects',
  'tokens:exchange': 'exchange tokens through the RPC face',
  'tokens:impersonate': 'exchange a person’s token for one without an actor (clients alone)',
  'tokens:introspect': 'introspect tokens',
  'tokens:explain': 'have any token of the tenant explained by its id',
  'tokens:revoke': 'revoke own tokens',
  'feed:follow': 'register as a subscriber, follow the feed and acknowledge',
  'feed:read': 'see subscribers and how far they are',
  'revocations:create': 'revoke tokens, sessions, hosts, agents, clients, people or the tenant',
  'revocations:read': 'see revocations and their receipts',
  'policy:read': 'read policy versions and snapshots',
  'policy:publish': 'draft and publish policy',
  'policy:check': 'ask for decisions',
  'products:manage': 'register products with their roles, permissions and resources',
  'roles:read': 'see products, their roles and who has them',
  'roles:manage': 'assign and remove roles in products',
  'audit:read': 'read and export the audit log with its proofs',
} as const;

export type Permission = keyof typeof permissions;

export function isPermission(text: string): text is Permission {
  return Object.hasOwn(permissions, text);
}

const platformOnly: readonly Permission[] = ['tenants:provision', 'tenants:list', 'tenants:resolve'];
/** Of the approved manifest of a client; nobody's role has them, so no token of a person carries them. */
const clientsOnly: readonly Permission[] = ['tokens:impersonate'];
const tenantWide = (Object.keys(permissions) as Permission[]).filter(
  (p) => !platformOnly.includes(p) && !clientsOnly.includes(p),
);

const byRole: Record<TenantRole, readonly Permission[]> = {
  owner: tenantWide,
  admin: tenantWide.filter((p) => p !== 'policy:publish' && p !== 'keys:rotate'),
  auditor: [
    'tenants:read',
    'machines:read',
    'clients:read',
    'tokens:explain',
    'federation:read',
    'feed:read',
    'revocations:read',
    'policy:read',
    'roles:read',
    'audit:read',
  ],
  member: ['tenants:read', 'tokens:exchange', 'agents:allow'],
};

/** What a role grants inside a tenant. Members of the platform tenant with role owner or admin hold the platform's own too. */
export function permissionsOf(role: TenantRole, tenantIsPlatform: boolean): readonly Permission[] {
  const own = byRole[role];
  return tenantIsPlatform && (role === 'owner' || role === 'admin') ? [...own, ...platformOnly] : own;
}
