/**
 * What somebody of one tenant may do to a resource of another one. The tenants' own policies stand behind these and cannot
 * loosen them: nobody publishes them, they are part of a release.
 */
export const crossTenantSchema = `
entity User;
entity Resource { kind: String, tenant?: String };

type Circumstances = {
  // What is done, such as "orders:read".
  operation: String,
  // What the principal holds in their own tenant.
  permissions: Set<String>,
  tenant_role?: String,
  // Who acts, when somebody acts for the principal.
  actor?: String,
  // The delegation that is relied on: whom an administrator of the resource's tenant has given it to, for which tenant, for
  // what, and whether it is in force now.
  delegate?: User,
  delegated_tenant?: String,
  delegation_scope?: Set<String>,
  delegation_active?: Bool,
};

action "read", "manage" appliesTo {
  principal: [User],
  resource: [Resource],
  context: Circumstances,
};
`;

/** What nothing permits is denied. */
export const crossTenantPolicies = `// A partner reads in the tenant that was delegated to them, and in no other.
@id("partner-reads")
permit (principal, action == Action::"read", resource)
when {
  context.permissions.contains("partner:read") &&
  context has delegated_tenant && resource has tenant && context.delegated_tenant == resource.tenant
};

// Managing takes an administrator, a permission of its own, and a delegation that is in force.
@id("partner-administers")
permit (principal, action, resource)
when {
  context has tenant_role && ["owner", "admin"].contains(context.tenant_role) &&
  context.permissions.contains("cross_tenant:manage") &&
  context has delegation_active && context.delegation_active &&
  context has delegated_tenant && resource has tenant && context.delegated_tenant == resource.tenant
};

// Whoever is allowed is so by a delegation that is in force and names what is done.
@id("delegation-in-force")
forbid (principal, action, resource)
unless {
  context has delegation_active && context.delegation_active &&
  context has delegation_scope && context.delegation_scope.contains(context.operation)
};

// A delegation is somebody's, and nobody else's.
@id("delegation-of-the-partner")
forbid (principal, action, resource)
unless { context has delegate && context.delegate == principal };

// A tenant is one tenant: no pattern, and nothing in the place of a name.
@id("one-named-tenant")
forbid (principal, action, resource)
unless {
  context has delegated_tenant && context.delegated_tenant like "ten_*" && !(context.delegated_tenant like "*\\**") &&
  resource has tenant && resource.tenant like "ten_*" && !(resource.tenant like "*\\**")
};

// Through an agent somebody reads at most.
@id("no-delegated-administration")
forbid (principal, action == Action::"manage", resource)
when { context has actor };
`;
