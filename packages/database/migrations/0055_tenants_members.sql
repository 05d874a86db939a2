-- Who belongs to a tenant and as what. The foreign key is what keeps a role from outliving its user.
create table mono.members (
  tenant_id uuid not null,
  user_id uuid not null,
  role text not null check (role in ('owner', 'admin', 'auditor', 'member')),
  created_at timestamptz not null,
  primary key (tenant_id, user_id),
  foreign key (tenant_id, user_id) references identity."user" (tenant_id, id) on delete cascade
);
call mono.build_wall('mono.members', 'select, insert, update (role), delete');
