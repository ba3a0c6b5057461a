-- Which store holds the log, and whether it takes appends: one row, written by the first process that starts, changed by `recado store copy` only.
-- open → frozen (appends are refused, reads go on; lapses by itself) → leaving (every process ends) → open with the other engine.
-- Every change raises `epoch`: that is what processes confirm, see src/postgres/log-home.ts.
create table es.log_home (
  id int4 primary key check (id = 1),
  engine text not null,
  gate text not null default 'open' check (gate in ('open', 'frozen', 'leaving')),
  epoch bigint not null default 0,
  frozen_until timestamptz,
  since timestamptz not null default clock_timestamp()   -- since when the log is on this engine
);
-- An installation that is older than this table has its log here.
insert into es.log_home (id, engine) select 1, 'postgres' where exists (select from es.events);

-- The processes that have the log open, on the database's clock. One that could not say for long that it is there takes no appends by itself, well
-- before its row is taken for dead: so a freeze is certain once every row that counts has acknowledged it.
create table es.log_users (
  id uuid primary key,
  who text not null,
  acknowledged bigint not null,
  here_until timestamptz not null
);

-- A copy of the log into another engine: how far it has been written, and how far both were compared, event by event.
create table es.log_moves (
  id uuid primary key default gen_random_uuid(),
  source text not null,
  destination text not null,
  copied_through bigint not null default 0,       -- in the source
  copied_events bigint not null default 0,
  compared_source bigint not null default 0,
  compared_destination bigint not null default 0,
  compared_events bigint not null default 0,
  streams bigint not null default 0,
  bodies bigint not null default 0,
  digest bytea not null default '\x',             -- a chain over every event compared
  started_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  ended_at timestamptz,
  outcome text check (outcome in ('moved', 'given up'))
);
create unique index log_moves_open on es.log_moves ((true)) where ended_at is null;

-- Where every event of the source stands in the destination, written while they are compared: what keeps a position is translated with this at the switch.
-- Of the last move only. It can be made again, therefore unlogged: after a crash of the database the comparison starts over.
create unlogged table es.moved_positions (
  source bigint primary key,
  destination bigint not null
);

grant select, insert, update on es.log_home to recado_worker;
grant select, insert, update, delete on es.log_users to recado_worker;
grant select, insert, update on es.log_moves to recado_worker;
grant select, insert, delete on es.moved_positions to recado_worker;
grant select on es.log_home to recado_api;

-- Events that were recorded elsewhere, as they are: ids, versions and times stay, positions are given anew. They come in their order; what is stored
-- already (the same id at the same place) is passed over, so that a page may come twice. For the owner only: whoever may call this can write any past.
create function es.import_events(
  tenants uuid[], streams text[], versions int[], ids uuid[], types text[], schema_versions int[], recorded timestamptz[], data json[], metadata json[],
  attached int[], bodies bytea[]
) returns bigint language plpgsql security definer set search_path = '' set lock_timeout = '10s' as $$
#variable_conflict use_variable
declare
  head bigint;
  tip timestamptz;
  inserted bigint;
  clash record;
begin
  perform pg_advisory_xact_lock(5013, 1);
  select e.position, e.recorded_at into head, tip from es.events e order by e.position desc limit 1;
  head := coalesce(head, 0);

  select q.stream, q.version into clash
  from unnest(tenants, streams, versions, ids) q(tenant, stream, version, id)
  join es.events e on e.tenant_id = q.tenant and e.stream_id = q.stream and e.version = q.version
  where e.event_id <> q.id limit 1;
  if found then
    raise exception 'version % of % is another event here', clash.version, clash.stream using errcode = 'RC002';
  end if;

  with fresh as (
    select q.*, head + row_number() over (order by q.nth) as position
    from unnest(tenants, streams, versions, ids, types, schema_versions, recorded, data, metadata)
      with ordinality q(tenant, stream, version, id, type, schema_version, at, data, metadata, nth)
    where not exists (select from es.events e where e.tenant_id = q.tenant and e.stream_id = q.stream and e.version = q.version)
  ), written as (
    insert into es.events (position, recorded_at, tenant_id, stream_id, version, event_id, type, schema_version, data, metadata)
    select f.position, f.at, f.tenant, f.stream, f.version, f.id, f.type, f.schema_version, f.data, f.metadata from fresh f order by f.position
    returning position
  ), kept as (
    insert into es.attachments (tenant_id, position, recorded_at, body)
    select f.tenant, f.position, f.at, b.body from unnest(attached, bodies) b(nth, body) join fresh f on f.nth = b.nth
  )
  select count(*) into inserted from written;

  if inserted = 0 then
    return 0;
  end if;
  if exists (select from es.events e where e.position = head + 1 and e.recorded_at < tip) then
    raise exception 'the events are older than the end of this log: it went on by itself' using errcode = 'RC002';
  end if;
  select q.stream, q.version into clash
  from unnest(tenants, streams, versions) q(tenant, stream, version)
  where q.version > 1
    and not exists (select from es.events e where e.tenant_id = q.tenant and e.stream_id = q.stream and e.version = q.version - 1)
  limit 1;
  if found then
    raise exception 'version % of % is missing here', clash.version - 1, clash.stream using errcode = 'RC002';
  end if;
  perform pg_notify('es_log', (head + inserted)::text);
  return inserted;
end
$$;
revoke all on function es.import_events from public;
