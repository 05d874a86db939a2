-- The evidence. Rows are written once, at the moment of what they speak of, and sealed into the tenant's Merkle tree later.
create table mono.audit_events (
  tenant_id uuid not null,
  id uuid not null,
  occurred_at timestamptz not null,
  type text not null,
  outcome smallint not null,
  actor text not null,
  object_kind text not null,
  object_id text not null,
  -- monoauth.audit.v1.Event in deterministic binary form: the entry of the log. The columns above only serve searches.
  envelope bytea not null,
  -- Index of the leaf. Null until sealed: what commits late is found by that, never by comparing positions.
  sealed_seq bigint check (sealed_seq >= 0),
  primary key (tenant_id, id),
  unique (tenant_id, sealed_seq)
);
create index audit_events_unsealed on mono.audit_events (tenant_id, occurred_at, id) where sealed_seq is null;
create index audit_events_by_type on mono.audit_events (tenant_id, type, id);

call mono.build_wall('mono.audit_events', 'select, update (sealed_seq),
  insert (tenant_id, id, occurred_at, type, outcome, actor, object_kind, object_id, envelope)');
-- An event keeps its place in the log: a sealed row cannot be numbered again, nor lose its number.
create policy sealed_once on mono.audit_events as restrictive for update to mono_app
  using (sealed_seq is null) with check (sealed_seq is not null);
-- The group commit writes rows of many tenants in one statement, under a login that can read nothing.
create policy audit_insert on mono.audit_events for insert to mono_audit_writer with check (true);
grant insert (tenant_id, id, occurred_at, type, outcome, actor, object_kind, object_id, envelope)
  on mono.audit_events to mono_audit_writer;
-- The worker asks which tenants have something to seal, and learns nothing else.
create policy platform_unsealed on mono.audit_events for select to mono_platform using (sealed_seq is null);
grant select (tenant_id, sealed_seq) on mono.audit_events to mono_platform;

-- One Merkle tree per tenant (RFC 6962 §2.1). Its row is the sealer's lock.
create table mono.audit_trees (
  tenant_id uuid not null primary key,
  -- Names the log for ever, and is the name of its key.
  origin text not null,
  incarnation bigint not null check (incarnation >= 1),
  size bigint not null check (size >= 0),
  -- Hashes of the complete subtrees that cover [0, size), left to right, 32 bytes each.
  frontier bytea not null check (length(frontier) % 32 = 0),
  -- The signed checkpoint of this size (C2SP tlog-checkpoint).
  note text not null,
  sealed_at timestamptz not null
);
call mono.build_wall('mono.audit_trees', 'select, insert, update (size, frontier, note, sealed_at)');

-- Complete subtrees; they never change. Level 0 are the leaves.
create table mono.audit_nodes (
  tenant_id uuid not null,
  level smallint not null check (level >= 0),
  idx bigint not null check (idx >= 0),
  hash bytea not null check (length(hash) = 32),
  primary key (tenant_id, level, idx)
);
call mono.build_wall('mono.audit_nodes', 'select, insert');
