-- Raw bodies are sealed and kept in bundles: what one commit brings of one tenant is one row. A cipher and a row for every delivery were a fifth of what
-- taking in a delivery cost. `position` is that of the first event it belongs to, `through` of the last (null: the same one), `members` how many there are.
-- An event's bundle is the last one of its tenant at or before it, of the same moment of recording: a commit has one moment, and bundles never overlap.
alter table es.attachments add column through bigint, add column members int not null default 1;

drop function es.append(uuid[], text[], int[], int[], uuid[], text[], int[], int[], uuid[], text[], int[], json[], json[], int[], bytea[], timestamptz);

-- Appends a batch: every append is decided by itself and never fails its neighbours. An append is one stream, its events stand together in the arrays.
-- Expected version: n exact (0 = the stream does not exist), -1 it exists, -2 anything. A batch holds at most one append per stream.
--   per append: append_*; per event: number of its append (from 1), place in it (from 1), the rest; attached = places of events in the arrays
--   with attachments, bundled = in which of the bodies those of each are
-- Returns the head before the batch; the time given to its events; per append the version it found, v when it was appended on top of it and -1 - v when
-- it was not; and which of the latter are repeats of what is stored already, with the position of their last event.
--
-- The order of the statements is the correctness, each sees what was committed before it began (READ COMMITTED):
--   1. Versions, before the lock: a batch looks while another one commits. Versions only grow, so a conflict found here is one for good, and a version
--      that was there still is. What this look may have missed is an event committed since: the unique index refuses it a second time, and then the
--      versions are read again under the lock. (Looking under the lock only: a fifth of the time that the lock is held.)
--   2. The lock, and then, as a statement of its own, the head. In one statement the snapshot would be older than the lock: duplicate positions (seen).
--   3. The events. The lock is let go after the commit is visible, so the next holder sees them. It is the only lock there is: no deadlock.
create function es.append(
  append_tenants uuid[], append_streams text[], append_expected int[], append_counts int[],
  tenants uuid[], streams text[], numbers int[], places int[], ids uuid[], types text[], schema_versions int[], data json[], metadata json[],
  attached int[], bundled int[], bodies bytea[], clock timestamptz,
  out head bigint, out recorded_ms bigint, out versions int[], out repeated int[], out repeated_at bigint[]
) language plpgsql security definer set search_path = '' set lock_timeout = '3s' as $$
#variable_conflict use_variable
declare
  tip timestamptz;
  at timestamptz;
  refused int[]; -- per append: events refused up to and with it, which the positions of the later ones must not count
  inserted bigint;
begin
  -- An acknowledged append is on disk, whatever the server's default says. Stricter settings (remote_apply) stay.
  if current_setting('synchronous_commit') = 'off' then
    perform set_config('synchronous_commit', 'on', true);
  end if;
  for look in 1..2 loop
    with asked as materialized (
      select a.*, coalesce((
          select e.version from es.events e where e.tenant_id = a.tenant and e.stream_id = a.stream order by e.version desc limit 1
        ), 0) as version
      from unnest(append_tenants, append_streams, append_expected, append_counts) with ordinality a(tenant, stream, expected, events, number)
    ), decided as (
      select number, version, events, expected = version or expected = -2 or (expected = -1 and version > 0) as good from asked
    ), counted as (
      select number, case when good then version else -1 - version end as found,
        sum(case when good then 0 else events end) over (order by number) as refused
      from decided
    )
    select array_agg(c.found order by c.number), array_agg(c.refused::int order by c.number) into versions, refused from counted c;

    if look = 1 then
      perform pg_advisory_xact_lock(5013, 1);
      select e.position, e.recorded_at into head, tip from es.events e order by e.position desc limit 1;
      head := coalesce(head, 0);
      -- Milliseconds, as readers in JavaScript have them: what was built in memory equals what is read back.
      at := greatest(tip, date_trunc('milliseconds', coalesce(clock, clock_timestamp())));
    end if;

    begin
      insert into es.events (position, recorded_at, tenant_id, stream_id, version, event_id, type, schema_version, data, metadata)
      select head + q.nth - refused[q.number], at, q.tenant, q.stream, versions[q.number] + q.place, q.id, q.type, q.schema_version, q.data, q.metadata
      from unnest(tenants, streams, numbers, places, ids, types, schema_versions, data, metadata)
        with ordinality q(tenant, stream, number, place, id, type, schema_version, data, metadata, nth)
      where versions[q.number] >= 0;
      get diagnostics inserted = row_count;
      exit;
    exception when unique_violation then
      if look = 2 then raise; end if;
    end;
  end loop;

  if cardinality(attached) > 0 then
    -- A bundle may hold attachments of appends that were refused: sealed as it is, it takes them along, and nobody finds them.
    insert into es.attachments (tenant_id, position, through, members, recorded_at, body)
    select b.tenant, b.position, b.through, b.members, at, bodies[b.bundle]
    from (
      select f.bundle, tenants[min(f.nth)] as tenant, min(head + f.nth - refused[numbers[f.nth]]) as position,
        max(head + f.nth - refused[numbers[f.nth]]) as through, count(*)::int as members
      from unnest(attached, bundled) f(nth, bundle) where versions[numbers[f.nth]] >= 0 group by f.bundle
    ) b;
  end if;

  if refused[cardinality(refused)] > 0 then
    -- A repeat carries the ids and the expected version of the first time: its events stand right behind that version.
    select array_agg(r.number), array_agg(r.position) into repeated, repeated_at
    from (
      select a.number, max(e.position) as position
      from unnest(append_tenants, append_streams, append_expected, append_counts, versions)
        with ordinality a(tenant, stream, expected, events, found, number)
      join unnest(numbers, places, ids) q(number, place, id) on q.number = a.number
      join es.events e on e.tenant_id = a.tenant and e.stream_id = a.stream and e.version = a.expected + q.place and e.event_id = q.id
      where a.found < 0 and a.expected >= 0
      group by a.number, a.events
      having count(*) = a.events
    ) r;
  end if;

  if inserted > 0 then
    perform pg_notify('es_log', (head + inserted)::text);
  end if;
  recorded_ms := (extract(epoch from at) * 1000)::bigint;
