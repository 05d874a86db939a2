-- What may happen once: client assertions, and whatever else is used up at a grant. A key is a digest of who and what,
-- never of the token's text (signatures have several encodings). A row stays until what it names has expired.
create table mono.consumed (
  tenant_id uuid not null,
  kind text not null,
  digest bytea not null check (length(digest) = 32),
  expires_at timestamptz not null,
  primary key (tenant_id, kind, digest)
);
create index consumed_expiry on mono.consumed (expires_at);
-- The platform sweeps what has expired; it reads no more than it deletes by.
call mono.build_wall('mono.consumed', 'select, insert', '', 'select (tenant_id, kind, digest, expires_at), delete');
-- The group commit uses things up in the statement that writes their evidence.
create policy consumed_insert on mono.consumed for insert to mono_audit_writer with check (true);
grant insert on mono.consumed to mono_audit_writer;
