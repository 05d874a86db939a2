-- The life of a signing key. next: published, signs nothing yet. revoked: ended because somebody else may hold it.
alter table mono.signing_keys drop constraint signing_keys_state_check;
alter table mono.signing_keys add constraint signing_keys_state_check
  check (state in ('next', 'active', 'retiring', 'retired', 'revoked'));
-- When it began to sign, and when it left (retired, revoked). Keys made before this release have signed since created_at.
alter table mono.signing_keys add column active_at timestamptz, add column ended_at timestamptz;
-- When it is to be moved on: next becomes active, retiring becomes retired.
alter table mono.signing_keys add column due_at timestamptz
  check (due_at is null or state in ('next', 'retiring')) check (due_at is not null or state <> 'next');

create unique index signing_keys_next on mono.signing_keys (tenant_id, purpose, alg) where state = 'next';
create index signing_keys_due on mono.signing_keys (due_at) where due_at is not null;

grant update (active_at, ended_at, due_at) on mono.signing_keys to mono_app;
-- The worker asks which tenants have a key to move on; it learns the tenant and the time, and no key.
create policy platform_due on mono.signing_keys for select to mono_platform using (due_at is not null);
grant select (tenant_id, due_at) on mono.signing_keys to mono_platform;

-- Raised with every change of the tenant's keys. Whoever signs compares it with what it holds, in the transaction that signs.
alter table mono.tenants add column key_version bigint not null default 1 check (key_version >= 1);
grant update (key_version) on mono.tenants to mono_app;

-- Rotations as they were ordered.
create table mono.key_rotations (
  tenant_id uuid not null,
  id uuid not null,
  purpose text not null check (purpose in ('token', 'invite')),
  -- As asked for; empty for every algorithm of the purpose.
  alg text not null check (alg in ('', 'ES256', 'EdDSA', 'RS256')),
  mode text not null check (mode in ('planned', 'compromised')),
  reason text not null,
  -- [{"alg": text, "newKid": text, "oldKids": [text], "signsAtMs": number, "oldLeavesAtMs": number}]
  keys jsonb not null,
  -- What ended every token and session, where the rotation did.
  revocation_id uuid,
  created_by text not null,
  created_at timestamptz not null,
  idempotency_key text,
  primary key (tenant_id, id),
  unique (tenant_id, idempotency_key),
  foreign key (tenant_id, revocation_id) references mono.revocations (tenant_id, id)
);
call mono.build_wall('mono.key_rotations', 'select, insert');
