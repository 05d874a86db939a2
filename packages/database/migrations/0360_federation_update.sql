-- What an issuer is trusted for may be changed by who has seen what it is.
alter table mono.trusted_issuers add column version int not null default 1 check (version >= 1);
grant update (name, purposes, jwks, jwks_uri, client_ids, scopes, audiences, assertion_ttl_seconds_max, one_time, acr_values,
  max_age_seconds, version) on mono.trusted_issuers to mono_app;

-- The sweep of what people allowed agents and has ended for long.
create policy platform on mono.agent_consents to mono_platform using (true) with check (true);
grant select (tenant_id, id, ended_at, expires_at), delete on mono.agent_consents to mono_platform;
create index agent_consents_over on mono.agent_consents (least(ended_at, expires_at));
