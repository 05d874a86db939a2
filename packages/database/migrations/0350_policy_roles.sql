-- Products of a tenant with their roles, and who has which of them. The id of an assignment, and the edition of its product,
-- are in `grants` of every token that tells of it.
create table mono.products (
  tenant_id uuid not null,
  name text not null,
  display_name text not null,
  -- [{name, description, permissions}], by name. Always replaced as a whole.
  roles jsonb not null,
  version bigint not null check (version >= 1),
  -- What tokens that tell of its roles die by when it takes something away: then it has another one.
  edition uuid not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  idempotency_key text,
  request_digest bytea check (octet_length(request_digest) = 32),
  primary key (tenant_id, name),
  unique (tenant_id, edition),
  unique (tenant_id, idempotency_key)
);
call mono.build_wall('mono.products', 'select, insert, update (display_name, roles, version, edition, updated_at)');

-- Which audiences are whose: a token says one product's roles.
create table mono.product_resources (
  tenant_id uuid not null,
  identifier text not null,
  product text not null,
  primary key (tenant_id, identifier),
  foreign key (tenant_id, identifier) references mono.resources (tenant_id, identifier),
  foreign key (tenant_id, product) references mono.products (tenant_id, name)
);
create index product_resources_product on mono.product_resources (tenant_id, product);
call mono.build_wall('mono.product_resources', 'select, insert, delete');

create table mono.role_assignments (
  tenant_id uuid not null,
  id uuid not null,
  product text not null,
  -- No foreign key: the record outlives the role, and the account of whom it was given to.
  role text not null,
  principal text not null,
  -- Empty: everywhere in the product.
  resource text not null,
  created_at timestamptz not null,
  created_by text not null,
  expires_at timestamptz,
  ended_at timestamptz,
  idempotency_key text,
  request_digest bytea check (octet_length(request_digest) = 32),
  primary key (tenant_id, id),
  unique (tenant_id, idempotency_key),
  foreign key (tenant_id, product) references mono.products (tenant_id, name)
);
create unique index role_assignments_living on mono.role_assignments (tenant_id, product, principal, role, resource)
  where ended_at is null;
-- Who was ever given a role, which bounds what they do for others.
create index role_assignments_principal on mono.role_assignments (tenant_id, principal, product);
call mono.build_wall('mono.role_assignments', 'select, insert, update (ended_at)');

-- What somebody may do in the product that a token is for is asked at each token.
call mono.watch_state('mono.products', 'roles, edition');
call mono.watch_state('mono.product_resources');
call mono.watch_state('mono.role_assignments');
