-- Deliveries that hold nothing but the history of a phone: thousands of messages each, and nobody waits for them. The intake puts them here in the
-- transaction of its checkpoint and goes on; they are worked off beside it, oldest first, and a row goes when its delivery was applied.
create table work.postponed_deliveries (
  tenant_id uuid not null,
  delivery_id text collate "C" not null,
  position bigint not null,
  primary key (tenant_id, delivery_id)
);
create index postponed_deliveries_position on work.postponed_deliveries (position);
alter table work.postponed_deliveries enable row level security;
create policy tenant_wall on work.postponed_deliveries for select to recado_api using (tenant_id = nullif(current_setting('recado.tenant', true), '')::uuid);
create policy worker_all on work.postponed_deliveries to recado_worker using (true) with check (true);
grant select, insert, update, delete on work.postponed_deliveries to recado_worker;
-- A delivery that waits here is not processed yet, and says so.
grant usage on schema work to recado_api;
grant select on work.postponed_deliveries to recado_api;
