-- The same guarantees for less: es.append is called for every commit, and most of what a small commit cost was not its events.
-- * One plan for good. PostgreSQL took the length of the arrays into account and made every plan anew: a fifth of what a commit of one append cost. A plan
--   that is made while the log is empty must be right when it is not, so none may read through a table, and what is looked up is looked up row by row.
-- * Arrays are subscripted, which for an argument of plpgsql takes no search; unnest() copied each column into a store of its own first.
-- * Tenant and stream come once per append, not once more per event.
-- * Where every append finds the version that it expects, as nearly always, nothing is counted.
-- Together 0.6 of the former cost for a commit of four appends, 0.9 for one of 87.
-- And what is attached is compressed before it is sealed: this is what it weighs when it is opened (null: as much as its body).
alter table es.attachments add column weight int;

drop function es.append(uuid[], text[], int[], int[], uuid[], text[], int[], int[], uuid[], text[], int[], json[], json[], int[], int[], bytea[], timestamptz);

-- Appends a batch: every append is decided by itself and never fails its neighbours. An append is one stream, its events stand together in the arrays.
-- Expected version: n exact (0 = the stream does not exist), -1 it exists, -2 anything. A batch holds at most one append per stream.
--   per append: tenants to counts; per event: number of its append (from 1), place in it (from 1), the rest; attached = places of events in the arrays
--   with attachments, bundled = in which of the bodies those of each are; per body: its weight
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
  tenants uuid[], streams text[], expected int[], counts int[],
  numbers int[], places int[], ids uuid[], types text[], schema_versions int[], data json[], metadata json[],
  attached int[], bundled int[], bodies bytea[], weights int[], clock timestamptz,
  out head bigint, out recorded_ms bigint, out versions int[], out repeated int[], out repeated_at bigint[]
) language plpgsql security definer set search_path = '' set lock_timeout = '3s' set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
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
    versions := array(
      select coalesce((
        select e.version from es.events e where e.tenant_id = tenants[n] and e.stream_id = streams[n] order by e.version desc limit 1
      ), 0)
      from generate_series(1, cardinality(streams)) n order by n
    );
    if versions = expected then
      refused := array_fill(0, array[cardinality(versions)]);
    else
      with decided as (
        select a.number, a.version, a.events, a.expected = a.version or a.expected = -2 or (a.expected = -1 and a.version > 0) as good
        from unnest(versions, expected, counts) with ordinality a(version, expected, events, number)
      ), counted as (
        select d.number, case when d.good then d.version else -1 - d.version end as found,
          sum(case when d.good then 0 else d.events end) over (order by d.number) as refused
        from decided d
      )
      select array_agg(c.found order by c.number), array_agg(c.refused::int order by c.number) into versions, refused from counted c;
    end if;

    if look = 1 then
      perform pg_advisory_xact_lock(5013, 1);
      select e.position, e.recorded_at into head, tip from es.events e order by e.position desc limit 1;
      head := coalesce(head, 0);
      -- Milliseconds, as readers in JavaScript have them: what was built in memory equals what is read back.
      at := greatest(tip, date_trunc('milliseconds', coalesce(clock, clock_timestamp())));
    end if;

    begin
      insert into es.events (position, recorded_at, tenant_id, stream_id, version, event_id, type, schema_version, data, metadata)
      select head + n - refused[numbers[n]], at, tenants[numbers[n]], streams[numbers[n]], versions[numbers[n]] + places[n],
        ids[n], types[n], schema_versions[n], data[n], metadata[n]
      from generate_series(1, cardinality(ids)) n
      where versions[numbers[n]] >= 0;
      get diagnostics inserted = row_count;
      exit;
    exception when unique_violation then
      if look = 2 then raise; end if;
    end;
  end loop;

  if cardinality(attached) > 0 then
    -- A bundle may hold attachments of appends that were refused: sealed as it is, it takes them along, and nobody finds them.
    insert into es.attachments (tenant_id, position, through, members, recorded_at, body, weight)
    select tenants[b.number], b.position, b.through, b.members, at, bodies[b.bundle], weights[b.bundle]
    from (
      select bundled[f.k] as bundle, min(numbers[f.nth]) as number, min(head + f.nth - refused[numbers[f.nth]]) as position,
        max(head + f.nth - refused[numbers[f.nth]]) as through, count(*)::int as members
      from (select k, attached[k] as nth from generate_series(1, cardinality(attached)) k) f
      where versions[numbers[f.nth]] >= 0 group by bundled[f.k]
    ) b;
  end if;

  if refused[cardinality(refused)] > 0 then
    -- A repeat carries the ids and the expected version of the first time: its events stand right behind that version.
    select array_agg(r.number), array_agg(r.position) into repeated, repeated_at
    from (
      select p.number, max(p.position) as position
      from (
        select numbers[n] as number, (
          select e.position from es.events e
          where e.tenant_id = tenants[numbers[n]] and e.stream_id = streams[numbers[n]] and e.version = expected[numbers[n]] + places[n] and e.event_id = ids[n]
        ) as position
        from generate_series(1, cardinality(ids)) n
        where versions[numbers[n]] < 0 and expected[numbers[n]] >= 0
      ) p
      group by p.number having count(p.position) = count(*)
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
