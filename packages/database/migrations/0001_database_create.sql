-- The tenant wall. Every table with tenant data is closed by mono.build_wall(), so that none can be forgotten half-way.

grant usage on schema mono to mono_app, mono_identity, mono_platform, mono_audit_writer;
grant usage on schema identity to mono_identity;
alter default privileges for role mono_owner revoke execute on functions from public;

-- Padded blocks of the guard's HMAC key (RFC 2104). Only the owner reads them, through current_tenant_id().
create table mono.tenant_guard (
  only_row boolean primary key check (only_row),
  inner_block bytea not null check (length(inner_block) = 64),
  outer_block bytea not null check (length(outer_block) = 64)
);

-- The tenant of this transaction. Raises when none is set (a bare current_setting would answer '' and reads would come
-- back empty in silence) and when the setting was not made by a process that holds the guard key.
-- DEFINER because the key is the owner's alone; PARALLEL RESTRICTED because a worker has another pid.
create function mono.current_tenant_id() returns uuid
language plpgsql stable parallel restricted security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  setting text := current_setting('app.tenant_id', true);
  guard mono.tenant_guard;
begin
  if setting is null or setting = '' then
    raise exception 'no tenant is set' using errcode = 'insufficient_privilege';
  end if;
  select only_row, inner_block, outer_block into guard from mono.tenant_guard where only_row;
  if encode(sha256(guard.outer_block || sha256(guard.inner_block
      || convert_to(left(setting, 36) || '|' || pg_backend_pid()::text, 'UTF8'))), 'hex')
     is distinct from substr(setting, 38) then
    raise exception 'the tenant setting is forged' using errcode = 'insufficient_privilege';
  end if;
  return left(setting, 36)::uuid;
end
$$;
grant execute on function mono.current_tenant_id() to mono_app, mono_identity;

-- Closes a table: row level security enabled and forced, one policy on the tenant, grants to the two tenant logins.
-- Platform rights are a second, explicit policy (platform_grants, e.g. 'select, insert').
create procedure mono.build_wall(target regclass, app_grants text, identity_grants text default '', platform_grants text default '')
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  execute format('alter table %s enable row level security', target);
  execute format('alter table %s force row level security', target);
  execute format('create policy tenant_wall on %s to mono_app, mono_identity
    using (tenant_id = (select mono.current_tenant_id()))
    with check (tenant_id = (select mono.current_tenant_id()))', target);
  if app_grants <> '' then
    execute format('grant %s on %s to mono_app', app_grants, target);
  end if;
  if identity_grants <> '' then
    execute format('grant %s on %s to mono_identity', identity_grants, target);
  end if;
  if platform_grants <> '' then
    execute format('create policy platform on %s to mono_platform using (true) with check (true)', target);
    execute format('grant %s on %s to mono_platform', platform_grants, target);
  end if;
end
$$;
