-- Where a moment is in a tenant's log: the position of the last of its events at or before it, 0 when there is none. Times never go back along positions,
-- so halving the log finds it: two dozen look-ups in the index of the tenant for ten million events, where an index of times would cost every append.
--
-- The tenant is the one whose wall the caller stands behind, never an argument, and that is the wall here: the functions run with their owner's rights.
-- Behind row level security `tenant_id = …` is a constant, the index of positions alone then gives the order, and the planner takes it for its order on
-- disk: a tenant that was quiet for long was looked for through everybody else's events (seconds). Compared as rows, only the index of tenants will do.
create function es.position_through(through bigint) returns bigint language sql stable security definer set search_path = '' as $$
  select coalesce((
    select e.position from es.events e
    where (e.tenant_id, e.position) > (nullif(current_setting('recado.tenant', true), '')::uuid, 0)
      and (e.tenant_id, e.position) <= (nullif(current_setting('recado.tenant', true), '')::uuid, through)
    order by e.tenant_id desc, e.position desc limit 1
  ), 0)
$$;

create function es.position_at(moment timestamptz) returns bigint language plpgsql stable security definer set search_path = '' as $$
declare
  tenant uuid := nullif(current_setting('recado.tenant', true), '')::uuid;
  best bigint := 0; -- the last event known to be at or before the moment
  low bigint := 0;  -- no event up to here is after the moment
  high bigint;      -- an event after the moment
  middle bigint;
  found_at bigint;
  at timestamptz;
begin
  high := es.position_through(9223372036854775807);
  select e.recorded_at into at from es.events e where e.position = high;
  if high = 0 or at <= moment then
    return high;
  end if;
  while low + 1 < high loop
    middle := low + (high - low) / 2;
    select e.position, e.recorded_at into found_at, at from es.events e
    where (e.tenant_id, e.position) > (tenant, low) and (e.tenant_id, e.position) <= (tenant, middle)
    order by e.tenant_id desc, e.position desc limit 1;
    if found_at is null then
      low := middle;
    elsif at <= moment then
      best := found_at;
      low := middle;
    else
      high := found_at;
    end if;
  end loop;
  return best;
end
$$;
revoke execute on function es.position_through, es.position_at from public;
grant execute on function es.position_through, es.position_at to recado_api;

-- Lists as of a moment: read models of one tenant built for one position, each in a schema of its own (`rm_asof_<id>`), for a while.
-- Unlogged like the tables it speaks of: a crash of the database empties all of them, and what is not known to be ready is built anew.
create unlogged table es.moments (
  id uuid not null,
  tenant_id uuid not null,
  models text collate "C" not null, -- the read models with their versions: code of another version builds its own
  position bigint not null,
  state text not null check (state in ('building', 'ready')),
  events bigint not null default 0,
  beat_at timestamptz not null default clock_timestamp(), -- of who builds: a builder that was killed is replaced
  expires_at timestamptz not null,
  primary key (tenant_id, id),
  unique (tenant_id, models, position)
);
alter table es.moments enable row level security;
create policy worker_all on es.moments to recado_worker using (true) with check (true);
grant select, insert, update, delete on es.moments to recado_worker;
