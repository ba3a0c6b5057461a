-- Who reads the log, how far it has come, and who may move it on: a lease with a fencing token, on the database's clock.
-- A row is never deleted: the token must go on growing, or a process that slept through its lease could come back with a token that is valid again.
create table es.subscriptions (
  name text collate "C" primary key,             -- `conversations@v1`, `intake`, `outbox`
  position bigint not null default 0,            -- everything up to here has been applied, in the transaction that wrote this
  fencing_token bigint not null default 0,       -- one more with every holder of the lease
  owner text,
  lease_until timestamptz,
  status text not null default 'stopped' check (status in ('stopped', 'building', 'live', 'paused', 'retired')),
  failure json,                                  -- why it is paused: {code, detail, at, position?}; never a value of an event
  updated_at timestamptz not null default clock_timestamp()
) with (fillfactor = 50, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0);
-- fillfactor and autovacuum: every page of every subscription updates one of a few rows; room on the page keeps those updates heap-only.

-- The first statement of every transaction that applies a page. It locks the row, so two writers of one subscription meet here and not in their tables;
-- it raises instead of returning nothing, so that what was sent behind it in the same flight fails with it.
create function es.advance(subscription text, token bigint, from_position bigint, to_position bigint) returns void language plpgsql as $$
begin
  update es.subscriptions s set position = to_position, updated_at = clock_timestamp()
  where s.name = subscription and s.fencing_token = token and s.position = from_position;
  if not found then
    raise exception 'the lease of % with token % at position % was lost', subscription, token, from_position using errcode = 'RC001';
  end if;
end
$$;

-- Events that a subscription could not apply, and those that had to wait behind them: later events of a parked key are parked too, so its order is kept.
create table es.parked_events (
  tenant_id uuid not null,
  subscription text collate "C" not null,
  position bigint not null,
  stream_key text collate "C" not null,
  event_type text not null,
  category text not null check (category in ('failed', 'behind')),
  error text not null,
  parked_at timestamptz not null default clock_timestamp(),
  resolved_at timestamptz,
  primary key (tenant_id, subscription, position)
);
create index parked_events_open on es.parked_events (subscription, stream_key) where resolved_at is null;

-- The tables of a read model stand in a schema of their own, made by the projection engine from the projection's definition.
-- building → live → retired; exactly one generation of a projection is live, and `rm_<projection>` is its schema.
create table es.generations (
  projection text collate "C" not null,
  version int4 not null,
  state text not null check (state in ('building', 'live', 'retired')),
  schema_name text not null,
  created_at timestamptz not null default clock_timestamp(),
  live_at timestamptz,
  primary key (projection, version)
);
create unique index generations_live on es.generations (projection) where state = 'live';

-- What queries may know about subscriptions: how far they are. Owners, tokens and failures stay inside.
create view es.checkpoints as select name, position, updated_at from es.subscriptions;

alter table es.parked_events enable row level security;
create policy tenant_wall on es.parked_events for select to recado_api
  using (tenant_id = nullif(current_setting('recado.tenant', true), '')::uuid);
create policy worker_all on es.parked_events to recado_worker using (true) with check (true);

revoke execute on function es.advance from public;
grant execute on function es.advance to recado_worker;
grant select, insert, update on es.subscriptions, es.parked_events to recado_worker;
grant select on es.generations to recado_worker, recado_api;
grant select on es.checkpoints to recado_api, recado_worker;
grant select on es.parked_events to recado_api;
