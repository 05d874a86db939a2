/** The policy set that a new tenant starts with (version 1), in Cedar's text form. What nothing permits is denied. */
export const defaultPolicyText = `// Tokens. Scope, audience and lifetime were intersected with what the client, the subject and the actor hold before
// policy is asked: these two say that the tenant sets no narrower limits. Narrow them here.
@id("issue-tokens")
permit (principal, action == Action::"token.issue", resource);

@id("exchange-tokens")
permit (principal, action == Action::"token.exchange", resource);

// Access. A token opens what its scope names and nothing else.
@id("access-within-scope")
permit (principal, action == Action::"access", resource)
when { context has scope && context.scope.contains(context.operation) };

// Whoever acts for somebody else cannot widen what may be done: no new members, machines, clients, roles or policy through a
// delegated token, whatever its scope. Taking access away stays possible.
@id("no-delegated-administration")
forbid (principal, action == Action::"access", resource)
when {
  context has actor &&
  ["tenants:provision", "invites:manage", "machines:manage", "clients:manage", "products:manage", "roles:manage",
    "policy:publish"].contains(context.operation)
};
`;
