-- Signing keys of a tenant: separate keys for separate powers. The private half is wrapped by the key-encryption key with
-- tenant, purpose and kid as associated data, so that a row copied elsewhere cannot be unwrapped there.
create table mono.signing_keys (
  tenant_id uuid not null,
  kid uuid not null,
  -- 'root' is the platform tenant's alone: it certifies the tenants' feed keys.
  purpose text not null check (purpose in ('token', 'feed', 'invite', 'join', 'log', 'root')),
  alg text not null check (alg in ('ES256', 'EdDSA', 'RS256')),
  public_jwk jsonb not null check (not public_jwk ? 'd'),
  wrapped_private_key bytea not null check (octet_length(wrapped_private_key) between 64 and 4096),
  -- active: signs. retiring: verifies until what it signed has expired. retired: neither.
  state text not null check (state in ('active', 'retiring', 'retired')),
  created_at timestamptz not null,
  primary key (tenant_id, kid)
);

-- One key signs for a power at a time; also what makes a repeated or concurrent provisioning harmless.
create unique index signing_keys_active on mono.signing_keys (tenant_id, purpose, alg) where state = 'active';

call mono.build_wall('mono.signing_keys', 'select, insert, update (state)');

-- The check value of the key-encryption key that this installation was set up with. Tenantless by nature: it is compared at
-- start, before any tenant is known, so that a wrong key is one clear error and not a failed unwrap here and there.
create table mono.kms_check (
  only_row boolean primary key check (only_row),
  check_value text not null
);

alter table mono.kms_check enable row level security;
alter table mono.kms_check force row level security;
create policy platform on mono.kms_check to mono_platform using (true) with check (true);
grant select, insert on mono.kms_check to mono_platform;
