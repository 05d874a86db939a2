-- Clients that register themselves (RFC 7591): who made their initial access token answers for them.
alter table mono.registration_tokens add column owner_user_id uuid;
-- A draft that nobody approved gives the URL of its metadata document back.
grant update (external_id) on mono.clients to mono_app;
-- The worker learns which tenants have drafts that wait too long, and nothing else about them.
create policy platform_waiting on mono.clients for select to mono_platform
  using (source <> 'operator' and status in ('draft', 'submitted'));
grant select (tenant_id, created_at, updated_at) on mono.clients to mono_platform;
create index clients_waiting on mono.clients (tenant_id, created_at) where source <> 'operator' and status in ('draft', 'submitted');
