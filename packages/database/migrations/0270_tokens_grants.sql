-- What the authorization server remembers between two requests of one grant. Credentials stand as digests only.

-- A grant: what a person allowed a client, from one code or device code on. Its id is in `grants` of every token made from
-- it, so revoking the grant ends the whole family.
create table mono.token_grants (
  tenant_id uuid not null,
  id uuid not null,
  client_id uuid not null,
  user_id uuid not null,
  -- The person's session that it hangs on; null where it outlives the session (offline_access).
  session_id uuid,
  scopes text[] not null,
  resources text[] not null,
  auth_time timestamptz not null,
  -- Thumbprint of the key that its refresh tokens are bound to (RFC 9449 §5).
  dpop_jkt text,
  -- What the tenant and its feed were when it began: whatever was taken away from a later entry on ends it.
  epoch bigint not null,
  feed_seq bigint not null,
  created_at timestamptz not null,
  -- When the last thing made from it has expired: its refresh tokens, or the one access token where it has none.
  expires_at timestamptz not null,
  ended_at timestamptz,
  primary key (tenant_id, id),
  foreign key (tenant_id, client_id) references mono.clients (tenant_id, id)
);
create index token_grants_user on mono.token_grants (tenant_id, user_id) where ended_at is null;
create index token_grants_client on mono.token_grants (tenant_id, client_id) where ended_at is null;
create index token_grants_session on mono.token_grants (tenant_id, session_id) where ended_at is null;
create index token_grants_expiry on mono.token_grants (expires_at);
call mono.build_wall('mono.token_grants', 'select, insert, update (ended_at)', '', 'select (tenant_id, id, expires_at), delete');

-- Refresh tokens: one living token for each grant. A spent one is kept until it would have expired: whoever shows it again
-- ends the grant.
create table mono.refresh_tokens (
  tenant_id uuid not null,
  digest bytea not null check (octet_length(digest) = 32),
  grant_id uuid not null,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  spent_at timestamptz,
  primary key (tenant_id, digest),
  foreign key (tenant_id, grant_id) references mono.token_grants (tenant_id, id)
);
create unique index refresh_tokens_living on mono.refresh_tokens (tenant_id, grant_id) where spent_at is null;
create index refresh_tokens_expiry on mono.refresh_tokens (expires_at);
call mono.build_wall('mono.refresh_tokens', 'select, insert, update (spent_at)', '', 'select (tenant_id, digest, expires_at), delete');

-- RFC 8628. The person's decision stands in decided_by and granted.
create table mono.device_codes (
  tenant_id uuid not null,
  id uuid not null,
  digest bytea not null check (octet_length(digest) = 32),
  user_code_digest bytea not null check (octet_length(user_code_digest) = 32),
  client_id uuid not null,
  scopes text[] not null,
  resources text[] not null,
  dpop_jkt text,
  interval_seconds int not null,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  polled_at timestamptz,
  decided_by uuid,
  decided_session_id uuid,
  -- When the person who decided had signed in.
  auth_time timestamptz,
  decided_at timestamptz,
  granted boolean,
  grant_id uuid,
  primary key (tenant_id, id),
  unique (tenant_id, digest),
  unique (tenant_id, user_code_digest),
  foreign key (tenant_id, client_id) references mono.clients (tenant_id, id)
);
create index device_codes_expiry on mono.device_codes (expires_at);
call mono.build_wall('mono.device_codes', 'select, insert, update (interval_seconds, polled_at, decided_by, decided_session_id, auth_time, decided_at, granted, grant_id)', '', 'select (tenant_id, id, expires_at), delete');

-- RFC 9126: pushed authorization requests, each used once.
create table mono.pushed_requests (
  tenant_id uuid not null,
  digest bytea not null check (octet_length(digest) = 32),
  client_id uuid not null,
  parameters jsonb not null,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  primary key (tenant_id, digest),
  foreign key (tenant_id, client_id) references mono.clients (tenant_id, id)
);
create index pushed_requests_expiry on mono.pushed_requests (expires_at);
call mono.build_wall('mono.pushed_requests', 'select, insert', '', 'select (tenant_id, digest, expires_at), delete');

-- A grant can be revoked by itself.
alter table mono.revocations drop constraint revocations_target_kind_check;
alter table mono.revocations add constraint revocations_target_kind_check
  check (target_kind in ('token', 'session', 'host', 'agent', 'client', 'user', 'grant', 'tenant'));
