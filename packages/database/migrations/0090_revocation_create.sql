-- Revocations as they were ordered. What enforces them is the feed; a token needs no row of its own.
create table mono.revocations (
  tenant_id uuid not null,
  id uuid not null,
  target_kind text not null check (target_kind in ('token', 'session', 'host', 'agent', 'client', 'user', 'tenant')),
  -- The id on the wire; empty for the tenant as a whole.
  target_id text not null check ((target_id = '') = (target_kind = 'tenant')),
  reason text not null,
  -- Whoever has applied this entry enforces the revocation.
  feed_seq bigint not null check (feed_seq >= 1),
  created_by text not null,
  created_at timestamptz not null,
  -- [{"kind": text, "count": number}]: what died with the target.
  casualties jsonb not null,
  idempotency_key text,
  primary key (tenant_id, id),
  unique (tenant_id, idempotency_key),
  foreign key (tenant_id, feed_seq) references mono.feed_entries (tenant_id, seq)
);
call mono.build_wall('mono.revocations', 'select, insert');
