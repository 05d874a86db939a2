-- Ceilings of a tenant over every client and grant; a tenant without a row has the defaults that stand in the code.
create table mono.security_policies (
  tenant_id uuid not null primary key,
  policy jsonb not null,
  version bigint not null,
  updated_at timestamptz not null
);
call mono.build_wall('mono.security_policies', 'select, insert, update (policy, version, updated_at)');
