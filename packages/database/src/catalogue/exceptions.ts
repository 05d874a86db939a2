/** Everything that may depart from the wall, each with its reason. What is not here is a finding. */

export interface TenantlessTable {
  readonly table: string;
  /** The logins besides `mono_platform` that may hold privileges on it; the owner always may. */
  readonly grantees: readonly string[];
  readonly reason: string;
}

export const tenantlessTables: readonly TenantlessTable[] = [
  {
    table: 'mono.tenants',
    grantees: ['mono_app'],
    reason:
      'the tenant directory: it maps a slug to a tenant before a tenant is known; its own policies show a tenant its row',
  },
  {
    table: 'mono.state_versions',
    grantees: [],
    reason: 'which state a decision was made by: moved and compared by functions of its owner, who is no tenant',
  },
  { table: 'mono.tenant_guard', grantees: [], reason: 'the key of current_tenant_id(), read by its owner alone' },
  {
    table: 'mono.kms_check',
    grantees: [],
    reason:
      'whether the key-encryption key is the one of this installation: asked at start, before any tenant is known',
  },
  {
    table: 'mono.ephemeral_incarnation',
    grantees: [],
    reason: 'one random value that names the ephemeral store and is lost with it',
  },
  { table: 'mono.schema_migrations', grantees: [], reason: 'which migrations have run on this database' },
];

/** Schemas of tables that are not ours and carry ids of jobs only, never data. */
export const tenantlessSchemas: readonly { readonly schema: string; readonly reason: string }[] = [
  { schema: 'bullmq', reason: 'the job queue makes its own tables; jobs carry ids only' },
];

export interface PlatformTable {
  readonly table: string;
  /** What `mono_platform` may do there, columns in parentheses. */
  readonly privileges: readonly string[];
  readonly reason: string;
}

/** Tables that the platform may read or write across tenants. */
export const platformTables: readonly PlatformTable[] = [
  {
    table: 'mono.tenants',
    privileges: ['SELECT', 'INSERT', 'UPDATE (status)', 'UPDATE (display_name)'],
    reason: 'the operators provision, list and suspend tenants',
  },
  { table: 'mono.kms_check', privileges: ['SELECT', 'INSERT'], reason: 'the key-encryption key is checked at start' },
  {
    table: 'mono.audit_events',
    privileges: ['SELECT (tenant_id)', 'SELECT (sealed_seq)'],
    reason: 'the worker asks which tenants have something to seal and learns nothing else',
  },
  {
    table: 'mono.signing_keys',
    privileges: ['SELECT (tenant_id)', 'SELECT (due_at)'],
    reason: 'the worker asks which tenants have a key to move on and learns nothing of the key',
  },
  {
    table: 'mono.clients',
    privileges: ['SELECT (tenant_id)', 'SELECT (created_at)', 'SELECT (updated_at)'],
    reason: 'the worker asks which tenants have clients that came by themselves and wait too long for an approval',
  },
  {
    table: 'mono.consumed',
    privileges: ['SELECT (tenant_id)', 'SELECT (kind)', 'SELECT (digest)', 'SELECT (expires_at)', 'DELETE'],
    reason: 'the sweep of what has expired; a row is a digest and a time',
  },
  {
    table: 'mono.ephemeral',
    privileges: ['SELECT (tenant_id)', 'SELECT (kind)', 'SELECT (digest)', 'SELECT (expires_at)', 'DELETE'],
    reason: 'the sweep of what has expired; values stay unread and keys are digests',
  },
  {
    table: 'mono.session_clients',
    privileges: ['SELECT (tenant_id)', 'SELECT (created_at)', 'DELETE'],
    reason: 'the sweep of sessions that have ended of themselves; whose they were stays unread',
  },
  {
    table: 'mono.logout_deliveries',
    privileges: ['SELECT (tenant_id)', 'SELECT (due_at)'],
    reason: 'the worker asks which tenants have a logout token to send and learns nothing else',
  },
  {
    table: 'mono.token_grants',
    privileges: ['SELECT (tenant_id)', 'SELECT (id)', 'SELECT (expires_at)', 'DELETE'],
    reason: 'the sweep of grants of which everything has expired; whose they were stays unread',
  },
  {
    table: 'mono.agent_consents',
    privileges: ['SELECT (tenant_id)', 'SELECT (id)', 'SELECT (ended_at)', 'SELECT (expires_at)', 'DELETE'],
    reason: 'the sweep of consents that have ended for long; whose they were stays unread',
  },
  {
    table: 'mono.refresh_tokens',
    privileges: ['SELECT (tenant_id)', 'SELECT (digest)', 'SELECT (expires_at)', 'DELETE'],
    reason: 'the sweep of what has expired; a digest and a time',
  },
  {
    table: 'mono.device_codes',
    privileges: ['SELECT (tenant_id)', 'SELECT (id)', 'SELECT (expires_at)', 'DELETE'],
    reason: 'the sweep of what has expired; neither code nor decision is read',
  },
  {
    table: 'mono.pushed_requests',
    privileges: ['SELECT (tenant_id)', 'SELECT (digest)', 'SELECT (expires_at)', 'DELETE'],
    reason: 'the sweep of what has expired; parameters stay unread',
  },
  {
    table: 'mono.ephemeral_incarnation',
    privileges: ['SELECT', 'INSERT'],
    reason: 'names the ephemeral store before any tenant is known',
  },
];

