-- What Better Auth's oauth-provider may know of an authorization request: approved clients, what their manifests name, and
-- which consent a person has given. It sees no secret, writes no client, and makes no token.

-- An id as it stands on the wire (core/ids.ts): 128 bits in 26 characters of five, so two leading bits are zero.
create function mono.wire_id(prefix text, id uuid) returns text
language sql immutable strict parallel safe
return (
  select prefix || '_' || string_agg(
    substr('0123456789abcdefghjkmnpqrstvwxyz', 1 + substr(digits.bits, 1 + 5 * place, 5)::bit(5)::int, 1), '' order by place)
  from (select '00' || ('x' || replace(id::text, '-', ''))::bit(128)::text as bits) as digits, generate_series(0, 25) as place
);
grant execute on function mono.wire_id(text, uuid) to mono_app, mono_identity;

-- client_id as the client says it: the URL of its metadata document, or its id. Stored, so that it is found by an index and
-- that a consent can refer to it.
alter table mono.clients
  add column wire_id text not null generated always as (coalesce(external_id, mono.wire_id('cli', id))) stored,
  add constraint clients_wire_id unique (tenant_id, wire_id);
grant select (tenant_id, id, kind, name, status, environment, manifest, wire_id, resource) on mono.clients to mono_identity;
grant select (tenant_id, identifier, name, environment, is_default, retired) on mono.resources to mono_identity;

-- Clients that people sign in to, while they are approved, as the manifest in force has them. For Better Auth each is
-- public and owes PKCE: who redeems the code proves itself at our own token endpoint.
create view identity."oauthClient" with (security_invoker = true) as
select wire_id as "id", wire_id as "clientId", name as "name", false as "disabled", false as "skipConsent",
  manifest -> 'scopes' as "scopes", manifest -> 'redirectUris' as "redirectUris", manifest -> 'grantTypes' as "grantTypes",
  'none'::text as "tokenEndpointAuthMethod", true as "requirePKCE",
  -- Beyond Better Auth, for the gate in front of it and for logout.
  id as "clientUuid", environment as "environment", manifest -> 'audiences' as "audiences",
  manifest ->> 'clientUri' as "clientUri", manifest -> 'postLogoutRedirectUris' as "postLogoutRedirectUris",
  coalesce((manifest -> 'refreshTokenTtlSeconds')::int, 0) as "refreshTokenTtlSeconds"
from mono.clients where kind = 'app' and status = 'approved' and manifest is not null;
grant select on identity."oauthClient" to mono_identity;

-- What manifests of such clients name as audience. The gate has looked whether it exists and in which environment;
-- Better Auth only sees to it that the consent covers it.
create view identity."oauthResource" with (security_invoker = true) as
select distinct audience as "id", audience as "identifier", audience as "name", false as "disabled"
from identity."oauthClient", jsonb_array_elements_text("audiences") as audience;
create view identity."oauthClientResource" with (security_invoker = true) as
select "clientId" || ' ' || audience as "id", "clientId", audience as "resourceId"
from identity."oauthClient", jsonb_array_elements_text("audiences") as audience;
grant select on identity."oauthResource", identity."oauthClientResource" to mono_identity;

-- Which client a person has allowed what, so that it is not asked again.
create table identity."oauthConsent" (
  tenant_id uuid not null default mono.current_tenant_id(),
  "id" uuid not null,
  "clientId" text not null,
  "userId" uuid not null,
  "referenceId" text,
  "resources" jsonb,
  "requestedUserInfoClaims" jsonb,
  "scopes" jsonb not null,
  "createdAt" timestamptz not null,
  "updatedAt" timestamptz not null,
  primary key (tenant_id, "id"),
  unique (tenant_id, "clientId", "userId"),
  foreign key (tenant_id, "clientId") references mono.clients (tenant_id, wire_id),
  foreign key (tenant_id, "userId") references identity."user" (tenant_id, "id") on delete cascade
);
create index "oauthConsent_userId_idx" on identity."oauthConsent" (tenant_id, "userId");
create index "oauthConsent_clientId_idx" on identity."oauthConsent" (tenant_id, "clientId");
call mono.build_wall('identity."oauthConsent"', '', 'select, insert, update, delete');
