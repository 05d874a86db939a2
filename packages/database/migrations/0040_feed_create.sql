-- The feed of a tenant: what takes access away, in one dense, hash-chained sequence. Its head row is the appender's lock.
create table mono.feed_heads (
  tenant_id uuid not null primary key,
  incarnation bigint not null check (incarnation >= 1),
  seq bigint not null check (seq >= 0),
  hash bytea not null check (length(hash) = 32)
);
call mono.build_wall('mono.feed_heads', 'select, insert, update (seq, hash)');

create table mono.feed_entries (
  tenant_id uuid not null,
  seq bigint not null check (seq >= 1),
  kind text not null,
  -- Canonical JSON; hashed as these bytes.
  payload bytea not null,
  -- Part of the hash, therefore whole milliseconds.
  created_at_ms bigint not null,
  -- The chain's value after this entry.
  hash bytea not null check (length(hash) = 32),
  primary key (tenant_id, seq)
);
call mono.build_wall('mono.feed_entries', 'select, insert');

-- Enforcement points: who follows the feed, and how far each has come.
create table mono.feed_subscribers (
  tenant_id uuid not null,
  id uuid not null,
  -- Principal URI of the client that registered it, and alone may use it.
  principal text not null,
  name text not null,
  lease_ms integer not null,
  registered_at timestamptz not null,
  -- The highest entry that was ever sent to it, and of which life of the database.
  sent_incarnation bigint not null,
  sent_seq bigint not null,
  applied_incarnation bigint not null,
  applied_seq bigint not null,
  applied_hash bytea not null,
  -- When it first said that it has applied applied_seq.
  applied_at timestamptz,
  -- When a nonce of it was last answered: its lease cannot have begun later.
  last_head_at timestamptz,
  primary key (tenant_id, id),
  unique (tenant_id, principal, name)
);
call mono.build_wall('mono.feed_subscribers', 'select, insert,
  update (sent_incarnation, sent_seq, applied_incarnation, applied_seq, applied_hash, applied_at, last_head_at)');

-- Every step that a subscriber said it has applied: a receipt names the moment of its own entry, not of the latest one.
create table mono.feed_applied_marks (
  tenant_id uuid not null,
  subscriber_id uuid not null,
  incarnation bigint not null,
  seq bigint not null,
  applied_at timestamptz not null,
  primary key (tenant_id, subscriber_id, incarnation, seq),
  foreign key (tenant_id, subscriber_id) references mono.feed_subscribers (tenant_id, id)
);
call mono.build_wall('mono.feed_applied_marks', 'select, insert');
