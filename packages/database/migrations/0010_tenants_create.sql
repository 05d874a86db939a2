-- The tenant directory. Tenantless by nature: it is what maps a slug to a tenant, before a tenant is known.
create table mono.tenants (
  id uuid primary key,
  slug text not null unique check (slug ~ '^[a-z]([a-z0-9]|-(?=[a-z0-9])){1,38}$'),
  display_name text not null,
  status text not null check (status in ('provisioning', 'active', 'suspended')),
  -- Tokens and sessions carry the epoch they were made in; a smaller one is dead.
  epoch bigint not null check (epoch >= 1),
  -- Raised when the database was rolled back: heads, snapshots, checkpoints and join states carry it.
  incarnation bigint not null check (incarnation >= 1),
  idempotency_key text unique,
  created_at timestamptz not null
);

alter table mono.tenants enable row level security;
alter table mono.tenants force row level security;
create policy platform on mono.tenants to mono_platform using (true) with check (true);
-- A tenant's own transaction sees and changes its own row alone (status, epoch).
create policy own_row on mono.tenants to mono_app using (id = (select mono.current_tenant_id()))
  with check (id = (select mono.current_tenant_id()));
grant select, insert, update (status, display_name) on mono.tenants to mono_platform;
grant select, update (epoch, status, display_name) on mono.tenants to mono_app;
