-- Where every event stands, for engines that keep the log somewhere else: they know streams and one order over all, but neither tenants nor moments.
-- Empty with the log in PostgreSQL. Filled in log order by one follower under the lease `places` (src/adapters/event-store/places); its checkpoint says
-- how far the index reaches. No content: data and metadata stay where the log is.
create table es.places (
  tenant_id uuid not null,
  position bigint not null,
  nth bigint not null,                            -- the how manyeth event of the log this is: dense, where positions are not
  recorded_at timestamptz not null,
  stream_id text collate "C" not null,            -- `<category>-<id>`, as in es.events
  version int4 not null,
  event_id uuid not null,
  type text collate "C" not null,
  primary key (tenant_id, position)
);
create unique index places_position on es.places (position) include (nth, recorded_at);
-- Deliveries share streams on some engines: where one begins is looked up by its name.
create unique index places_deliveries on es.places (tenant_id, stream_id) include (position) where version = 1 and stream_id ^@ 'delivery-';

alter table es.places enable row level security;
create policy tenant_wall on es.places for select to recado_api using (tenant_id = nullif(current_setting('recado.tenant', true), '')::uuid);
create policy worker_all on es.places to recado_worker using (true) with check (true);
grant select, insert on es.places to recado_worker;
grant select on es.places to recado_api;

-- As es.position_through and es.position_at (0016, with the reasons): the tenant is the one whose wall the caller stands behind.
create function es.place_through(through bigint) returns bigint language sql stable security definer set search_path = '' as $$
  select coalesce((
    select p.position from es.places p
    where (p.tenant_id, p.position) > (nullif(current_setting('recado.tenant', true), '')::uuid, 0)
      and (p.tenant_id, p.position) <= (nullif(current_setting('recado.tenant', true), '')::uuid, through)
    order by p.tenant_id desc, p.position desc limit 1
  ), 0)
$$;

create function es.place_at(moment timestamptz) returns bigint language plpgsql stable security definer set search_path = '' as $$
declare
  tenant uuid := nullif(current_setting('recado.tenant', true), '')::uuid;
  best bigint := 0; -- the last event known to be at or before the moment
  low bigint := 0;  -- no event up to here is after the moment
  high bigint;      -- an event after the moment
  middle bigint;
  found_at bigint;
  at timestamptz;
begin
  high := es.place_through(9223372036854775807);
  select p.recorded_at into at from es.places p where p.tenant_id = tenant and p.position = high;
  if high = 0 or at <= moment then
    return high;
  end if;
  while low + 1 < high loop
    middle := low + (high - low) / 2;
    select p.position, p.recorded_at into found_at, at from es.places p
    where (p.tenant_id, p.position) > (tenant, low) and (p.tenant_id, p.position) <= (tenant, middle)
    order by p.tenant_id desc, p.position desc limit 1;
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
revoke execute on function es.place_through, es.place_at from public;
grant execute on function es.place_through, es.place_at to recado_api;

-- Up to which position a purge was allowed to go: where bodies are not deleted but counted as gone, this and `before` are the mark. null: all there were.
alter table es.attachment_purges add column through bigint;
create function es.mark_attachment_purge(tenant uuid, before_moment timestamptz, processed bigint, body_types text[]) returns bigint
language plpgsql security definer set search_path = '' as $$
declare
  bound bigint;
  known_before timestamptz;
  known_through bigint;
  gone bigint;
begin
  -- History that was put aside is still needed, and a mark has no holes: what came after it waits with it.
  select least(processed, min(p.position) - 1) into bound from work.postponed_deliveries p where p.tenant_id = tenant;
  select max(p.before), max(p.through) into known_before, known_through from es.attachment_purges p where p.tenant_id = tenant;
  select count(*) into gone from es.places p
  where p.tenant_id = tenant and p.position <= bound and p.recorded_at < before_moment and p.type = any (body_types)
    and not (p.recorded_at < coalesce(known_before, '-infinity') and p.position <= coalesce(known_through, 0));
  if gone > 0 then
    insert into es.attachment_purges as p (tenant_id, before, removed, through) values (tenant, before_moment, gone, bound)
    on conflict (tenant_id, before) do update set removed = p.removed + excluded.removed, through = greatest(p.through, excluded.through);
  end if;
  return gone;
end
$$;
revoke all on function es.mark_attachment_purge(uuid, timestamptz, bigint, text[]) from public;
grant execute on function es.mark_attachment_purge(uuid, timestamptz, bigint, text[]) to recado_worker;
