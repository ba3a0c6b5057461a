-- The outbox: what still has to be sent, made from the log and no more than that: it can be emptied and made again by running `outbox` from the start.
-- A message leaves it when the provider has taken it. One that failed, or of which nobody knows, stays: somebody may ask for it to be sent again.
create schema if not exists work;
grant usage on schema work to recado_worker;

create table work.outbox (
  tenant_id uuid not null,
  message_id text collate "C" not null,
  channel_id text collate "C" not null,
  conversation_id text collate "C" not null,
  contact_id text collate "C" not null,
  state text collate "C" not null check (state in ('queued', 'sending', 'failed', 'unknown')),
  priority int4 not null,                        -- 0 agent, 1 automation, 2 campaign
  message_type text not null,
  content text not null,                         -- sealed for the event that queued it, field `content`
  content_event_id text not null,
  correlation_id text not null,
  reply_to text,
  attempt int4 not null,                         -- the last one that was recorded
  attempts_before int4 not null,                 -- those before somebody asked for another try: they do not count against it
  due_at timestamptz not null,
  queued_at timestamptz not null,
  queued_position bigint not null,               -- the order within the conversation
  position bigint not null,                      -- of the last event that changed the row
  primary key (tenant_id, message_id)
) with (fillfactor = 70);

-- What a channel's sender reads when it begins; also answers which channels have work at all.
create index outbox_open on work.outbox (tenant_id, channel_id, queued_position) where state in ('queued', 'sending');
-- What is new since a position, for senders in other processes than the one that writes the outbox.
create index outbox_news on work.outbox (position) where state = 'queued';

-- One sender per channel, on the database's clock. Rows stay, because the token must go on growing.
create table work.channel_leases (
  tenant_id uuid not null,
  channel_id text collate "C" not null,
  fencing_token bigint not null,
  owner text,
  lease_until timestamptz,
  primary key (tenant_id, channel_id)
) with (fillfactor = 50);

do $$
declare
  tenant_table text;
begin
  foreach tenant_table in array array['outbox', 'channel_leases'] loop
    execute format('alter table work.%I enable row level security', tenant_table);
    execute format('create policy tenant_wall on work.%I for select to recado_api using (tenant_id = nullif(current_setting(''recado.tenant'', true), '''')::uuid)', tenant_table);
    execute format('create policy worker_all on work.%I to recado_worker using (true) with check (true)', tenant_table);
    execute format('grant select, insert, update, delete on work.%I to recado_worker', tenant_table);
  end loop;
end
$$;
