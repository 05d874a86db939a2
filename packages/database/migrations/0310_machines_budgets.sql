-- Mint budgets: how much may be minted for an agent, for a host, for a client. Whoever is not here has none.
create table mono.mint_budgets (
  tenant_id uuid not null,
  holder_kind text not null check (holder_kind in ('agent', 'host', 'client')),
  holder_id uuid not null,
  budget jsonb not null,
  version bigint not null check (version >= 1),
  updated_at timestamptz not null,
  primary key (tenant_id, holder_kind, holder_id)
);
call mono.build_wall('mono.mint_budgets', 'select, insert, update (budget, version, updated_at)');
call mono.watch_state('mono.mint_budgets');

-- What of a budget's window has been handed out to processes, in blocks. It stands here before anything of a block is spent:
-- a process that dies takes the rest of its block along, and never more than the window has is minted. Not watched: it
-- changes with each block, and no decision remembers it.
create table mono.mint_windows (
  tenant_id uuid not null,
  holder_kind text not null check (holder_kind in ('agent', 'host', 'client')),
  holder_id uuid not null,
  window_seconds int not null,
  starts_at timestamptz not null,
  tokens bigint not null,
  lifetime_seconds bigint not null,
  -- Tokens of the block that was handed out last: what its asker reads back.
  block_tokens bigint not null,
  -- The different audiences that tokens of this window may be for by now.
  audiences text[] not null,
  primary key (tenant_id, holder_kind, holder_id, window_seconds, starts_at)
);
call mono.build_wall('mono.mint_windows', 'select, insert, update (tokens, lifetime_seconds, block_tokens, audiences), delete');

-- Tokens of the next block where `room` are left: what is needed now, or what is wanted but no more than a 200th of the room,
-- so that blocks shrink as the window fills: seven processes that have stopped hold less than 4 % of what an eighth could use.
create function mono.mint_block(room bigint, needed bigint, wanted bigint) returns bigint
language sql immutable
set search_path = pg_catalog, pg_temp
as $$ select greatest(0, least(room, greatest(needed, least(wanted, room / 200)))) $$;
grant execute on function mono.mint_block(bigint, bigint, bigint) to mono_app;
