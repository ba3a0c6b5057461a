-- The log. One writer at a time (es.append takes a lock and holds it to the commit), so positions are dense and position order is commit order:
-- whoever has seen position n has seen everything before it, and a reader may assert next = last + 1.

create table es.events (
  position       bigint      not null primary key,
  recorded_at    timestamptz not null, -- never goes back along positions: a moment is one place in the log
  tenant_id      uuid        not null,
  stream_id      text        not null collate "C", -- '<category>-<id>'; bytes are compared, not words: cheaper, and no ICU update can break the index
  version        int         not null,
  event_id       uuid        not null, -- no index: random keys would cost every append; look-ups by id belong to a read model
  type           text        not null,
  schema_version smallint    not null,
  data           json        not null, -- json, not jsonb: 1.3 times faster to write, and the log is not searched by content
  metadata       json        not null
);
create unique index events_stream on es.events (tenant_id, stream_id, version);
-- A tenant's log from a position on. It grows at its tenants' right edges only: 0 to 1.5 of the 26 µs of an append, against 2 to 5 for one on event_id,
-- which lands anywhere and gets slower as it grows.
create index events_tenant on es.events (tenant_id, position);

alter table es.events enable row level security;
create policy tenant_wall on es.events for select to recado_api using (tenant_id = nullif(current_setting('recado.tenant', true), '')::uuid);
create policy worker_all on es.events to recado_worker using (true) with check (true);
-- Nobody writes but es.append, which runs with its owner's rights.
grant select on es.events to recado_api, recado_worker;

-- What happened is not edited. A key's destruction erases a person; overwriting an event in place is the last resort, for the owner only, with the
-- setting es.allow_erasure. Removing a row is refused even then: readers take a missing position for a lost event, and the tip would be given twice.
create function es.refuse_change() returns trigger language plpgsql as $$
begin
  if tg_op = 'UPDATE' and current_setting('es.allow_erasure', true) = 'on' then
    return null;
  end if;
  raise exception '% on es.events refused: the log is append-only', tg_op using errcode = 'restrict_violation';
end
$$;
create trigger append_only before update or delete or truncate on es.events for each statement execute function es.refuse_change();

-- Bytes that belong to an event and not into JSON: the raw body of a delivery, sealed, which does not compress. Beside the log and by month, so that
-- retention drops a partition and the log stays small. The default partition takes what no month was prepared for: an append never fails for want of one.
create table es.attachments (
  tenant_id   uuid        not null,
  position    bigint      not null,
  recorded_at timestamptz not null,
  body        bytea       not null,
  primary key (tenant_id, position, recorded_at)
) partition by range (recorded_at);
alter table es.attachments alter column body set storage external;
create table es.attachments_default partition of es.attachments default;

alter table es.attachments enable row level security;
create policy tenant_wall on es.attachments for select to recado_api using (tenant_id = nullif(current_setting('recado.tenant', true), '')::uuid);
create policy worker_all on es.attachments to recado_worker using (true) with check (true);
grant select on es.attachments to recado_api, recado_worker;
-- A partition asked for directly shows nothing: it has row level security without a policy, and no grants.
alter table es.attachments_default enable row level security;

-- Makes the partitions of this month and the next ones. Attaching takes no lock that an append or a reader of the parent waits for; the default
-- partition is locked for a moment, and not waited for longer than a second: the next call tries again.
create function es.prepare_attachment_months(ahead int default 2) returns setof text
language plpgsql security definer set search_path = '' set timezone = 'UTC' set lock_timeout = '1s' as $$
declare
  first_day timestamptz;
  next_month timestamptz;
  name text;
begin
  perform pg_advisory_xact_lock(5013, 2);
  for month in 0..ahead loop
    first_day := date_trunc('month', now()) + make_interval(months => month);
    next_month := first_day + interval '1 month';
    name := 'attachments_' || to_char(first_day, 'YYYY_MM');
    if to_regclass('es.' || name) is null then
      execute format('create table es.%I (like es.attachments including defaults including storage)', name);
      execute format('alter table es.%I enable row level security', name);
      execute format(
        'with moved as (delete from es.attachments_default where recorded_at >= %L and recorded_at < %L returning *)
         insert into es.%I select * from moved', first_day, next_month, name);
      execute format('alter table es.attachments attach partition es.%I for values from (%L) to (%L)', name, first_day, next_month);
      return next name;
    end if;
  end loop;
end
$$;
revoke all on function es.prepare_attachment_months(int) from public;
grant execute on function es.prepare_attachment_months(int) to recado_worker;
select es.prepare_attachment_months();

-- Appends a batch: every append is decided by itself and never fails its neighbours. An append is one stream, its events stand together in the arrays.
-- Expected version: n exact (0 = the stream does not exist), -1 it exists, -2 anything. A batch holds at most one append per stream.
--   per append: append_*; per event: number of its append (from 1), place in it (from 1), the rest; attached = places of events in the arrays with a body
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
  attached int[], bodies bytea[], clock timestamptz,
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
    insert into es.attachments (tenant_id, position, recorded_at, body)
    select tenants[f.nth], head + f.nth - refused[numbers[f.nth]], at, f.body
    from unnest(attached, bodies) f(nth, body)
    where versions[numbers[f.nth]] >= 0;
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
