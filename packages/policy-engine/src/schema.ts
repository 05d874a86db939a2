/**
 * The Cedar schema that every policy set is validated against. A snapshot names the version it was published under; a
 * version, once shipped, never changes its meaning: additions make a new one.
 *
 * Built-in actions are `token.issue` and `token.exchange`. Everything else that a service asks about is the one action
 * `access`, and `context.operation` says what is done. A resource is `Resource::"<type>/<id>"` with its type as
 * attribute `kind`.
 */
export const policySchemaVersion = 1;

export const schemaText = `
entity User, Host, Agent, Client, Service;
entity Resource { kind: String };

type Circumstances = {
  // The action as it was asked for, such as "orders:read".
  operation: String,
  // Scope values that the token carries.
  scope?: Set<String>,
  // Who acts now, when somebody acts for the principal: the outermost "act", the only one that may decide (RFC 8693 4.1).
  actor?: String,
  // Everybody in the chain of "act".
  actors?: Set<String>,
  audience?: String,
  client_id?: String,
  tenant_role?: String,
};

action "token.issue", "token.exchange", "access" appliesTo {
  principal: [User, Host, Agent, Client, Service],
  resource: [Resource],
  context: Circumstances,
};
`;

export const builtInActions: readonly string[] = ['token.issue', 'token.exchange'];
/** The action of everything else. */
export const accessAction = 'access';

/** Entity types by the scheme of a principal URI. Whoever is none of these is denied. */
export const principalTypes: Readonly<Record<string, string>> = {
  user: 'User',
  host: 'Host',
  agent: 'Agent',
  client: 'Client',
  service: 'Service',
};

/**
 * What a policy can see of a request's context, with its type. The rest is not handed on: no valid policy could read it,
 * and a caller newer than this schema is not refused for saying more. `operation` and `actor` are the engine's own to set.
 */
export const contextAttributes: readonly (readonly [name: string, type: 'String' | 'Set<String>'])[] = [
  ['scope', 'Set<String>'],
  ['actors', 'Set<String>'],
  ['audience', 'String'],
  ['client_id', 'String'],
  ['tenant_role', 'String'],
];
