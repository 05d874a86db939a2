-- OAuth clients: the one table of them. They authenticate by private_key_jwt, so only public keys are kept.
create table mono.clients (
  tenant_id uuid not null,
  id uuid not null,
  kind text not null check (kind in ('host', 'agent', 'machine', 'service')),
  name text not null,
  status text not null check (status in ('approved', 'suspended', 'retired')),
  scopes text[] not null,
  audiences text[] not null,
  -- The audience that a resource server is (RFC 8707).
  resource text check (resource is null or kind = 'service'),
  jwks jsonb not null,
  host_id uuid check ((host_id is not null) = (kind in ('host', 'agent'))),
  idempotency_key text,
  created_at timestamptz not null,
  primary key (tenant_id, id),
  unique (tenant_id, idempotency_key),
  -- Also of retired clients: a resource that changed hands would take the tokens made for its former owner.
  unique (tenant_id, resource)
);
create unique index clients_living_name on mono.clients (tenant_id, name) where status <> 'retired';
create index clients_host on mono.clients (tenant_id, host_id) where host_id is not null;
call mono.build_wall('mono.clients', 'select, insert, update (status, jwks)');
