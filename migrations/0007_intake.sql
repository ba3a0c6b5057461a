-- What the intake process knows beside the log, written in the transaction of its checkpoint: all of it can be made again by running the intake from the start.
create schema if not exists work;
grant usage on schema work to recado_worker;

-- Outgoing messages by our id and by the provider's, so that a status finds its conversation.
create table work.outgoing (
  tenant_id uuid not null,
  message_id text collate "C" not null,
  conversation_id text collate "C" not null,
  provider_id text collate "C",
  primary key (tenant_id, message_id)
);
create index outgoing_provider_id on work.outgoing (tenant_id, provider_id) where provider_id is not null;

-- Statuses that came before anybody knew their message. They wait for the answer of the provider that names it.
create table work.early_statuses (
  tenant_id uuid not null,
  provider_id text collate "C" not null,
  status text not null,
  report json not null,             -- {providerId, status, at, error?, pricing?}: nothing personal
  delivery_id text not null,
  received_at timestamptz not null default clock_timestamp(),
  primary key (tenant_id, provider_id, status)
);

-- Deliveries for numbers that nobody has connected yet, by what they wait for: `number:<phone number id>` or `waba:<business account id>`.
create table work.parked_deliveries (
  tenant_id uuid not null,
  address text collate "C" not null,
  delivery_id text collate "C" not null,
  parked_at timestamptz not null default clock_timestamp(),
  primary key (tenant_id, address, delivery_id)
);

do $$
declare
  tenant_table text;
begin
  foreach tenant_table in array array['outgoing', 'early_statuses', 'parked_deliveries'] loop
    execute format('alter table work.%I enable row level security', tenant_table);
    execute format('create policy tenant_wall on work.%I for select to recado_api using (tenant_id = nullif(current_setting(''recado.tenant'', true), '''')::uuid)', tenant_table);
    execute format('create policy worker_all on work.%I to recado_worker using (true) with check (true)', tenant_table);
    execute format('grant select, insert, update, delete on work.%I to recado_worker', tenant_table);
  end loop;
end
$$;
