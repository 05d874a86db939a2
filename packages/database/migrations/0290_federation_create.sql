-- Trust across domains: whose assertions a tenant takes, whom their subjects are here, and where its own clients may take
-- assertions to.

-- An issuer that is trusted. Its id is in `grants` of every token made from its assertions, so that one entry of the feed
-- ends them all.
create table mono.trusted_issuers (
  tenant_id uuid not null,
  id uuid not null,
  issuer text not null,
  name text not null,
  status text not null check (status in ('trusted', 'suspended', 'removed')),
  purposes text[] not null,
  -- Exactly one of the two.
  jwks jsonb,
  jwks_uri text,
  client_ids uuid[] not null,
  scopes text[] not null,
  audiences text[] not null,
  assertion_ttl_seconds_max int not null,
  one_time boolean not null,
  multi_tenant boolean not null,
  acr_values text[] not null,
  max_age_seconds int not null,
  idempotency_key text,
  request_digest bytea,
  created_at timestamptz not null,
  primary key (tenant_id, id),
  check ((jwks is null) <> (jwks_uri is null))
);
-- One trust in an issuer at a time: what an assertion is worth must not depend on which row is found.
create unique index trusted_issuers_living on mono.trusted_issuers (tenant_id, issuer) where status <> 'removed';
create unique index trusted_issuers_request on mono.trusted_issuers (tenant_id, idempotency_key);
call mono.build_wall('mono.trusted_issuers', 'select, insert, update (status)');

-- Whom a subject of an issuer is: by issuer, tenant there, and name; never by anything that people may change.
create table mono.federated_subjects (
  tenant_id uuid not null,
  id uuid not null,
  issuer_id uuid not null,
  subject text not null,
  subject_tenant text not null,
  user_id uuid,
  agent_id uuid,
  client_id uuid,
  idempotency_key text,
  request_digest bytea,
  created_at timestamptz not null,
  ended_at timestamptz,
  primary key (tenant_id, id),
  foreign key (tenant_id, issuer_id) references mono.trusted_issuers (tenant_id, id),
  foreign key (tenant_id, client_id) references mono.clients (tenant_id, id),
  check (num_nonnulls(user_id, agent_id, client_id) = 1)
);
create unique index federated_subjects_living on mono.federated_subjects (tenant_id, issuer_id, subject_tenant, subject)
  where ended_at is null;
create unique index federated_subjects_request on mono.federated_subjects (tenant_id, idempotency_key);
call mono.build_wall('mono.federated_subjects', 'select, insert, update (ended_at)');

-- Where a client may take assertions about people of this tenant.
create table mono.resource_server_trusts (
  tenant_id uuid not null,
  id uuid not null,
  issuer text not null,
  name text not null,
  client_id uuid not null,
  remote_client_id text not null,
  profile text not null check (profile in ('id_jag', 'enterprise_managed', 'identity_chaining')),
  resources text[] not null,
  scopes text[] not null,
  idempotency_key text,
  request_digest bytea,
  created_at timestamptz not null,
  ended_at timestamptz,
  primary key (tenant_id, id),
  foreign key (tenant_id, client_id) references mono.clients (tenant_id, id)
);
create unique index resource_server_trusts_living on mono.resource_server_trusts (tenant_id, client_id, issuer, (profile = 'identity_chaining'))
  where ended_at is null;
create unique index resource_server_trusts_request on mono.resource_server_trusts (tenant_id, idempotency_key);
call mono.build_wall('mono.resource_server_trusts', 'select, insert, update (ended_at)');
