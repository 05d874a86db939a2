-- Consents: the edge from a person to an agent that acts for them and is not their own. Its id is in `grants` of every token
-- that is made by it.
create table mono.agent_consents (
  tenant_id uuid not null,
  id uuid not null,
  -- No foreign key: the record of who allowed it outlives the person's account.
  user_id uuid not null,
  agent_id uuid not null,
  -- Of the agent, which never changes it: a host that is revoked ends what its agents were allowed.
  host_id uuid not null,
  scopes text[] not null,
  -- Empty: those of the host.
  audiences text[] not null,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  ended_at timestamptz,
  idempotency_key text,
  request_digest bytea check (octet_length(request_digest) = 32),
  primary key (tenant_id, id),
  -- Keys are each person's own.
  unique (tenant_id, user_id, idempotency_key),
  foreign key (tenant_id, agent_id) references mono.agents (tenant_id, id),
  foreign key (tenant_id, host_id) references mono.hosts (tenant_id, id)
);
-- One living edge from a person to an agent; the one that an exchange looks for.
create unique index agent_consents_living on mono.agent_consents (tenant_id, user_id, agent_id) where ended_at is null;
create index agent_consents_agent on mono.agent_consents (tenant_id, agent_id) where ended_at is null;
create index agent_consents_host on mono.agent_consents (tenant_id, host_id) where ended_at is null;
call mono.build_wall('mono.agent_consents', 'select, insert, update (ended_at)');
