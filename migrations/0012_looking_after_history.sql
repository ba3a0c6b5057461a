-- Events that a person discarded for a row of a read model (ParkedEventDiscarded, stream `projection-…`, is the record; this is what writers look up).
-- Whatever builds the rows of a read model leaves these events out: live, rebuilt, of any version, and also when the fold could take them by now.
create table es.discarded_events (
  tenant_id uuid not null,
  projection text collate "C" not null,
  position bigint not null,
  stream_key text collate "C" not null,
  discarded_at timestamptz not null default clock_timestamp(),
  primary key (tenant_id, projection, position)
);
create index discarded_events_projection on es.discarded_events (projection);
alter table es.discarded_events enable row level security;
create policy tenant_wall on es.discarded_events for select to recado_api
  using (tenant_id = nullif(current_setting('recado.tenant', true), '')::uuid);
create policy worker_all on es.discarded_events to recado_worker using (true) with check (true);
grant select, insert on es.discarded_events to recado_worker;
grant select on es.discarded_events to recado_api;

-- Replays of many deliveries that are under way, made from the log (ReplayRequested) by the replayer in the transaction of its checkpoint.
-- `through` says how far one has come and moves with the counts; the row goes when ReplayFinished, which repeats the counts, is in the log.
create table work.replays (
  tenant_id uuid not null,
  replay_id text collate "C" not null,
  filter json not null,
  rate int4 not null,                            -- deliveries per second
  through bigint not null default 0,             -- deliveries received up to this position were dealt with
  upto bigint not null,                          -- those received later are none of it
  total int4 not null default 0,                 -- matched when it began
  matched int4 not null default 0,
  replayed int4 not null default 0,
  unreadable int4 not null default 0,
  waiting int4 not null default 0,
  items int4 not null default 0,
  failed int4 not null default 0,
  actor json not null,
  requested_at timestamptz not null,
  updated_at timestamptz not null default clock_timestamp(),
  primary key (tenant_id, replay_id)
) with (fillfactor = 50);
alter table work.replays enable row level security;
create policy tenant_wall on work.replays for select to recado_api using (tenant_id = nullif(current_setting('recado.tenant', true), '')::uuid);
create policy worker_all on work.replays to recado_worker using (true) with check (true);
grant select, insert, update, delete on work.replays to recado_worker;
grant select on work.replays to recado_api;

-- Which raw bodies retention has removed: those of a tenant that were recorded before a moment. The events themselves stay as they are.
create table es.attachment_purges (
  tenant_id uuid not null,
  before timestamptz not null,
  purged_at timestamptz not null default clock_timestamp(),
  removed bigint not null,
  primary key (tenant_id, before)
);
alter table es.attachment_purges enable row level security;
create policy tenant_wall on es.attachment_purges for select to recado_api
  using (tenant_id = nullif(current_setting('recado.tenant', true), '')::uuid);
create policy worker_all on es.attachment_purges to recado_worker using (true) with check (true);
grant select on es.attachment_purges to recado_api, recado_worker;

-- The next raw bodies of one tenant that were recorded before a moment, oldest first, at most so many; says how many there were.
-- Never one that is still needed: `processed` is how far the intake has come, and history that it put aside waits in a table of its own.
create function es.purge_attachments(tenant uuid, before_moment timestamptz, processed bigint, most int) returns int
language plpgsql security definer set search_path = '' as $$
declare
  gone int;
begin
  with doomed as (
    select a.position, a.recorded_at from es.attachments a
    where a.tenant_id = tenant and a.recorded_at < before_moment and a.position <= processed
      and not exists (select from work.postponed_deliveries p where p.tenant_id = a.tenant_id and p.position = a.position)
    order by a.position limit most
  )
  delete from es.attachments a using doomed d where a.tenant_id = tenant and a.position = d.position and a.recorded_at = d.recorded_at;
  get diagnostics gone = row_count;
  if gone > 0 then
    insert into es.attachment_purges as p (tenant_id, before, removed) values (tenant, before_moment, gone)
    on conflict (tenant_id, before) do update set removed = p.removed + excluded.removed;
  end if;
  return gone;
end
$$;

-- Drops the months of raw bodies that are over and of which nobody wants to keep anything: every tenant in them has a moment, and it is past their end.
-- Dropping locks es.attachments for an instant; when that cannot be had within a second the month stays until the next call.
create function es.drop_attachment_months(tenants uuid[], moments timestamptz[], processed bigint) returns setof text
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
         where k.moment is null or k.moment < $3 or a.position > $4
           or exists (select from work.postponed_deliveries p where p.tenant_id = a.tenant_id and p.position = a.position))', month.name)
      into wanted using tenants, moments, month.ends, processed;
    continue when wanted;
    begin
      execute format(
        'insert into es.attachment_purges as p (tenant_id, before, removed) select a.tenant_id, $1, count(*) from es.%I a group by a.tenant_id
         on conflict (tenant_id, before) do update set removed = p.removed + excluded.removed', month.name) using month.ends;
      execute format('drop table es.%I', month.name);
      return next month.name;
    exception when lock_not_available then
      null;
    end;
  end loop;
end
$$;
revoke all on function es.purge_attachments(uuid, timestamptz, bigint, int), es.drop_attachment_months(uuid[], timestamptz[], bigint) from public;
grant execute on function es.purge_attachments(uuid, timestamptz, bigint, int), es.drop_attachment_months(uuid[], timestamptz[], bigint) to recado_worker;
