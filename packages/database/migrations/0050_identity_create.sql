-- Better Auth's own tables, as its schema compiler prints them for our options, and amended: ids are uuid (made by the
-- Runtime), every row belongs to the tenant of its connection, and every key starts with the tenant. Better Auth never
-- names tenant_id: each tenant's instance believes that it is alone. A test asserts that its own schema diff is empty.

create table identity."user" (
  tenant_id uuid not null default mono.current_tenant_id(),
  "id" uuid not null,
  "name" text not null,
  "email" text not null,
  "emailVerified" boolean not null,
  "image" text,
  "createdAt" timestamptz not null,
  "updatedAt" timestamptz not null,
  -- Additional field: may sign in no more, nor use a session that is left.
  "banned" boolean not null,
  primary key (tenant_id, "id"),
  -- The same person may sign up with the same address in two tenants.
  unique (tenant_id, "email")
);
call mono.build_wall('identity.user', '', 'select, insert, update, delete');

create table identity."session" (
  tenant_id uuid not null default mono.current_tenant_id(),
  "id" uuid not null,
  "expiresAt" timestamptz not null,
  "token" text not null,
  "createdAt" timestamptz not null,
  "updatedAt" timestamptz not null,
  "ipAddress" text,
  "userAgent" text,
  "userId" uuid not null,
  -- Additional fields: the tenant's epoch and feed sequence when it was made. What the feed takes away later ends it.
  -- numeric, because Better Auth's diff does not take bigint for a number; 15 digits are what JavaScript holds exactly.
  "epoch" numeric(15) not null,
  "feedSeq" numeric(15) not null,
  primary key (tenant_id, "id"),
  unique (tenant_id, "token"),
  foreign key (tenant_id, "userId") references identity."user" (tenant_id, "id") on delete cascade
);
create index "session_userId_idx" on identity."session" (tenant_id, "userId");
call mono.build_wall('identity.session', '', 'select, insert, update, delete');

create table identity."account" (
  tenant_id uuid not null default mono.current_tenant_id(),
  "id" uuid not null,
  "accountId" text not null,
  "providerId" text not null,
  "userId" uuid not null,
  "accessToken" text,
  "refreshToken" text,
  "idToken" text,
  "accessTokenExpiresAt" timestamptz,
  "refreshTokenExpiresAt" timestamptz,
  "scope" text,
  "password" text,
  "createdAt" timestamptz not null,
  "updatedAt" timestamptz not null,
  primary key (tenant_id, "id"),
  -- One account at a provider belongs to one user; Better Auth refuses to go on when it finds two.
  unique (tenant_id, "providerId", "accountId"),
  foreign key (tenant_id, "userId") references identity."user" (tenant_id, "id") on delete cascade
);
create index "account_userId_idx" on identity."account" (tenant_id, "userId");
call mono.build_wall('identity.account', '', 'select, insert, update, delete');

create table identity."verification" (
  tenant_id uuid not null default mono.current_tenant_id(),
  -- Text: a reservation's id is the digest of what it reserves.
  "id" text not null,
  "identifier" text not null,
  "value" text not null,
  "expiresAt" timestamptz not null,
  "createdAt" timestamptz not null,
  "updatedAt" timestamptz not null,
  primary key (tenant_id, "id")
);
create index "verification_identifier_idx" on identity."verification" (tenant_id, "identifier");
call mono.build_wall('identity.verification', '', 'select, insert, update, delete');
