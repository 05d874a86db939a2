-- Which state of a tenant a decision was made by. Whatever a decision may remember in process stands in a watched table: a
-- transaction that changes one gives the tenant another version, and the group commit keeps the evidence of a decision only
-- while the version that it was made by is still the present one. So no process decides by what is no longer true, however
-- late it hears of it.

-- Read and moved by the owner's two functions alone; no login holds a privilege on it.
-- A version is random: in a database that was put back, or lost its last commits in a fail-over, none comes a second time.
create table mono.state_versions (
  tenant_id uuid primary key,
  version uuid not null,
  -- The transaction that raised it last: it raises once, however many rows it changes.
  raised_by xid8 not null
);

-- DEFINER because a login that could write versions could make a stale decision pass.
create function mono.raise_state_version() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  tenant uuid;
begin
  if tg_argv[0] = 'id' then
    tenant := coalesce(new.id, old.id);
  else
    tenant := coalesce(new.tenant_id, old.tenant_id);
  end if;
  insert into mono.state_versions as held (tenant_id, version, raised_by)
  values (tenant, gen_random_uuid(), pg_current_xact_id())
  on conflict (tenant_id) do update set version = excluded.version, raised_by = excluded.raised_by
    where held.raised_by <> excluded.raised_by;
  return null;
end
$$;

-- Makes changes of a table count. Deferred to the commit: the version's row is the last that a transaction locks, so that
-- no two of them wait for each other. `columns`: those whose change counts, as in 'status, scopes'; empty: all.
create procedure mono.watch_state(target regclass, columns text default '', tenant_column text default 'tenant_id')
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  execute format('create constraint trigger state_version after insert or delete or update %s on %s deferrable initially deferred
    for each row execute function mono.raise_state_version(%L)',
    case when columns = '' then '' else 'of ' || columns end, target, tenant_column);
end
$$;

call mono.watch_state('mono.tenants', 'status, epoch, key_version', 'id');
call mono.watch_state('mono.security_policies');
call mono.watch_state('mono.signing_keys');
call mono.watch_state('mono.clients');
call mono.watch_state('mono.client_secrets', 'digest, expires_at');
call mono.watch_state('mono.resources');
call mono.watch_state('mono.hosts');
call mono.watch_state('mono.agents');
call mono.watch_state('mono.policy_versions');
call mono.watch_state('mono.feed_heads');

-- The version of the tenant of this transaction; null where nothing of it was ever watched.
create function mono.own_state_version() returns uuid
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$ select version from mono.state_versions where tenant_id = mono.current_tenant_id() $$;
grant execute on function mono.own_state_version() to mono_app;

-- Which of the versions that decisions were made by are not the present ones. DEFINER, and for the group commit alone, which
-- can read no table: it learns whether a number is still right and nothing else.
create function mono.outdated_states(tenants uuid[], versions uuid[]) returns setof int
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
  select made_by.n::int from unnest(tenants, versions) with ordinality as made_by (tenant_id, version, n)
    left join mono.state_versions as held on held.tenant_id = made_by.tenant_id
  where held.version is distinct from made_by.version
$$;
grant execute on function mono.outdated_states(uuid[], uuid[]) to mono_audit_writer;
