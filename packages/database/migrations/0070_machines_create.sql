-- Invites. The token itself is never stored: its jti is the id, and what makes it a credential is our signature.
create table mono.invites (
  tenant_id uuid not null,
  id uuid not null,
  host_name text not null,
  -- Whether it has expired is the clock's to say, not a status.
  status text not null check (status in ('open', 'redeemed', 'revoked')),
  scopes text[] not null,
  audiences text[] not null,
  created_by text not null,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  redeemed_at timestamptz,
  redeemed_by uuid,
  idempotency_key text,
  primary key (tenant_id, id),
  unique (tenant_id, idempotency_key),
  check ((status = 'redeemed') = (redeemed_by is not null and redeemed_at is not null))
);
call mono.build_wall('mono.invites', 'select, insert, update (status, redeemed_at, redeemed_by)');

create table mono.hosts (
  tenant_id uuid not null,
  id uuid not null,
  name text not null,
  status text not null check (status in ('active', 'quarantined', 'revoked')),
  -- Advances at each renewal; an older one presented again is a clone.
  generation bigint not null check (generation >= 1),
  client_id uuid not null,
  invite_id uuid not null,
  public_jwk jsonb not null,
  -- RFC 7638 thumbprint of public_jwk.
  jkt text not null,
  enrolled_at timestamptz not null,
  renewed_at timestamptz,
  -- The renewal that made this generation and what it was answered: the same request gets the same answer.
  last_request_id text,
  last_next_jkt text,
  last_answer text,
  primary key (tenant_id, id),
  -- One host for each invite, whatever else goes wrong.
  unique (tenant_id, invite_id),
  unique (tenant_id, client_id),
  foreign key (tenant_id, client_id) references mono.clients (tenant_id, id),
  foreign key (tenant_id, invite_id) references mono.invites (tenant_id, id)
);
create unique index hosts_living_name on mono.hosts (tenant_id, name) where status <> 'revoked';
call mono.build_wall('mono.hosts', 'select, insert, update (status, generation, public_jwk, jkt, renewed_at, last_request_id, last_next_jkt, last_answer)');

-- Both are made in one transaction and name each other, so these two are checked at its end.
alter table mono.clients add constraint clients_host_fkey
  foreign key (tenant_id, host_id) references mono.hosts (tenant_id, id) deferrable initially deferred;
alter table mono.invites add constraint invites_redeemed_by_fkey
  foreign key (tenant_id, redeemed_by) references mono.hosts (tenant_id, id) deferrable initially deferred;

-- Agents. The owner is a member when the agent is registered; no foreign key, so that the record of who answered for an
-- agent outlives the person's account.
create table mono.agents (
  tenant_id uuid not null,
  id uuid not null,
  host_id uuid not null,
  name text not null,
  owner_user_id uuid not null,
  status text not null check (status in ('active', 'suspended', 'revoked')),
  scopes text[] not null,
  created_at timestamptz not null,
  idempotency_key text,
  primary key (tenant_id, id),
  unique (tenant_id, idempotency_key),
  foreign key (tenant_id, host_id) references mono.hosts (tenant_id, id)
);
create unique index agents_living_name on mono.agents (tenant_id, host_id, name) where status <> 'revoked';
call mono.build_wall('mono.agents', 'select, insert, update (status)');
