-- What may vanish at any time: counters, nonces, hot copies. UNLOGGED on purpose: cheap to write, and emptied by a crash or a
-- fail-over, which the incarnation below then tells.
create unlogged table mono.ephemeral (
  tenant_id uuid not null,
  kind text not null,
  -- SHA-256 of the key: keys may be secrets.
  digest bytea not null check (octet_length(digest) = 32),
  value text,
  count bigint not null default 0,
  expires_at timestamptz not null,
  primary key (tenant_id, kind, digest)
);

create index ephemeral_expiry on mono.ephemeral (expires_at);

-- The platform sweeps what has expired; it can read nothing but what the sweep compares and deletes by.
call mono.build_wall('mono.ephemeral', 'select, insert, update, delete', '',
  'select (tenant_id, kind, digest, expires_at), delete');

-- One random value that lives and dies with the table above. Tenantless by nature: it names the store, not what is in it.
create unlogged table mono.ephemeral_incarnation (
  only_row boolean primary key check (only_row),
  incarnation uuid not null
);

alter table mono.ephemeral_incarnation enable row level security;
alter table mono.ephemeral_incarnation force row level security;
create policy platform on mono.ephemeral_incarnation to mono_platform using (true) with check (true);
grant select, insert on mono.ephemeral_incarnation to mono_platform;
