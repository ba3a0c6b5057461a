-- Several processes on one database: who is there, and who is to hold which lease.

-- A process says again and again that it is there; on the database's clock, so that no two machines have to agree on the time. What it says when it comes and
-- goes is a hint for sharing the work out: what protects the tables stays the fencing token, whoever believes to be there.
create table es.members (
  owner text collate "C" primary key,            -- as in es.subscriptions: another one for every start of a process
  roles text[] not null,
  runs text[] not null,                          -- leases it would hold
  machine text,                                  -- where its number means it and no other process; null where that cannot be told
  pid int4 not null,
  joined_at timestamptz not null default clock_timestamp(),
  seen_until timestamptz not null,
  leaving boolean not null default false
) with (fillfactor = 50);
grant select, insert, update, delete on es.members to recado_worker;

create function es.is_here(member text) returns boolean language sql stable as $$
  select exists (select from es.members m where m.owner = member and not m.leaving and m.seen_until > clock_timestamp())
$$;

-- While this one is there nobody else takes the lease, and whoever holds it hands it over. Null, or one that is gone: whoever comes first.
alter table es.subscriptions add column assigned_to text collate "C";

-- What each number sent lately, so that its next sender keeps to the number's and the pairs' limits from where the one before stopped. One row per attempt,
-- written with the outbox and by the same events; a few minutes of them are kept.
create table work.recent_sends (
  tenant_id uuid not null,
  channel_id text collate "C" not null,
  conversation_id text collate "C" not null,
  sent_at timestamptz not null
);
create index recent_sends_channel on work.recent_sends (tenant_id, channel_id, sent_at);
create index recent_sends_age on work.recent_sends using brin (sent_at);
alter table work.recent_sends enable row level security;
create policy worker_all on work.recent_sends to recado_worker using (true) with check (true);
grant select, insert, delete on work.recent_sends to recado_worker;
