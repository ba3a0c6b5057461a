-- Rebuilding read models beside the ones that are shown (see src/projections/engine/rebuild.ts).

-- One row per schema that stands: `rm_x` is live, `rm_x_next_<token>` is being built, `rm_x_prev` is what was live until the last switch, kept for a
-- day so that one can go back. The generation that is built of the version that is live has a subscription of its own (`x@v3+next`), which gives its
-- position and its parked events to `x@v3` at the switch.
delete from es.generations where state = 'retired';
alter table es.generations
  drop constraint generations_pkey,
  drop constraint generations_state_check,
  add primary key (schema_name),
  add constraint generations_state_check check (state in ('building', 'live', 'previous')),
  add column subscription text collate "C" not null default '',
  add column rebuild_id uuid,
  add column position bigint,                      -- of a previous one: how far it had come when it was put away
  add column retired_at timestamptz;
update es.generations set subscription = projection || '@v' || version;
create unique index generations_building on es.generations (projection) where state = 'building';
create unique index generations_previous on es.generations (projection) where state = 'previous';

create table es.rebuilds (
  id uuid primary key,
  kind text not null check (kind in ('rebuild', 'upgrade', 'rollback')),
  projections text[] not null,
  versions int4[] not null,
  tenant_id uuid,                                  -- null: all of them
  state text not null default 'created'
    check (state in ('created', 'copying', 'indexing', 'catching_up', 'verifying', 'ready', 'live', 'aborted', 'failed')),
  token bigint not null default 0,                 -- of the lease of the process that works on it: every step it takes is a compare-and-set on this
  target_position bigint,
  position bigint not null default 0,              -- copied up to here; starts over with every attempt at copying
  events_done bigint not null default 0,
  events_total bigint,
  events_per_second double precision,
  attempts int4 not null default 0,
  row_counts json,                                 -- per projection and organisation, as counted while folding
  requested_by json not null,
  created_at timestamptz not null default clock_timestamp(),
  started_at timestamptz,
  updated_at timestamptz not null default clock_timestamp(),
  ended_at timestamptz,
  error json                                       -- {code, detail, position?, type?}; never a value of an event
);
create index rebuilds_open on es.rebuilds (created_at) where state not in ('live', 'aborted', 'failed');

alter table es.rebuilds enable row level security;
create policy worker_all on es.rebuilds to recado_worker using (true) with check (true);
grant select, insert, update, delete on es.rebuilds to recado_worker;
