-- Clients under governance: what a client may do is its manifest. One is in force, approved by its hash; one may be proposed
-- beside it. scopes, audiences and jwks repeat the manifest that is in force, or the proposed one before the first approval.
alter table mono.clients drop constraint clients_kind_check;
alter table mono.clients add constraint clients_kind_check check (kind in ('host', 'agent', 'machine', 'service', 'app'));
alter table mono.clients drop constraint clients_status_check;
alter table mono.clients add constraint clients_status_check
  check (status in ('draft', 'submitted', 'approved', 'suspended', 'retired'));
alter table mono.clients
  add column environment text not null default 'production' check (environment in ('development', 'staging', 'production')),
  add column product text not null default '',
  add column owner_user_id uuid,
  add column source text not null default 'operator' check (source in ('operator', 'registration', 'metadata_document')),
  -- What the client calls itself where that is not its id: the URL of its metadata document.
  add column external_id text,
  add column manifest jsonb,
  add column proposed jsonb,
  add column proposed_submitted boolean not null default false,
  add column version bigint not null default 1,
  -- Who asked for the approval that was given last or waits, and who gave it: principals.
  add column submitted_by text,
  add column approved_by text,
  add column request_digest bytea check (octet_length(request_digest) = 32),
  -- SHA-256 of the registration access token (RFC 7592).
  add column registration_digest bytea check (octet_length(registration_digest) = 32),
  add column updated_at timestamptz,
  add constraint clients_external_id unique (tenant_id, external_id);
grant update (manifest, proposed, proposed_submitted, version, scopes, audiences, owner_user_id, submitted_by, approved_by,
  registration_digest, updated_at, name) on mono.clients to mono_app;

-- Secrets of clients: SHA-256 of 256 random bits, so no slower digest is needed. Two live at most, held by the use case.
create table mono.client_secrets (
  tenant_id uuid not null,
  id uuid not null,
  client_id uuid not null,
  digest bytea not null check (octet_length(digest) = 32),
  created_at timestamptz not null,
  expires_at timestamptz not null,
  last_used_at timestamptz,
  idempotency_key text,
  request_digest bytea check (octet_length(request_digest) = 32),
  primary key (tenant_id, id),
  unique (tenant_id, client_id, idempotency_key),
  foreign key (tenant_id, client_id) references mono.clients (tenant_id, id)
);
create index client_secrets_client on mono.client_secrets (tenant_id, client_id);
call mono.build_wall('mono.client_secrets', 'select, insert, update (expires_at, last_used_at)');

-- APIs that tokens are made for (RFC 8707). An identifier is never free again: tokens outlive what they were made for.
create table mono.resources (
  tenant_id uuid not null,
  identifier text not null,
  name text not null,
  environment text not null check (environment in ('development', 'staging', 'production')),
  product text not null,
  scopes text[] not null,
  access_token_ttl_seconds int not null check (access_token_ttl_seconds >= 0),
  dpop_required boolean not null,
  is_default boolean not null,
  client_id uuid,
  retired boolean not null,
  version bigint not null,
  idempotency_key text,
  request_digest bytea check (octet_length(request_digest) = 32),
  created_at timestamptz not null,
  primary key (tenant_id, identifier),
  unique (tenant_id, idempotency_key),
  foreign key (tenant_id, client_id) references mono.clients (tenant_id, id)
);
create unique index resources_default on mono.resources (tenant_id, environment) where is_default and not retired;
-- Services of before were approved as they stood, so what they are is an API already. The wall also holds the owner off.
alter table mono.clients no force row level security;
insert into mono.resources (tenant_id, identifier, name, environment, product, scopes, access_token_ttl_seconds,
  dpop_required, is_default, client_id, retired, version, created_at)
select tenant_id, resource, name, 'production', '', '{}', 0, false, false, id, status = 'retired', 1, created_at
from mono.clients where resource is not null;
alter table mono.clients force row level security;
call mono.build_wall('mono.resources', 'select, insert, update (name, scopes, access_token_ttl_seconds, dpop_required, is_default, client_id, retired, version)');

-- Initial access tokens (RFC 7591 §3): one registers one client.
create table mono.registration_tokens (
  tenant_id uuid not null,
  id uuid not null,
  digest bytea not null check (octet_length(digest) = 32),
  label text not null,
  environment text not null check (environment in ('development', 'staging', 'production')),
  created_at timestamptz not null,
  expires_at timestamptz not null,
  used_for_client_id uuid,
  revoked boolean not null,
  idempotency_key text,
  request_digest bytea check (octet_length(request_digest) = 32),
  primary key (tenant_id, id),
  unique (tenant_id, digest),
  unique (tenant_id, idempotency_key),
  foreign key (tenant_id, used_for_client_id) references mono.clients (tenant_id, id)
);
call mono.build_wall('mono.registration_tokens', 'select, insert, update (used_for_client_id, revoked)');