export interface ListedPolicy {
  readonly table: string;
  readonly name: string;
  readonly roles: string;
  /** pg_policy.polcmd: `*` all commands, `r` select, `a` insert. */
  readonly command: string;
  readonly using: string | null;
  readonly check: string | null;
  readonly reason: string;
}

const ownTenant = '(id = ( SELECT mono.current_tenant_id() AS current_tenant_id))';

/** Permissive policies besides `tenant_wall` and besides the one of `mono_platform` on each table above. */
export const listedPolicies: readonly ListedPolicy[] = [
  {
    table: 'mono.tenants',
    name: 'own_row',
    roles: 'mono_app',
    command: '*',
    using: ownTenant,
    check: ownTenant,
    reason: 'a tenant sees and changes its own row of the directory',
  },
  {
    table: 'mono.audit_events',
    name: 'audit_insert',
    roles: 'mono_audit_writer',
    command: 'a',
    using: null,
    check: 'true',
    reason: 'the group commit writes rows of many tenants in one statement and can read none',
  },
  {
    table: 'mono.consumed',
    name: 'consumed_insert',
    roles: 'mono_audit_writer',
    command: 'a',
    using: null,
    check: 'true',
    reason: 'the group commit uses things up in the statement that writes their evidence',
  },
  {
    table: 'mono.audit_events',
    name: 'platform_unsealed',
    roles: 'mono_platform',
    command: 'r',
    using: '(sealed_seq IS NULL)',
    check: null,
    reason: 'which tenants have something to seal; the column privileges show the tenant alone',
  },
  {
    table: 'mono.signing_keys',
    name: 'platform_due',
    roles: 'mono_platform',
    command: 'r',
    using: '(due_at IS NOT NULL)',
    check: null,
    reason: 'which tenants have a key to move on; the column privileges show tenant and time alone',
  },
  {
    table: 'mono.clients',
    name: 'platform_waiting',
    roles: 'mono_platform',
    command: 'r',
    using: "((source <> 'operator'::text) AND (status = ANY (ARRAY['draft'::text, 'submitted'::text])))",
    check: null,
    reason: 'which tenants have clients that wait too long; the column privileges show the tenant and times alone',
  },
];

/** Functions that run with their owner's rights. */
export const definerFunctions: readonly { readonly name: string; readonly reason: string }[] = [
  { name: 'mono.current_tenant_id()', reason: 'verifies the tenant with a key that only the owner may read' },
  {
    name: 'mono.raise_state_version()',
    reason: 'a login that could write versions could make a decision pass that is made by an old state',
  },
  { name: 'mono.own_state_version()', reason: 'reads the version of the transaction’s own tenant, and of no other' },
  {
    name: 'mono.outdated_states(uuid[], uuid[])',
    reason: 'the group commit can read no table: it learns whether the versions that it names are still right',
  },
];

/** Foreign keys to a tenantless table; they show whether its key exists. */
export const tenantlessReferences: readonly { readonly constraint: string; readonly reason: string }[] = [];

/** The only tables that `mono_audit_writer` may touch, and only by INSERT. */
export const evidenceTables: readonly string[] = ['mono.audit_events', 'mono.consumed'];
