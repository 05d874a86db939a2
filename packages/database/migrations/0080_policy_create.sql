-- Published policy. Append-only: what decided yesterday can be read tomorrow.
create table mono.policy_versions (
  tenant_id uuid not null,
  version bigint not null check (version >= 1),
  id uuid not null,
  policy_text text not null,
  -- The exact bytes that the hash is of and that services hold.
  snapshot bytea not null,
  hash bytea not null check (length(hash) = 32),
  published_by text not null,
  published_at timestamptz not null,
  -- Two that publish on the same version at once: the key lets one in.
  primary key (tenant_id, version),
  unique (tenant_id, id)
);
call mono.build_wall('mono.policy_versions', 'select, insert');
