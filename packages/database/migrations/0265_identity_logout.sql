-- Logout that reaches the clients (OpenID Connect Back-Channel Logout 1.0).

-- Which clients a session has been used for: who must hear when it ends.
create table mono.session_clients (
  tenant_id uuid not null,
  session_id uuid not null,
  client_id uuid not null,
  user_id uuid not null,
  created_at timestamptz not null,
  primary key (tenant_id, session_id, client_id),
  foreign key (tenant_id, client_id) references mono.clients (tenant_id, id),
  foreign key (tenant_id, user_id) references identity."user" (tenant_id, "id") on delete cascade
);
create index session_clients_user on mono.session_clients (tenant_id, user_id);
create index session_clients_created on mono.session_clients (created_at);
call mono.build_wall('mono.session_clients', 'select, insert, delete', '', 'select (tenant_id, created_at), delete');

-- Logout tokens on their way. A row is written in the transaction that ends the session and goes when it was delivered,
-- or given up.
create table mono.logout_deliveries (
  tenant_id uuid not null,
  id uuid not null,
  client_id uuid not null,
  session_id uuid not null,
  user_id uuid not null,
  attempts int not null,
  due_at timestamptz not null,
  created_at timestamptz not null,
  primary key (tenant_id, id),
  foreign key (tenant_id, client_id) references mono.clients (tenant_id, id)
);
create index logout_deliveries_due on mono.logout_deliveries (due_at);
call mono.build_wall('mono.logout_deliveries', 'select, insert, update (attempts, due_at), delete', '', 'select (tenant_id, due_at)');