end
$$;
revoke all on function es.append from public;
grant execute on function es.append to recado_worker;

-- The next raw bodies of one tenant that were recorded before a moment, oldest first, at most so many; says how many there were.
-- Never one that is still needed: `processed` is how far the intake has come, and history that it put aside waits in a table of its own.
create or replace function es.purge_attachments(tenant uuid, before_moment timestamptz, processed bigint, most int) returns int
language plpgsql security definer set search_path = '' as $$
declare
  gone int;
begin
  with doomed as (
    select a.position, a.recorded_at, a.members from es.attachments a
    where a.tenant_id = tenant and a.recorded_at < before_moment and coalesce(a.through, a.position) <= processed
      and not exists (select from work.postponed_deliveries p where p.tenant_id = a.tenant_id and p.position between a.position and coalesce(a.through, a.position))
    order by a.position limit most
  ), removed as (
    delete from es.attachments a using doomed d where a.tenant_id = tenant and a.position = d.position and a.recorded_at = d.recorded_at
    returning d.members
  )
  select coalesce(sum(members), 0) into gone from removed;
  if gone > 0 then
    insert into es.attachment_purges as p (tenant_id, before, removed) values (tenant, before_moment, gone)
    on conflict (tenant_id, before) do update set removed = p.removed + excluded.removed;
  end if;
  return gone;
end
$$;

-- Drops the months of raw bodies that are over and of which nobody wants to keep anything: every tenant in them has a moment, and it is past their end.
-- Dropping locks es.attachments for an instant; when that cannot be had within a second the month stays until the next call.
create or replace function es.drop_attachment_months(tenants uuid[], moments timestamptz[], processed bigint) returns setof text
language plpgsql security definer set search_path = '' set timezone = 'UTC' set lock_timeout = '1s' as $$
declare
  month record;
  wanted boolean;
begin
  for month in
    select c.relname as name, to_date(right(c.relname, 7), 'YYYY_MM')::timestamptz + interval '1 month' as ends
    from pg_catalog.pg_inherits i join pg_catalog.pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'es.attachments'::regclass and c.relname ~ '^attachments_\d{4}_\d{2}$' order by c.relname
  loop
    continue when month.ends > now();
    execute format(
      'select exists (
         select from es.%I a left join unnest($1, $2) as k (tenant, moment) on k.tenant = a.tenant_id
         where k.moment is null or k.moment < $3 or coalesce(a.through, a.position) > $4
           or exists (select from work.postponed_deliveries p where p.tenant_id = a.tenant_id and p.position between a.position and coalesce(a.through, a.position)))', month.name)
      into wanted using tenants, moments, month.ends, processed;
    continue when wanted;
    begin
      execute format(
        'insert into es.attachment_purges as p (tenant_id, before, removed) select a.tenant_id, $1, sum(a.members) from es.%I a group by a.tenant_id
         on conflict (tenant_id, before) do update set removed = p.removed + excluded.removed', month.name) using month.ends;
      execute format('drop table es.%I', month.name);
      return next month.name;
    exception when lock_not_available then
      null;
    end;
  end loop;
end
$$;
